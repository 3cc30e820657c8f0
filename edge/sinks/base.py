"""What a sink is: the only way out for a frame, and it takes none but redacted ones."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from faceguard.edge.types import SafeFrame

_Self = TypeVar("_Self", bound="Sink")


class Sink(Protocol):
    """Where redacted frames go.

    The output takes its name in `finish` and not before. `close` without `finish`, or a `with`
    that an error left, throws away what was written.
    """

    def write(self, frame: SafeFrame) -> None:
        """Takes the next frame, in the order of their times.

        Raises:
            OutputError: The place cannot be written.
        """
        ...

    def finish(self) -> None:
        """Puts everything on disk under its own name.

        Raises:
            OutputExists: Something stands there and was not to be replaced.
            OutputError: The place cannot be written, or there was no frame.
        """
        ...

    def close(self) -> None:
        """Lets go of everything; may be called more than once."""
        ...

    def __enter__(self: _Self) -> _Self:
        """The sink itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it; what was not finished is thrown away."""
        ...
