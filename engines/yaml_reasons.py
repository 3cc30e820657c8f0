"""What pydantic says of a file, as its writer would say it: keys as they stand there, plain words.

pydantic's path to an error also names which member of a union it tried; that stands in no file.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from faceguard.engines.yaml_tree import Fault, Key, Tree

_HOLDS_KEYS = "must hold keys, each on a line of its own"
_WHOLE = "must be a whole number"
_NUMBER = "must be a number"
_CHOICE = "must be true or false"
_PLAIN = {
    "missing": "is missing",
    "string_type": "must be text; put it in quotes",
    "path_type": "must be a path",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _CHOICE,
    "bool_parsing": _CHOICE,
    "model_type": _HOLDS_KEYS,
    "model_attributes_type": _HOLDS_KEYS,
    "dict_type": _HOLDS_KEYS,
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_unicode": "holds characters that are none",
}


def faults_of(error: ValidationError, model: type[BaseModel], tree: Tree) -> list[Fault]:
    """One fault a key: what pydantic found, where it stands in the file.

    Args:
        error: What pydantic raised.
        model: For what.
        tree: The file.
    """
    reasons: dict[tuple[Key, ...], list[str]] = {}
    for found in error.errors(include_url=False, include_input=False):
        keys, owner = located(model, found["loc"])
        keys, reason = _reason(found, keys, owner)
        said = reasons.setdefault(keys, [])
        # A union of plain values is told once a member.
        if reason not in said:
            said.append(reason)
    return [Fault(_joined(said), tree.line_of(keys), keys) for keys, said in reasons.items()]


def located(
    model: type[BaseModel], path: tuple[Key, ...]
) -> tuple[tuple[Key, ...], type[BaseModel]]:
    """Turns pydantic's path into the keys that stand in the file.

    Args:
        model: What the whole file should be.
        path: `loc` of an error.

    Returns:
        The keys, and the model that the last of them belongs to.
    """
    keys: list[Key] = []
    rest = list(path)
    owner = model
    here: Any = model
    while rest:
        if get_origin(here) in (tuple, list):
            keys.append(rest.pop(0))
            here = _kind(get_args(here)[0])
        elif here is not None:
            owner = here
            field = here.model_fields.get(str(rest[0]))
            keys.append(rest.pop(0))
            if field is None:
                break
            told_apart = field.discriminator is not None and bool(rest)
            here = _member(field, rest.pop(0)) if told_apart else _kind(field.annotation)
        else:
            break
    return tuple(keys), owner


def _reason(
    found: ErrorDetails, keys: tuple[Key, ...], owner: type[BaseModel]
) -> tuple[tuple[Key, ...], str]:
    """The keys and the words for one of pydantic's errors."""
    kind = found["type"]
    if kind == "extra_forbidden":
        return keys, f"no such key{_meant(str(keys[-1]), list(owner.model_fields))}"
    field = owner.model_fields.get(str(keys[-1])) if keys else None
    if kind in ("union_tag_not_found", "union_tag_invalid") and field is not None:
        tags = list(_members(field))
        context: Mapping[str, Any] = found.get("ctx", {})
        near = _meant(str(context.get("tag", "")), tags)
        return (*keys, str(field.discriminator)), f"must be one of {', '.join(tags)}{near}"
    plain = _PLAIN.get(kind)
    if plain is None:
        plain = found["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        plain = plain[:1].lower() + plain[1:]
    return keys, plain


def _joined(reasons: list[str]) -> str:
    """One reason, or several as "must be a path or 'none'"."""
    return " or ".join((reasons[0], *(more.removeprefix("must be ") for more in reasons[1:])))


def _meant(said: str, known: list[str]) -> str:
    near = difflib.get_close_matches(said, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _kind(annotation: Any) -> Any:  # noqa: ANN401 - annotations have no type of their own
    """The model or list within an annotation; None for plain values."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        kinds = (_kind(one) for one in get_args(annotation))
        return next((one for one in kinds if one is not None), None)
    if origin in (tuple, list):
        return annotation
    # To Python 3.10, list[int] is a type too; those are done with above.
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


def _members(field: FieldInfo) -> dict[str, type[BaseModel]]:
    """The models of a union that a key tells apart, by what that key says."""
    return {
        str(tag): model
        for model in get_args(field.annotation)
        for tag in get_args(model.model_fields[str(field.discriminator)].annotation)
    }


def _member(field: FieldInfo, tag: Key) -> type[BaseModel] | None:
    return _members(field).get(str(tag))
