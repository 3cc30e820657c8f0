"""Which tile to take: the fastest whose peak fits into what is free now."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faceguard.engines.errors import NoRoom
from faceguard.engines.memory import show_bytes
from faceguard.engines.upscaling.best_tile import best_tile, least_tile, usual_pixels
from faceguard.engines.upscaling.footprint import work_pixels
from faceguard.engines.upscaling.limits import OWN_RESERVE_BYTES, advice, read_limits
from faceguard.engines.upscaling.tile import Tile

if TYPE_CHECKING:
    from faceguard.engines.catalogue import Enlarging
    from faceguard.engines.upscaling.best_tile import Asked, Takes
    from faceguard.engines.upscaling.footprint import Footprint
    from faceguard.engines.upscaling.limits import Limit

# So much more may be taken before one looks again; well within the smallest reserve.
_UNLOOKED_BYTES = OWN_RESERVE_BYTES // 3


class Refused(NoRoom):
    """Not even the smallest tile fits; to try again with a smaller one is idle."""


@dataclass(frozen=True)
class _Choice:
    asked: Asked
    result_bytes: int
    tile: Tile


class Admission:
    """A `ChooseTile` for one loaded network; each call looks at what is free.

    What the last call took is kept for the next. Where that one asks for the same, it takes
    nothing more; where it asks for other tiles, the memory of the last is given back.
    """

    def __init__(
        self,
        name: str,
        enlarging: Enlarging,
        footprint: Footprint,
        *,
        memory_limit_bytes: int | None = None,
        takes: Takes | None = None,
        limits: Callable[[int | None], list[Limit]] = read_limits,
    ) -> None:
        """Looks at nothing yet.

        Args:
            name: The model's, for messages.
            enlarging: What the network does.
            footprint: What it takes.
            memory_limit_bytes: What a user allows this process in all.
            takes: Which tiles an engine takes; None: any.
            limits: Says what is free.
        """
        self._name = name
        self._enlarging = enlarging
        self._footprint = footprint
        self._limit_bytes = memory_limit_bytes
        self._takes = takes
        self._release: Callable[[], None] | None = None
        self._limits = limits
        self._lock = threading.Lock()
        self._chosen: _Choice | None = None
        self._held: _Choice | None = None
        self._unlooked_bytes = 0
        self._cap_pixels: int | None = None
        self._call = threading.local()

    def release_by(self, release: Callable[[], None]) -> None:
        """Says how what was kept since the last call is given back; only its holder knows how."""
        self._release = release

    def foreseen_bytes(self, tile: Tile) -> int:
        """What a tile takes at most, in memory, beyond what the loaded network holds."""
        return self._footprint.need(work_pixels(tile)).resident

    def __call__(self, width: int, height: int, pictures: int = 1) -> Tile:
        """Chooses; see `ChooseTile`.

        Raises:
            NoRoom: There is too little memory even for the smallest tile and the result.
        """
        result = getattr(self._call, "result_bytes", None)
        if result is None:
            result = self._usual_result(width, height, pictures)
        asked = (width, height, pictures)
        with self._lock:
            tile = self._choose(asked, result)
            self._chosen = _Choice(asked, result, tile)
            return tile

    def would_choose(self, width: int, height: int) -> Tile:
        """The tile that a call would get now; it is not noted as one that was taken.

        Where less is free than the best tile takes, what is kept of the last call is given back,
        as that call would do.

        Raises:
            NoRoom: As when it is called.
        """
        with self._lock:
            return self._choose((width, height, 1), self._usual_result(width, height, 1))

    @contextmanager
    def results_of(self, size_bytes: int) -> Iterator[None]:
        """One call: within the block, tiles are chosen so that its results fit beside them.

        Args:
            size_bytes: All of its results.
        """
        self._call.result_bytes = size_bytes
        try:
            yield
        except BaseException:
            with self._lock:
                self._held = None  # nobody knows how far it came
            raise
        else:
            with self._lock:
                self._held = self._chosen
        finally:
            self._call.result_bytes = None

    @contextmanager
    def smaller(self) -> Iterator[None]:
        """Within the block, tiles are half as large as the last that was chosen, at most.

        Raises:
            NoRoom: That was the smallest already.
        """
        with self._lock:
            self._held = None
            if self._chosen is not None:
                least = work_pixels(self._least(self._chosen.asked))
                last = work_pixels(self._chosen.tile)
                if last <= least:
                    raise Refused(
                        f"{self._name}: memory ran out with the smallest tile "
                        f"({_show(self._chosen.tile)}), which was to fit: others took it "
                        "meanwhile; stop other programs, or try again"
                    )
                self._cap_pixels = max(least, last // 2)
        try:
            yield
        finally:
            with self._lock:
                self._cap_pixels = None
                self._held = None

    def forget(self) -> None:
        """Notes that what was kept since the last call is given back."""
        with self._lock:
            self._held = None

    def _choose(self, asked: Asked, result_bytes: int) -> Tile:
        held = self._held
        if (
            held is not None
            and (held.asked, held.result_bytes) == (asked, result_bytes)
            # Its memory is taken already; only the results are new.
            and self._has_room_again(result_bytes)
        ):
            return held.tile
        ideal = self._best(asked, self._usual())
        tile = self._fitting(asked, result_bytes, ideal)
        if tile != ideal and self._release is not None:
            # What is kept of the last call counts as taken, and need not be.
            self._held = None
            self._release()
            tile = self._fitting(asked, result_bytes, ideal)
        if tile is None:
            self._check(asked, result_bytes)
            return self._least(asked)  # some came free between the two looks
        return tile

    def _has_room_again(self, result_bytes: int) -> bool:
        """Whether the results fit; looked for only where they add up to what could matter.

        To read what is free takes as long as a third of a small picture.
        """
        self._unlooked_bytes += result_bytes
        if self._unlooked_bytes <= _UNLOOKED_BYTES:
            return True
        self._unlooked_bytes = 0
        return all(limit.bytes >= result_bytes for limit in self._now())

    def _fitting(self, asked: Asked, result_bytes: int, ideal: Tile) -> Tile | None:
        pixels = self._usual()
        for limit in self._now():
            budget = limit.bytes - result_bytes
            pixels = min(pixels, self._footprint.most_pixels(budget, limit.kind))
        if work_pixels(ideal) <= pixels:
            return ideal
        if work_pixels(self._least(asked)) > pixels:
            return None
        return self._best(asked, pixels)

    def _check(self, asked: Asked, result_bytes: int) -> None:
        least = self._least(asked)
        need = self._footprint.need(work_pixels(least))
        for limit in self._now():
            tile_bytes = need.of(limit.kind)
            missing = tile_bytes + result_bytes - limit.bytes
            if missing > 0:
                raise Refused(
                    f"{self._name}: the smallest tile ({_show(least)}) takes "
                    f"{show_bytes(tile_bytes)} and the result {show_bytes(result_bytes)}, "
                    f"{limit.spare}; "
                    f"{advice(limit, missing, 'enlarge less of the picture')}"
                )

    def _usual_result(self, width: int, height: int, pictures: int) -> int:
        return pictures * width * height * self._enlarging.scale**2 * 3

    def _now(self) -> list[Limit]:
        return self._limits(self._limit_bytes)

    def _usual(self) -> int:
        usual = usual_pixels(self._enlarging.overlap_px)
        return usual if self._cap_pixels is None else min(usual, self._cap_pixels)

    def _least(self, asked: Asked) -> Tile:
        return least_tile(asked, self._enlarging.overlap_px, self._takes)

    def _best(self, asked: Asked, pixels: int) -> Tile:
        return best_tile(asked, pixels, self._enlarging.overlap_px, self._takes)


def _show(tile: Tile) -> str:
    return f"{tile.width}x{tile.height}"
