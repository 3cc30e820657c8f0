"""Enlarges pictures of any size by a network, tile by tile."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from faceguard.engines.closing import Closing
from faceguard.engines.errors import InferenceError, ModelError, NoRoom
from faceguard.engines.upscaling.colour import CHROMA_REACH_PX, Bgr, BgrByLuma, Luma
from faceguard.engines.upscaling.jobs import grouped
from faceguard.engines.upscaling.scratch import Scratch
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.tiles import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal, TypeAlias

    from faceguard.engines.catalogue import Enlarging
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.types import F32, U8, TensorSpec
    from faceguard.engines.upscaling.colour import Chroma, Colour, Samples
    from faceguard.engines.upscaling.jobs import Group, Job
    from faceguard.engines.upscaling.tile import ChooseTile
    from faceguard.engines.upscaling.tiles import Plan

    OnTile: TypeAlias = Callable[[int, int], None]

# Beyond a thousand times white nothing is a picture, and rounding would wrap around.
_ABSURD = 1e6
_CV2_NO_MEMORY = -4  # StsNoMem; typed stubs do not know the name


class Upscaler(Closing):
    """One network that enlarges; whoever closes it closes its runtime.

    It may be called from any thread; calls take turns.

    Memory beyond input and output is that of one batch of tiles, whatever the picture's size; the
    working arrays of the last tile are kept for the next call.
    """

    def __init__(
        self,
        runtime: Runtime,
        enlarging: Enlarging,
        choose: ChooseTile,
        *,
        name: str,
        least: tuple[int, int] = (1, 1),
        chroma: Chroma = "bilinear",
    ) -> None:
        """Takes a loaded network.

        Args:
            runtime: One input (N, C, H, W) and one output (N, C, scale * H, scale * W), floating.
            enlarging: What the catalogue says of it.
            choose: Says which tile to take; asked once a call for each size of picture.
            name: What messages call it.
            least: Width and height of the smallest tile that the engine takes, where it has a
                profile; smaller pictures are mirrored outward.
            chroma: How a network for luma has colour differences enlarged: as OpenCV's
                `dnn_superres` does it, or a little sharper.

        Raises:
            ModelError: It has other inputs or outputs.
        """
        self._runtime = runtime
        self._choose = choose
        self._least = least
        self._chroma: Chroma = chroma
        self.name = name
        self.scale: int = enlarging.scale
        self.colours: Literal["luma", "bgr"] = enlarging.colours
        # Chroma is enlarged tile by tile too.
        self._overlap_px = max(enlarging.overlap_px, CHROMA_REACH_PX)
        self._lock = threading.Lock()
        self._scratch = Scratch()
        self._kind: tuple[tuple[int, int], int] | None = None
        self._is_interrupted = threading.Event()
        self._input, self._output = self._specs()

    def bgr(self, pixels: U8, *, on_tile: OnTile | None = None) -> U8:
        """Enlarges a picture.

        Args:
            pixels: uint8 (height, width, 3): B, G, R from 0 to 255; it may be part of another.
            on_tile: Called with tiles done and tiles in all, first with none done. What it raises
                ends the call, which leaves nothing behind. It must not call the upscaler.

        Returns:
            uint8 (scale * height, scale * width, 3).

        Raises:
            ValueError: Another dtype or shape.
            NoRoom: There is too little memory even for the smallest tile, or it ran out.
            InferenceError: The network failed, or its answer cannot be true.
        """
        return self.many([pixels], on_tile=on_tile)[0]

    def many(self, pictures: Sequence[U8], *, on_tile: OnTile | None = None) -> list[U8]:
        """Enlarges several pictures of any sizes; tiles of one size share batches.

        See `bgr`; `on_tile` counts the tiles of all.
        """
        for picture in pictures:
            if picture.dtype != np.uint8 or picture.shape[2:] != (3,) or not picture.size:
                raise ValueError(
                    f"want uint8 (height, width, 3), not {picture.dtype} {picture.shape}"
                )

        def colour(batch: int) -> Colour:
            if self.colours == "bgr":
                return Bgr(self.scale, self._scratch)
            return BgrByLuma(self.scale, batch, self._chroma, self._scratch)

        return self._enlarge(pictures, colour, on_tile)

    def luma(
        self,
        plane: Samples,
        *,
        bits: int = 8,
        full_range: bool = True,
        on_tile: OnTile | None = None,
    ) -> Samples:
        """Enlarges a plane of luma.

        Args:
            plane: uint8 (height, width) of 8 bits, or uint16 of 9 to 16.
            bits: Of a sample that are used.
            full_range: Whether black is 0 and white has all bits set; else they are 16 and 235 as
                of 8 bits, and the answer keeps within them.
            on_tile: See `bgr`.

        Returns:
            The same dtype, (scale * height, scale * width).

        Raises:
            ValueError: Another dtype or shape, or the network does not take luma alone.
            NoRoom: There is too little memory even for the smallest tile, or it ran out.
            InferenceError: The network failed, or its answer cannot be true.
        """
        if self.colours != "luma":
            raise ValueError(f"{self.name} enlarges B, G, R, and no luma alone")
        want = np.uint8 if bits == 8 else np.uint16
        if not 8 <= bits <= 16 or plane.dtype != want or plane.ndim != 2 or not plane.size:
            raise ValueError(
                "want uint8 (height, width) of 8 bits or uint16 of 9 to 16, not "
                f"{plane.dtype} {plane.shape} of {bits}"
            )

        def colour(batch: int) -> Colour:
            del batch
            return Luma(self.scale, bits, full_range, self._scratch)

        large: Samples = self._enlarge([plane], colour, on_tile)[0]
        return large

    def planned(self, width: int, height: int) -> tuple[Tile, int]:
        """The tile that a picture of this size would be cut into now, and how many of them.

        Raises:
            NoRoom: There is too little memory even for the smallest tile.
        """
        with self._lock:
            return self._cut(width, height, self._choose(width, height))

    def interrupt(self) -> None:
        """Has the call that is under way end with an InferenceError soon; later ones work.

        May be called from any thread. Where the runtime can be interrupted the tile at hand is
        given up, else it is the last. A call that has not begun is not affected.
        """
        self._is_interrupted.set()
        interrupt = getattr(self._runtime, "interrupt", None)
        if interrupt is not None:  # engines on a GPU cannot; a tile takes them a moment only
            interrupt()

    def close(self) -> None:
        """Frees the runtime, once a call that is under way has ended."""
        with self._lock:
            self._scratch.clear()
            self._runtime.close()

    def _enlarge(
        self,
        pictures: Sequence[Any],
        colour: Callable[[int], Colour],
        on_tile: OnTile | None,
    ) -> list[Any]:
        with self._lock:
            self._is_interrupted.clear()
            plans = self._plans(pictures)
            try:
                outs = [self._empty(picture) for picture in pictures]
                self._all_tiles(pictures, outs, plans, colour, on_tile)
            except MemoryError as error:
                raise self._no_room(pictures) from error
            except cv2.error as error:
                if error.code != _CV2_NO_MEMORY:
                    raise
                raise self._no_room(pictures) from error
            return outs

    def _all_tiles(
        self,
        pictures: Sequence[Samples],
        outs: Sequence[Samples],
        plans: Sequence[tuple[Plan, int]],
        colour: Callable[[int], Colour],
        on_tile: OnTile | None,
    ) -> None:
        done, of = 0, sum(len(plan) for plan, _ in plans)
        if on_tile is not None:
            on_tile(done, of)
        for group in grouped(pictures, outs, plans):
            self._make_room(group)
            how = colour(group.batch)
            for jobs in group.batches():
                self._run(jobs, group, how)
                done += len(jobs)
                if on_tile is not None:
                    on_tile(done, of)

    def _no_room(self, pictures: Sequence[Samples]) -> NoRoom:
        """Lets go of what is held, and says what was asked for."""
        self._scratch.clear()
        self._kind = None
        sizes = ", ".join(f"{each.shape[1]}x{each.shape[0]}" for each in pictures[:3])
        more = f" and {len(pictures) - 3} more" if len(pictures) > 3 else ""
        return NoRoom(
            f"{self.name}: memory ran out while {sizes}{more} px were made {self.scale} times as "
            "large; free some, or enlarge less at a time"
        )

    def _plans(self, pictures: Sequence[Samples]) -> list[tuple[Plan, int]]:
        """For each picture its tiles, and how many of them go together."""
        sizes = [(picture.shape[1], picture.shape[0]) for picture in pictures]
        by_size = {}
        for (width, height), count in Counter(sizes).items():
            tile = self._choose(width, height, count)
            by_size[width, height] = self._plan(width, height, tile)
        return [by_size[size] for size in sizes]

    def _cut(self, width: int, height: int, tile: Tile) -> tuple[Tile, int]:
        """How the tile comes out for a picture, and how many there are of it."""
        plan, batch = self._plan(width, height, tile)
        rows, columns = plan.tile_shape
        return Tile(columns, rows, min(batch, len(plan))), len(plan)

    def _plan(self, width: int, height: int, tile: Tile) -> tuple[Plan, int]:
        batch, _, fixed_height, fixed_width = self._input.shape
        largest = Tile(fixed_width or tile.width, fixed_height or tile.height)
        least = (fixed_width or self._least[0], fixed_height or self._least[1])
        plan = cut(width, height, largest, self._overlap_px, least=least)
        return plan, batch or max(1, tile.batch)

    def _run(self, jobs: Sequence[Job], group: Group, colour: Colour) -> None:
        """One inference."""
        if self._is_interrupted.is_set():
            raise InferenceError(f"{self.name}: it was interrupted")
        tile_shape = group.tile_shape
        # An engine of one shape takes its whole batch; what the rest of it holds plays no part.
        count = self._input.shape[0] or len(jobs)
        feed = self._scratch.array("feed", (count, colour.channels, *tile_shape), np.float32)
        for slot, job in enumerate(jobs):
            colour.put(job.pixels(tile_shape), slot, feed[slot])
        answer = self._infer(feed)[: len(jobs)]
        # A minimum or maximum is NaN where one value is; and no temporary array is made.
        if not (float(answer.min()) > -_ABSURD and float(answer.max()) < _ABSURD):
            raise InferenceError(
                f"{self.name}: its answer has values that are no picture (NaN, infinite or beyond "
                f"{_ABSURD:.0e}); build its engine anew, in fp32 if it was fp16"
            )
        for slot, job in enumerate(jobs):
            for strip in job.core(tile_shape).strips(self.scale):
                colour.take(answer[slot], slot, strip, job.place(strip, self.scale))

    def _infer(self, feed: F32) -> F32:
        given = feed if self._input.dtype == np.float32 else feed.astype(self._input.dtype)
        answer = self._runtime.infer({self._input.name: given})[self._output.name]
        count, channels, rows, columns = feed.shape
        want = (count, channels, rows * self.scale, columns * self.scale)
        if answer.shape != want:
            raise InferenceError(
                f"{self.name}: its answer is {answer.shape} and not {want}; it is another network "
                "than the catalogue says"
            )
        return np.ascontiguousarray(answer, np.float32)

    def _make_room(self, group: Group) -> None:
        """Lets go of arrays for tiles of another size: they may be much larger."""
        kind = (group.tile_shape, group.batch)
        if kind != self._kind:
            self._scratch.clear()
            self._kind = kind

    def _empty(self, picture: Samples) -> Any:  # noqa: ANN401 - of the picture's dtype
        rows, columns, *channels = picture.shape
        return np.empty((rows * self.scale, columns * self.scale, *channels), picture.dtype)

    def _specs(self) -> tuple[TensorSpec, TensorSpec]:
        """The input and the output.

        Raises:
            ModelError: There are others than one each, or they cannot be what they should.
        """
        channels = 1 if self.colours == "luma" else 3
        given, gives = list(self._runtime.inputs), list(self._runtime.outputs)
        both = [*given, *gives]
        if len(given) != 1 or len(gives) != 1 or not all(_fits(spec, channels) for spec in both):
            raise ModelError(
                f"{self.name}: want one input and one output, floating, of (N, {channels}, H, W); "
                f"it has {', '.join(f'{spec.name} {spec.dtype} {spec.shape}' for spec in both)}"
            )
        return given[0], gives[0]


def _fits(spec: TensorSpec, channels: int) -> bool:
    """Whether it is a batch of pictures with so many channels."""
    floating = np.issubdtype(spec.dtype, np.floating)
    return floating and len(spec.shape) == 4 and spec.shape[1] in (None, channels)
