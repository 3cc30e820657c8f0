"""What all parts of the configuration have in common."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationInfo,
    field_validator,
    model_validator,
)

FOLDER = "folder"
"""Key of the validation context: the folder that relative paths are seen from."""
STDOUT = Path("-")
"""Stands for standard output where a path is asked for."""


class Part(BaseModel):
    """A part of the configuration: unknown keys are refused, and nothing changes later.

    Descriptions of the fields stand in their docstrings, and go into the JSON Schema.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        # `.inf` would pass as "at least 1", and means what null says more clearly.
        allow_inf_nan=False,
        # An error's text may end in a log, and a value may be a password.
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _meant(cls, raw: object) -> object:
        """Reads what YAML gives as people mean it."""
        if not isinstance(raw, dict):
            return raw
        return {key: _as_meant(cls, key, value) for key, value in raw.items()}

    @field_validator("*", mode="after")
    @classmethod
    def _place(cls, value: object, info: ValidationInfo) -> object:
        """Paths are seen from the file's own folder, since a service starts elsewhere."""
        if not isinstance(value, Path) or value == STDOUT:
            return value
        if any(unicodedata.category(character) == "Cc" for character in str(value)):
            # Whatever is said of it would be more than a line.
            raise ValueError("names no file; it holds control characters")
        folder = (info.context or {}).get(FOLDER)
        if folder is None:
            return value
        try:
            return Path(folder) / value.expanduser()
        except RuntimeError:
            raise ValueError("begins with the home (~) of a user that is not there") from None


class _Nothing:
    """In place of a value that no field takes, so that the field says what it wants."""


def _as_meant(part: type[Part], key: str, value: object) -> object:
    field = part.model_fields.get(key)
    if field is None:
        return value
    kinds = set(_flat(field.annotation))
    if isinstance(value, bool) and bool not in kinds:
        # To pydantic, yes is 1.
        return _Nothing()
    if value == "" and Path in kinds:
        # To pathlib, nothing is where one stands.
        return _Nothing()
    if value is None and type(None) not in kinds:
        # A section whose keys are all left out.
        # To Python 3.10, tuple[int] is a type too.
        plain = [kind for kind in kinds if isinstance(kind, type) and get_origin(kind) is None]
        inner = [kind for kind in plain if issubclass(kind, Part)]
        return {} if len(inner) == 1 else value
    return value


def _flat(annotation: Any) -> list[Any]:  # noqa: ANN401 - annotations have no type of their own
    """The plain types that an annotation is made of."""
    if get_origin(annotation) is Annotated:
        return _flat(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for one in get_args(annotation) for kind in _flat(one)]
    return [annotation]
