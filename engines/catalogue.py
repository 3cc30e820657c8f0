"""What models and samples there are: names, hashes, licences, and what a detector must know.

The catalogue ships with the package as ``configs/models.yaml``. The environment variable
``FACEGUARD_CATALOGUE`` names another file to read instead, for models of one's own.
"""

from __future__ import annotations

import difflib
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from faceguard.engines.errors import ModelUnknown, UsageError
from faceguard.engines.yaml_file import validated, why

if TYPE_CHECKING:
    from typing_extensions import Self

Share = Annotated[float, Field(ge=0, le=1)]
Pixels = Annotated[int, Field(gt=0, le=8192)]
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\r\n]+$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
# Plain names only: a file of the catalogue can never lead out of the store's folder.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Family = Literal["blazeface", "yunet", "centerface"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(_Strict):
    """Where a file can be had: a member of a registry wheel, or a public address.

    Attributes:
        wheel: A pinned requirement, NAME==VERSION.
        path: The file's path within the wheel.
        url: An http or https address.
    """

    wheel: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.!+]+$")] | None = None
    path: Line | None = None
    url: Line | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.wheel is None) == (self.url is None) or (self.wheel is None) != (
            self.path is None
        ):
            raise ValueError("give either wheel and path, or url")
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("url must start with https:// or http:// and name a host")
        return self

    def __str__(self) -> str:
        """A short name for messages."""
        return self.url or f"wheel {self.wheel}"


class InputSize(_Strict):
    """The picture a detector takes, in pixels.

    Attributes:
        fixed_px: Both sides, where the graph knows one size only.
        long_side_px: The longer side unless a user says otherwise, where the graph takes any size.
        multiple_px: Each side must be a multiple of this.
    """

    fixed_px: Pixels | None = None
    long_side_px: Pixels | None = None
    multiple_px: Pixels = 1

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.fixed_px is None) == (self.long_side_px is None):
            raise ValueError("give either fixed_px or long_side_px")
        return self


class Scores(_Strict):
    """Confidences, 0 to 1.

    Attributes:
        start: What a face needs to be believed by itself.
        keep: What is enough where a face was a moment ago.
    """

    start: Share
    keep: Share

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.keep > self.start:
            raise ValueError("keep must not be above start")
        return self

    def starting_at(self, start: float | None) -> Scores:
        """These, or what is asked for with the lower one in proportion.

        Args:
            start: What a face shall need to be believed; None leaves all as it is.
        """
        if start is None:
            return self
        share = self.keep / self.start if self.start else 1.0
        return Scores(start=start, keep=min(start, start * share))


class Enlarging(_Strict):
    """What a super-resolution network does.

    Attributes:
        scale: Each side grows by this.
        colours: What it takes: `luma` alone, from 0 to 1, or `bgr` from 0 to 255.
        overlap_px: Pixels around a tile that its network needs to see, so that tiles join without
            a seam: its receptive field, or less where a test shows that less is enough.
        rewritten: Whether a second graph is kept, which computes the same with fewer
            multiplications and more memory (`faceguard.convert.graph.winograd`).
    """

    scale: Annotated[int, Field(ge=2, le=8)]
    colours: Literal["luma", "bgr"]
    overlap_px: Annotated[int, Field(ge=0, le=256)]
    rewritten: bool = False


USUAL_SCORES = Scores(start=0.5, keep=0.3)
"""Where the catalogue knows nothing better."""


