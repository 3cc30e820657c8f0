"""What a frozen graph says, as plain records."""

from __future__ import annotations

from dataclasses import dataclass

from faceguard.engines.errors import BadModelFile

_SHOWN = 80


@dataclass(frozen=True)
class TensorBytes:
    """A stored tensor that has not been opened yet.

    Attributes:
        data: A serialized TensorProto.
    """

    data: bytes


@dataclass(frozen=True)
class StatedShape:
    """A shape as a file states it.

    Attributes:
        sides: Each 1 or more, or -1 where it is open; None when even their number is.
    """

    sides: tuple[int, ...] | None


Attribute = int | float | bool | bytes | tuple[int, ...] | TensorBytes | StatedShape


@dataclass(frozen=True)
class Node:
    """One operation of the graph. It has one output, which bears its name.

    Attributes:
        name: Its own among all nodes; letters, digits and `_ . / > -` only.
        op: What it does, such as Conv2D.
        inputs: The names of the nodes that it reads.
        attributes: Its settings, by TensorFlow's names.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Attribute]

    def __str__(self) -> str:
        """Name and operation, short enough for a message."""
        name = self.name if len(self.name) <= _SHOWN else self.name[: _SHOWN - 3] + "..."
        return f"node {name!r} ({self.op[:_SHOWN]})"

    def integer(self, key: str, default: int | None = None) -> int:
        """A setting that is a whole number."""
        value = self.attributes.get(key, default)
        if type(value) is not int:
            raise BadModelFile(f"its {key} is not a number")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """A setting that is on or off."""
        value = self.attributes.get(key, default)
        if not isinstance(value, bool):
            raise BadModelFile(f"its {key} is neither on nor off")
        return value

    def text(self, key: str, default: str) -> str:
        """A setting that is a word in capitals, such as SAME."""
        value = self.attributes.get(key, default.encode())
        if not isinstance(value, bytes) or not value[:_SHOWN].replace(b"_", b"").isalnum():
            raise BadModelFile(f"its {key} is not a word")
        return value[:_SHOWN].decode("ascii", "replace")

    def integers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """A setting that is a list of whole numbers; the default also stands for an empty list."""
        value = self.attributes.get(key) or default
        if not isinstance(value, tuple):
            raise BadModelFile(f"its {key} is not a list of numbers")
        return value


@dataclass(frozen=True)
class Graph:
    """A frozen graph.

    Attributes:
        size: Length of the file in bytes.
        nodes: All nodes by name, as the file lists them.
    """

    size: int
    nodes: dict[str, Node]
