"""What a sink is: the only way out for a frame, and it takes none but redacted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from faceguard.edge.types import SafeFrame


class Sink(Closing, Protocol):
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
