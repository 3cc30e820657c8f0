"""YAML files that people write: checked as a whole, and told of with file, line and key."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
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
    tree, raw = _parsed(text, where)
    double = _double_key(tree, set())
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


def _parsed(text: str, where: str) -> tuple[yaml.Node | None, object]:
    """The file's tree, which knows its lines, and what it stands for."""
    fast = getattr(yaml, "CSafeLoader", None)
    if fast is not None:
        # Ten times as quick where it is built in. What it trips over, the other tells more clearly.
        with suppress(yaml.YAMLError, RecursionError, *_STUMBLES):
            return _loaded(fast(text))
    try:
        return _loaded(yaml.SafeLoader(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        spot = f"{where}:{mark.line + 1}" if mark else where
        reason = getattr(error, "problem", None) or why(error)
        raise UsageError(f"{spot}: not YAML: {reason}") from error
    except RecursionError as error:
        raise UsageError(f"{where}: nested too deep; write a plain list of keys") from error
    except _STUMBLES as error:
        raise UsageError(
            f"{where}: holds a value that is none of its kind: {why(error)[:100]}"
        ) from error


# What PyYAML itself stumbles over: a 13th month, a number of 5000 digits, `!!bool maybe`.
_STUMBLES = (ValueError, LookupError, AttributeError, TypeError, OverflowError)


def _loaded(loader: yaml.SafeLoader) -> tuple[yaml.Node | None, object]:
    tree = loader.get_single_node()
    return tree, None if tree is None else loader.construct_document(tree)


def why(error: Exception) -> str:
    """The reason of an error, as one line."""
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    return text or type(error).__name__


def _double_key(node: yaml.Node | None, looked_at: set[int]) -> tuple[int, str] | None:
    """The first key that a mapping holds twice; YAML itself would silently take the later one."""
    # An alias leads to a part that was looked at, or even into itself.
    if node is None or id(node) in looked_at:
        return None
    looked_at.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        inner: Sequence[yaml.Node] = node.value
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, _ in node.value:
            # Keys may be lists, too, as far as YAML goes.
            if str(key.value) in seen:
                return key.start_mark.line + 1, str(key.value)
            seen.add(str(key.value))
        inner = [value for _, value in node.value]
    else:
        return None
    return next((found for part in inner if (found := _double_key(part, looked_at))), None)


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
