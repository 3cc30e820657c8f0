"""YAML files that people write: checked as a whole, and told of with file, line and key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from faceguard.engines.errors import UsageError

Model = TypeVar("Model", bound=BaseModel)


def validated(text: str, where: str, model: type[Model]) -> Model:
    """Reads YAML into a model.

    Args:
        text: What the file holds.
        where: The file, for messages.
        model: What it should be.

    Raises:
        UsageError: It is no YAML, a key stands there twice, or it does not hold what it should;
            one line with file, line and key.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        spot = f"{where}:{mark.line + 1}" if mark else where
        reason = getattr(error, "problem", None) or why(error)
        raise UsageError(f"{spot}: not YAML: {reason}") from error
    double = _double_key(tree)
    if double is not None:
        raise UsageError(f"{where}:{double[0]}: {double[1]}: stands there twice; keep one")
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        found = error.errors()
        keys = found[0]["loc"]
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        reason = found[0]["msg"].removeprefix("Value error, ")
        spot = ".".join(map(str, keys)) or model.__name__.lower()
        raise UsageError(f"{where}:{_line_of(tree, keys)}: {spot}: {reason}{more}") from error


def why(error: Exception) -> str:
    """The reason of an error, as one line."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    return text or type(error).__name__


def _double_key(node: yaml.Node | None) -> tuple[int, str] | None:
    """The first key that a mapping holds twice; YAML itself would silently take the later one."""
    if isinstance(node, yaml.SequenceNode):
        inner: Sequence[yaml.Node] = node.value
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                return key.start_mark.line + 1, str(key.value)
            seen.add(key.value)
        inner = [value for _, value in node.value]
    else:
        return None
    return next((found for found in map(_double_key, inner) if found), None)


def _line_of(node: yaml.Node | None, keys: Sequence[int | str]) -> int:
    """The line that a path of keys leads to, or comes nearest to."""
    line = node.start_mark.line + 1 if node is not None else 1
    for wanted in keys:
        if isinstance(node, yaml.SequenceNode) and isinstance(wanted, int):
            node = node.value[wanted] if wanted < len(node.value) else None
            line = node.start_mark.line + 1 if node is not None else line
        elif isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == wanted), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
    return line
