"""Sizes that are not known until a picture comes.

Height and width stay open, but what a network makes of them is known: a side is twice the height,
or the height less four. Such sides are added and multiplied like numbers, also as elements of
numpy arrays of objects, which is how a graph's own arithmetic on shapes is worked out.
"""

from __future__ import annotations

from dataclasses import dataclass

from faceguard.engines.errors import BadModelFile, UnsupportedOp

_LARGEST = 1 << 31


@dataclass(frozen=True)
class Open:
    """`scale * base + offset`, for a base that is only known at run time.

    Attributes:
        base: The name of an open side, such as height.
        scale: Not 0.
        offset: Any whole number.
    """

    base: str
    scale: int = 1
    offset: int = 0

    def __post_init__(self) -> None:
        """Refuses numbers that no picture's side reaches, before they grow without end."""
        if max(abs(self.scale), abs(self.offset)) > _LARGEST:
            raise BadModelFile("its sizes are larger than any picture")

    def __str__(self) -> str:
        """A formula, which also names the side in the ONNX graph."""
        scaled = self.base if self.scale == 1 else f"{self.scale}*{self.base}"
        return f"{scaled}{self.offset:+d}" if self.offset else scaled

    def __add__(self, other: Side) -> Side:
        """The sum, which is a number where the open parts cancel."""
        if isinstance(other, Open):
            if other.base != self.base:
                raise UnsupportedOp("it adds sides of which each is open on its own")
            scale, offset = self.scale + other.scale, self.offset + other.offset
            return Open(self.base, scale, offset) if scale else offset
        return Open(self.base, self.scale, self.offset + int(other))

    def __mul__(self, other: Side) -> Side:
        """The product with a number."""
        if isinstance(other, Open):
            raise UnsupportedOp("it multiplies two open sides")
        factor = int(other)
        return Open(self.base, self.scale * factor, self.offset * factor) if factor else 0

    def __neg__(self) -> Side:
        """The side with its sign changed."""
        return self * -1

    def __sub__(self, other: Side) -> Side:
        """The difference, which is a number where the open parts cancel."""
        return self + -other

    def __rsub__(self, other: int) -> Side:
        """A number less the side."""
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__


Side = int | Open
Shape = tuple[Side, ...]


def difference(left: Side, right: Side) -> int | None:
    """`left - right`, or None where that is not known before run time."""
    if isinstance(left, Open) and isinstance(right, Open) and left.base != right.base:
        return None
    result = left - right
    return None if isinstance(result, Open) else result


def ceil_div(side: Side, by: int, base: str) -> Side:
    """The side divided by a number, rounded up; a new open side of this base where not exact."""
    if not isinstance(side, Open):
        return -(-side // by)
    if side.scale % by == 0:
        return Open(side.base, side.scale // by, -(-side.offset // by))
    return Open(base)


def broadcast(left: Shape, right: Shape) -> Shape:
    """The shape of an operation on two operands, each stretched where it has a side of 1.

    Where two open sides have different bases, or an open side meets a number, they have to be the
    same at run time, and the first or the number is taken.

    Raises:
        BadModelFile: They can never fit.
    """
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    return tuple(_meet(one, two) for one, two in zip(*padded, strict=True))


def show(shape: Shape) -> str:
    """A shape as messages show it."""
    return "[" + ", ".join(str(side) for side in shape) + "]"


def _meet(one: Side, two: Side) -> Side:
    if two == 1 or one == two:
        return one
    if one == 1:
        return two
    if difference(one, two) is not None:
        raise BadModelFile(f"a side of {one} meets one of {two}")
    if isinstance(one, Open) and isinstance(two, Open):
        return one
    return two if isinstance(one, Open) else one
