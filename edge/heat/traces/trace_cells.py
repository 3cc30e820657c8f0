r"""The cells of a trace: numbers that come back bit by bit, texts on one line, none for None.

In texts, a backslash and whatever cannot be printed is `\u{HEX}`, so that a row is a line; a lone
backslash is the empty text, since the empty cell is None.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from faceguard.edge.heat.reading import Sensed
from faceguard.edge.outputs.plain import rfc3339

_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|inf)|nan")
_WHOLE = re.compile(r"-?[0-9]{1,40}")
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]{1,6})\})?")
_WALL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_LAST_CHARACTER = 0x10FFFF


def number(value: float | None) -> str:
    """A number's cell: what is read from it is the same to the last bit."""
    if value is None:
        return ""
    # Not repr(): that of NumPy's floats, which are floats, is another.
    return int.__repr__(value) if isinstance(value, int) else float.__repr__(float(value))


def text(value: str | None) -> str:
    """A text's cell."""
    return "" if value is None else escaped(value)


def names(values: Iterable[str]) -> str:
    """A cell of several names."""
    return ";".join(escaped(name, also=";") for name in values)


def flag(value: bool) -> str:
    """A cell that is 1 or 0."""
    return "1" if value else "0"


def wall(value_s: float | None) -> str:
    """A time's cell: UTC, to the millisecond."""
    return "" if value_s is None else rfc3339(value_s) or ""


def sensed(value: Sensed) -> list[str]:
    """A sensor's two cells: its value, and why there is none."""
    return [number(value.value), text(value.reason)]


def escaped(value: str, *, also: str = "") -> str:
    """A text on one line, never empty.

    Args:
        value: The text.
        also: More characters that must not stand in it.
    """
    kept = "".join(
        c if c.isprintable() and c != "\\" and c not in also else f"\\u{{{ord(c):x}}}"
        for c in value
    )
    return kept or "\\"


def join(cells: list[str]) -> str:
    """A line of cells, with its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


class Cells:
    """The cells of a line, taken one after the other.

    Each method raises ValueError where the cell is not what it says; the words are safe to show.
    """

    def __init__(self, line: str) -> None:
        """Takes a line without its end.

        Raises:
            ValueError: It is no row of a CSV file.
        """
        try:
            (cells,) = csv.reader([line], strict=True)
        except (csv.Error, ValueError):
            raise ValueError("is no row of a CSV file") from None
        self._left: Iterator[str] = iter(cells)

    def text(self) -> str | None:
        """A text; None for an empty cell."""
        cell = self._next()
        return None if cell == "" else _plain(cell)

    def word(self) -> str:
        """A text that must be there."""
        value = self.text()
        if value is None:
            raise ValueError("holds nothing where a text belongs")
        return value

    def names(self) -> tuple[str, ...]:
        """Several names."""
        cell = self._next()
        return () if cell == "" else tuple(map(_plain, cell.split(";")))

    def maybe(self) -> float | None:
        """A number; None for an empty cell."""
        cell = self._next()
        return None if cell == "" else _number(cell)

    def number(self) -> float:
        """A number that must be there."""
        return _number(self._next())

    def whole(self) -> int:
        """A whole number."""
        cell = self._next()
        if not _WHOLE.fullmatch(cell):
            raise ValueError("holds something else where a whole number belongs")
        return int(cell)

    def flag(self) -> bool:
        """Whether the cell is 1 and not 0."""
        cell = self._next()
        if cell not in ("0", "1"):
            raise ValueError("holds something else where 0 or 1 belongs")
        return cell == "1"

    def wall(self) -> float | None:
        """Seconds since 1970; None for an empty cell."""
        cell = self._next()
        return None if cell == "" else wall_of(cell)

    def sensed(self) -> Sensed:
        """A sensor's value, and why there is none."""
        return Sensed(self.maybe(), self.text())

    def end(self) -> None:
        """Nothing more may follow."""
        if next(self._left, None) is not None:
            raise ValueError("has more cells than there are names")

    def _next(self) -> str:
        cell = next(self._left, None)
        if cell is None:
            raise ValueError("has fewer cells than there are names")
        return cell


def wall_of(cell: str) -> float:
    """Seconds since 1970.

    Raises:
        ValueError: It is no time as `wall` writes them.
    """
    try:
        if _WALL.fullmatch(cell):
            return datetime.fromisoformat(cell.removesuffix("Z") + "+00:00").timestamp()
    except ValueError:  # the 31st of February
        pass
    raise ValueError("holds something else where a time belongs")


def _number(cell: str) -> float:
    if _WHOLE.fullmatch(cell):
        return int(cell)
    if not _NUMBER.fullmatch(cell):
        raise ValueError("holds something else where a number belongs")
    return float(cell)


def _plain(cell: str) -> str:
    return "" if cell == "\\" else _ESCAPE.sub(_character, cell)


def _character(match: re.Match[str]) -> str:
    if match[1] is None or int(match[1], 16) > _LAST_CHARACTER:
        raise ValueError("holds a text that was not written so")
    return chr(int(match[1], 16))
