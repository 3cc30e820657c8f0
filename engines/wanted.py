"""Which engines a configuration asks for: the `engines:` list of a YAML file.

::

    engines:
      - {model: yunet, precision: fp16, shape: 1x3x384x640}
      - {model: blazeface-short}

Other keys of the file are not looked at here.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from faceguard.engines.small_file import read_small
from faceguard.engines.spec import Backend, Precision
from faceguard.engines.yaml_file import validated

MOST_BYTES = 1_000_000
"""What is larger is no configuration."""

_SHAPE = "[1-9][0-9]*(x[1-9][0-9]*)*"
_FORMS = {
    "shape": (re.compile(f"(.*=)?{_SHAPE}"), "1x3x384x640"),
    "profile": (
        re.compile(f"(.*=)?{_SHAPE},{_SHAPE},{_SHAPE}"),
        "1x3x192x320,1x3x384x640,1x3x640x640",
    ),
}


class Wanted(BaseModel):
    """One engine.

    Attributes:
        model: Its name in the catalogue.
        precision: What it computes in; None takes fp16, or on the CPU, which gains nothing by it,
            fp32.
        shape: The one shape that it takes, as 1x3x384x640, or None.
        profile: The shapes that it takes, as MIN,OPT,MAX, or None.
        backend: What runs it; None takes the best of this machine.
        calibration: Folder of pictures, for int8; in the file, as seen from the file's own folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    precision: Precision | None = None
    shape: str | None = None
    profile: str | None = None
    backend: Backend | None = None
    calibration: Path | None = None

    @field_validator("shape", "profile", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        # YAML reads 1x3 as text but 640 as a number.
        return str(value) if isinstance(value, int) else value

    @field_validator("shape", "profile", mode="after")
    @classmethod
    def _shapes(cls, value: str | None, info: ValidationInfo) -> str | None:
        # The rest is for the converter to say; only here the line is known.
        pattern, example = _FORMS[str(info.field_name)]
        if value is not None and not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is none; write it like {example}")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.shape is not None and self.profile is not None:
            raise ValueError("give shape or profile, not both")
        if (self.precision == "int8") != (self.calibration is not None):
            raise ValueError("int8, and only int8, needs calibration: a folder of pictures")
        return self


class Configuration(BaseModel):
    """The part of a configuration that names engines.

    Attributes:
        engines: At least one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    engines: tuple[Wanted, ...]

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            raise ValueError("holds no keys; write a list `engines:` of such as {model: yunet}")
        return raw

    @field_validator("engines", mode="before")
    @classmethod
    def _some(cls, value: object) -> object:
        if not value:
            raise ValueError("names no engine; write a list of such as {model: yunet}")
        return value


def read_wanted(path: Path | None = None) -> tuple[Wanted, ...]:
    """Reads what a configuration asks for.

    Args:
        path: The YAML file; None takes `configs/engines.yaml`, which ships with faceguard.

    Raises:
        UsageError: It cannot be read or does not hold what it should; one line with file, line
            and key.
    """
    if path is None:
        shipped = resources.files("faceguard.configs") / "engines.yaml"
        text = shipped.read_text(encoding="utf-8")
        return validated(text, "configs/engines.yaml", Configuration).engines
    text = read_small(path, "the configuration", MOST_BYTES)
    return beside(path.parent, validated(text, str(path), Configuration).engines)


def beside(folder: Path, engines: tuple[Wanted, ...]) -> tuple[Wanted, ...]:
    """The same lines with their folders as seen from the configuration's own.

    Args:
        folder: The configuration's.
        engines: Lines as they stand in it.
    """
    # A service starts in another folder than the one who wrote the file.
    return tuple(
        wanted
        if wanted.calibration is None
        else wanted.model_copy(update={"calibration": folder / wanted.calibration})
        for wanted in engines
    )
