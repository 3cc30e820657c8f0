"""The words after --shape and --profile become shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from faceguard.engines.errors import UsageError
from faceguard.engines.spec import Profile, Shape

ONLY_INPUT = ""
"""Stands for the name where it was left out, which is right where a model has one input."""

_MOST_AXES = 8
_LARGEST_SIDE = 2**31 - 1
_Value = TypeVar("_Value")


def parse_shapes(options: Sequence[str]) -> dict[str, Shape]:
    """Reads all `--shape` options.

    Args:
        options: Such as `input=1x3x640x640`, or `1x3x640x640` where the model has one input.

    Returns:
        Shapes by input; `ONLY_INPUT` where no name was given.

    Raises:
        UsageError: One is not of that form, or an input is named twice.
    """
    return _parse(options, "--shape", _shape)


def parse_profiles(options: Sequence[str]) -> dict[str, Profile]:
    """Reads all `--profile` options.

    Args:
        options: Such as `input=1x3x320x320,1x3x640x640,1x3x1280x1280`: smallest, usual, largest.

    Returns:
        Profiles by input; `ONLY_INPUT` where no name was given.

    Raises:
        UsageError: One is not of that form, its shapes are out of order, or an input is named
            twice.
    """
    return _parse(options, "--profile", _profile)


def _parse(
    options: Sequence[str], option: str, read: Callable[[str, str], _Value]
) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for text in options:
        # A tensor's name may hold "=" itself; a shape never does.
        name, _, value = text.rpartition("=")
        if name in found:
            raise UsageError(f"{option} {text}: {name or 'the input'!r} was given twice; keep one")
        found[name] = read(value, f"{option} {text}")
    return found


def _shape(text: str, where: str) -> Shape:
    words = text.lower().split("x")
    plain = all(
        word.isascii() and word.isdigit() and len(word) <= len("2147483647") for word in words
    )
    sides = tuple(int(word) for word in words) if plain else ()
    if not 1 <= len(sides) <= _MOST_AXES or not all(1 <= side <= _LARGEST_SIDE for side in sides):
        raise UsageError(
            f"{where}: {text!r} is no shape; write whole numbers from 1 up, as in input=1x3x640x640"
        )
    return sides


def _profile(text: str, where: str) -> Profile:
    shapes = [_shape(part, where) for part in text.split(",")]
    if len(shapes) != 3:
        raise UsageError(
            f"{where}: {len(shapes)} shapes; write three, MIN,OPT,MAX, "
            "as in input=1x3x320x320,1x3x640x640,1x3x1280x1280"
        )
    if len({len(shape) for shape in shapes}) != 1:
        raise UsageError(f"{where}: the three shapes must have the same number of sides")
    for axis, (low, best, high) in enumerate(zip(*shapes, strict=True)):
        if not low <= best <= high:
            raise UsageError(
                f"{where}: axis {axis} goes {low}, {best}, {high}; it must be MIN <= OPT <= MAX"
            )
    return Profile(*shapes)
