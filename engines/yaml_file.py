"""YAML files that people write: checked as a whole, and told of with file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from faceguard.engines.errors import UsageError
from faceguard.engines.yaml_reasons import faults_of
from faceguard.engines.yaml_tree import Fault, dotted, read_tree

Model = TypeVar("Model", bound=BaseModel)


def validated(text: str, where: str, model: type[Model]) -> Model:
    """Reads YAML into a model; of several things that are wrong it tells the first.

    Args:
        text: What the file holds.
        where: The file, for messages.
        model: What it should be.

    Raises:
        UsageError: It is no YAML, a key stands there twice, or it does not hold what it should;
            one line with file, line and key.
    """
    top = model.__name__.lower()
    tree = read_tree(text)
    # Of a key that stands there twice, the name alone is enough to look for.
    doubles = [Fault(f.reason, f.line, (f.keys or ())[-1:]) for f in tree.doubles]
    for fault in (*doubles, *tree.unfit):
        raise UsageError(fault.told(where, top))
    try:
        return model.model_validate(tree.raw)
    except ValidationError as error:
        found = error.errors(include_url=False)
        keys = found[0]["loc"]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        reason = found[0]["msg"].removeprefix("Value error, ")
        fault = Fault(f"{reason}{more}", tree.line_of(keys), keys)
        raise UsageError(fault.told(where, top)) from error


def checked(
    text: str, where: str, model: type[Model], context: Mapping[str, object] | None = None
) -> Model:
    """Reads YAML into a model; of several things that are wrong it tells all.

    Args:
        text: What the file holds.
        where: The file, for messages.
        model: What it should be.
        context: For the model's own validators.

    Raises:
        UsageError: What is wrong, a line each as ``FILE:LINE: key.path: reason``, sorted by line.
            No line holds a value of the file, unless one of the model's validators names it.
    """
    tree = read_tree(text)
    faults = [*tree.unfit, *tree.doubles]
    if not tree.unfit:
        try:
            told = model.model_validate(tree.raw, context=dict(context or {}))
        except ValidationError as error:
            faults += faults_of(error, model, tree)
        else:
            if not faults:
                return told
    top = model.__name__.lower()
    faults.sort(key=lambda fault: (fault.line, dotted(fault.keys or ())))
    # Not `from` pydantic's error: a traceback would show what the file holds.
    raise UsageError("\n".join(fault.told(where, top) for fault in faults))


def why(error: Exception) -> str:
    """The reason of an error, as one line."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    return text or type(error).__name__
