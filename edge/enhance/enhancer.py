"""Enlarging safe frames, whole or a part of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.edge.atomic import one_line
from faceguard.edge.enhance.colour import matrix_of
from faceguard.edge.enhance.limits import (
    MAX_OUTPUT_PIXELS,
    bytes_per_pixel,
    free_bytes,
    refuse_too_many,
    refuse_without_room,
)
from faceguard.edge.enhance.planes import Network, OnTile, enlarged
from faceguard.edge.enhance.region import Part, cut_out, show_region, within
from faceguard.edge.redact import changed
from faceguard.edge.sinks.area import Area
from faceguard.edge.sources.video import VideoInfo
from faceguard.engines.closing import Closing
from faceguard.engines.errors import NoRoom, TooManyPixels, UsageError

if TYPE_CHECKING:
    from faceguard.edge.sources.base import SourceInfo
    from faceguard.edge.types import Image, SafeFrame


class Enhancer(Closing):
    """Enlarges pictures that are safe already; a `faceguard.edge.pipeline.After`.

    May be shared between threads: one picture is enlarged at a time, since a network takes all
    cores, and since two that look at once how much memory is free would both take it.

    Attributes:
        name: The model's name.
        scale: Each side grows by this.
        region: The part that is cut out first, or None for all.
    """

    def __init__(
        self,
        upscaler: Network,
        *,
        region: Part | None = None,
        max_output_pixels: int = MAX_OUTPUT_PIXELS,
        memory_limit_bytes: int | None = None,
    ) -> None:
        """Takes over the network, which is closed with this.

        Args:
            upscaler: As `faceguard.engines.upscaling.opening.open_upscaler` gives it.
            region: x, y, width and height of the part that is cut out of each redacted frame, in
                pixels of the upright source; None takes all of it.
            max_output_pixels: Larger results are refused.
            memory_limit_bytes: What this process may take in all; results for which that is too
                little are refused. None allows all that is free.

        Raises:
            UsageError: The region has no size, or the limit is none.
        """
        if region is not None and min(region[2:]) < 1:
            raise UsageError(f"a region of {region[2]}x{region[3]} has no size; give 1x1 or more")
        if max_output_pixels < 1:
            raise UsageError(f"--max-pixels {max_output_pixels} must be 1 or more")
        self.name = upscaler.name
        self.scale = upscaler.scale
        self.region = None if region is None else Area(*region)
        self._most = max_output_pixels
        self._memory_limit_bytes = memory_limit_bytes
        self._upscaler = upscaler
        self._one_at_a_time = threading.Lock()
        # Bytes that files under way may take until they are written; under the condition.
        self._promised = 0
        self._given_back = threading.Condition()

    def image(self, image: Image, *, on_tile: OnTile | None = None) -> Image:
        """The picture, or the part of it, enlarged, in the format it came in.

        Args:
            image: The picture; it is not written to.
            on_tile: Called with how many tiles are done and how many there are; what it raises
                comes out here.

        Raises:
            TooManyPixels: The result would be over the limit.
            NoRoom: There is too little memory for it now.
            UsageError: The region lies outside.
            InferenceError: The network failed.
        """
        matrix = matrix_of(image)
        part = image if self.region is None else cut_out(image, self.region)
        refuse_too_many(part.width, part.height, self.scale, self._most)
        with self._one_at_a_time:
            wide, tall = part.width * self.scale, part.height * self.scale
            refuse_without_room(wide, tall, self._memory_limit_bytes)
            try:
                return enlarged(part, self._upscaler, matrix, on_tile)
            except MemoryError as error:
                raise NoRoom(
                    f"there was too little memory to make a picture of {wide}x{tall}; take a "
                    "smaller --scale, or cut a part out with --roi"
                ) from error

    def info(self, source: SourceInfo) -> SourceInfo:
        """What a sink gets of a source: its size; all else stays as it is.

        Where a region is cut out of video, it is reckoned to move outward to even sides, as it
        does in formats that have chroma at half size.

        Raises:
            TooManyPixels: The result would be over the limit.
            UsageError: The region lies outside.
        """
        width, height, notes = source.width, source.height, source.notes
        if self.region is not None:
            even = 2 if source.kind == "video" else 1
            inside = within(self.region, width, height)
            if (inside.width, inside.height) != (self.region.width, self.region.height):
                cut = f"--roi {show_region(self.region)} was cut to {show_region(inside)}, where"
                notes = (*notes, f"{cut} the picture of {width}x{height} ends")
            inside = within(self.region, width, height, columns=even, rows=even)
            width, height = inside.width, inside.height
        refuse_too_many(width, height, self.scale, self._most, source.kind)
        larger = replace(source, width=width * self.scale, height=height * self.scale, notes=notes)
        if isinstance(larger, VideoInfo) and larger.interlaced:
            # Every row becomes several, so no two fields are left to be told apart.
            note = "interlaced: its two fields were enlarged together"
            larger = replace(larger, interlaced=False, notes=(*notes, note))
        return larger

    def __call__(self, frame: SafeFrame) -> SafeFrame:
        """The safe frame enlarged; its cover still speaks of the source's pixels.

        Raises:
            FaceguardError: As `image`.
        """
        return changed(frame, self.image)

    def watched(self, source: Path, output: Path, on_tile: OnTile) -> Watched:
        """This, for one file, telling how far it is and naming the file in what is refused.

        Until it is closed others wait, where there is too little memory for them beside it.

        Args:
            source: The file that is read.
            output: The file that is written; its suffix says what that takes of the memory.
            on_tile: As for `image`.
        """
        return Watched(self, source, output, on_tile)

    def hold_room(self, info: SourceInfo, suffix: str) -> int:
        """Promises a file the memory that it takes until it is written, before anything is done.

        Waits where there is too little beside what other files were promised. What these have
        taken already is counted twice then, so it may wait where it need not.

        Args:
            info: What this gave for the source.
            suffix: Of the file that is written.

        Returns:
            Bytes, for `give_room`.

        Raises:
            NoRoom: With both figures; it would not fit alone.
        """
        each = bytes_per_pixel(info.kind, suffix)
        takes = info.width * info.height * each
        limit = self._memory_limit_bytes
        with self._given_back:
            self._given_back.wait_for(
                lambda: not self._promised or takes + self._promised <= free_bytes(limit)
            )
            refuse_without_room(info.width, info.height, limit, each)
            self._promised += takes
        return takes

    def give_room(self, held_bytes: int) -> None:
        """Takes back what `hold_room` gave."""
        with self._given_back:
            self._promised -= held_bytes
            self._given_back.notify_all()

    def interrupt(self) -> None:
        """Has the picture at hand end with an InferenceError soon, where the network can do that.

        May be called from any thread; later pictures are enlarged as ever.
        """
        interrupt = getattr(self._upscaler, "interrupt", None)
        if interrupt is not None:
            interrupt()

    def release(self) -> None:
        """Gives back the memory that the network keeps for its next picture, where it can."""
        release = getattr(self._upscaler, "release", None)
        if release is not None:
            release()

    def close(self) -> None:
        """Frees the network."""
        self._upscaler.close()

    def passes_through_8_bits(self, image: Image) -> bool:
        """Whether an image has more bits than the network takes."""
        return self._upscaler.colours == "bgr" and image.format.bits > 8


@dataclass
class Watched(Closing):
    """An `Enhancer` at work on one file; see `Enhancer.watched`."""

    enhancer: Enhancer
    source: Path
    output: Path
    on_tile: Callable[[int, int], None]
    _notes: list[str] = field(default_factory=list)
    _held_bytes: int | None = None
    _is_still: bool = False

    def info(self, source: SourceInfo) -> SourceInfo:
        """As `Enhancer.info`, with what was noted since."""
        with self._named():
            info = self.enhancer.info(source)
            if self._held_bytes is None:
                self._held_bytes = self.enhancer.hold_room(info, self.output.suffix)
                self._is_still = info.kind == "picture"
        return replace(info, notes=(*info.notes, *self._notes))

    def __call__(self, frame: SafeFrame) -> SafeFrame:
        """As `Enhancer`, and notes what is lost."""
        if not self._notes and self.enhancer.passes_through_8_bits(frame.image):
            bits = frame.image.format.bits
            self._notes.append(f"{self.enhancer.name} works in 8 bits: {bits} were reduced to that")
        with self._named():
            large = changed(frame, lambda image: self.enhancer.image(image, on_tile=self.on_tile))
        if self._is_still:
            # A picture's encoder may need what a large tile took.
            self.enhancer.release()
        return large

    def close(self) -> None:
        """Says that the file is written, or never will be: others may have its memory."""
        if self._held_bytes:
            self.enhancer.give_room(self._held_bytes)
            self._held_bytes = 0

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Puts the file's name before what was refused for its size."""
        try:
            yield
        except (NoRoom, TooManyPixels, UsageError) as error:
            raise type(error)(f"{one_line(self.source)}: {error}") from error