class Entry(_Strict):
    """One model or sample.

    Attributes:
        name: What a user calls it.
        kind: A model, which is prepared for a runtime, or a sample, which is used as it is.
        task: What it is for: `face-detection`, `super-resolution`, `picture`, `video`.
        family: Which decoder reads a detector's outputs.
        variant: Which member of the family, where there are several.
        about: One line for people.
        licence: The licence of the file, as an SPDX name where there is one.
        file: The name that the file gets in a store, and is looked for in FACEGUARD_MODELS.
        bytes: Its size.
        sha256: Its hash.
        tests: Whether the test suite uses it.
        input: The picture that a detector takes.
        score: A detector's default thresholds.
        enlarging: What a super-resolution network does.
        places: Where it can be had, tried in this order (`from` in the file).
    """

    name: Name
    kind: Literal["model", "sample"]
    task: Line
    family: Family | None = None
    variant: Name | None = None
    about: Line
    licence: Line
    file: FileName
    bytes: Annotated[int, Field(gt=0)]
    sha256: Hash
    tests: bool = False
    input: InputSize | None = None
    score: Scores | None = None
    enlarging: Enlarging | None = None
    places: Annotated[tuple[Place, ...], Field(alias="from", min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        details = (self.family, self.input, self.score)
        if self.is_detector and None in details:
            raise ValueError("a face detector needs family, input and score")
        if self.kind == "sample" and details != (None, None, None):
            raise ValueError("a sample has no family, input or score")
        if self.is_upscaler != (self.enlarging is not None):
            raise ValueError("a super-resolution model, and no other, needs enlarging")
        if self.kind == "model" and Path(self.file).suffix not in (".onnx", ".tflite", ".pb"):
            raise ValueError(f"file {self.file} of a model must end in .onnx, .tflite or .pb")
        return self

    @property
    def is_detector(self) -> bool:
        """Whether it is a model that finds faces."""
        return self.kind == "model" and self.task == "face-detection"

    @property
    def is_upscaler(self) -> bool:
        """Whether it is a model that enlarges pictures."""
        return self.kind == "model" and self.task == "super-resolution"

    @property
    def is_rewritten(self) -> bool:
        """Whether a rewritten graph stands beside the plain one in a store."""
        return self.enlarging is not None and self.enlarging.rewritten


class Catalogue(_Strict):
    """All models and samples.

    Attributes:
        default: The detector that is taken when none is named.
        entries: By name, in the order of the file.
    """

    default: Name
    entries: dict[Name, Entry]

    @model_validator(mode="before")
    @classmethod
    def _name_entries(cls, raw: object) -> object:
        """Tells each entry its name, which stands in the file as its key."""
        if not isinstance(raw, dict) or not isinstance(raw.get("entries"), dict):
            return raw
        named = {
            key: {**body, "name": key} if isinstance(body, dict) else body
            for key, body in raw["entries"].items()
        }
        return {**raw, "entries": named}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default not in self.entries or not self.entries[self.default].is_detector:
            raise ValueError(f"default {self.default} is not a face detector among the entries")
        suffixes = (".onnx", ".rewritten.onnx", ".json")
        taken = {f"{name}{suffix}": name for name in self.entries for suffix in suffixes}
        for name, entry in self.entries.items():
            if entry.file in taken:
                raise ValueError(f"file {entry.file} of {name} is also a file of its store")
            taken[entry.file] = name
        return self

    def upscalers(self) -> list[Entry]:
        """The models that enlarge pictures."""
        return [entry for entry in self.entries.values() if entry.is_upscaler]

    def entry(self, name: str) -> Entry:
        """Looks a name up.

        Raises:
            ModelUnknown: No such name; similar ones are suggested.
        """
        found = self.entries.get(name)
        if found is not None:
            return found
        near = difflib.get_close_matches(name, self.entries, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ";"
        raise ModelUnknown(
            f"no model or sample is called {name!r}{hint} `faceguard models list` shows all"
        )

    def detectors(self) -> list[Entry]:
        """The face detectors, in the order of the file."""
        return [entry for entry in self.entries.values() if entry.is_detector]


def read_catalogue(path: Path | None = None) -> Catalogue:
    """Reads the catalogue.

    Args:
        path: The YAML file; None takes FACEGUARD_CATALOGUE, or the one that ships with faceguard.

    Raises:
        UsageError: It cannot be read or does not hold what it should; one line with file, line
            and key.
    """
    named = path or os.environ.get("FACEGUARD_CATALOGUE")
    where = str(named) if named else "configs/models.yaml"
    source = Path(named) if named else resources.files("faceguard.configs") / "models.yaml"
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{where}: the catalogue cannot be read: {why(error)}") from error
    return validated(text, where, Catalogue)
