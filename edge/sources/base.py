"""What a source of frames is: a thing to iterate over once, that says beforehand what to expect."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, Protocol

from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faceguard.edge.types import Frame

SourceKind = Literal["picture", "animation", "video"]


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a source before its frames are read.

    Attributes:
        kind: "picture" for frames that have nothing to do with one another (a still, or the pages
            of a TIFF, which may differ in size), "animation" for a GIF, WebP or APNG that moves,
            "video" for what FFmpeg reads.
        width: Width in pixels of the first frame, turned upright.
        height: Height in pixels, likewise.
        frames: How many frames to expect, or None where only reading will tell.
        rate: Frames per second where the rate is even and known, else None.
        duration_s: Length in seconds where it is known; None for still pictures and pages.
        notes: What a person should know of what is lost or changed on the way, a line each.
        loop: How often an animation plays in all, 0 for without end.
    """

    kind: SourceKind
    width: int
    height: int
    frames: int | None = None
    rate: Fraction | None = None
    duration_s: float | None = None
    notes: tuple[str, ...] = ()
    loop: int = 1


class Source(Closing, Protocol):
    """Frames in the order of their times.

    A source is read once; what it has open it lets go in `close`, or at the end of a `with`.
    """

    @property
    def info(self) -> SourceInfo:
        """What to expect; notes may grow while frames are read."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """The frames, made one at a time as they are asked for.

        Raises:
            InputError: A frame cannot be read; the frames before it were good.
        """
        ...
