"""What a network takes of the memory: what was measured, and what that says of other tiles.

With the settings of `OnnxRuntime(steady=True)` a tile's peak is a constant and a share of its
pixels, whatever ran before; docs/decisions/upscaling-memory.md has the measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from typing_extensions import Self

    from faceguard.engines.upscaling.tile import Tile

SAFETY_SHARE = 0.10
"""By so much a prediction is above the line through what was measured."""

SAFETY_BYTES = 4 << 20
"""And by so much besides: pages and pools that come and go."""

GRAIN_PX = 8
"""Kernels take pixels in blocks."""

_MOST_PIXELS = 1 << 40

Kind = Literal["resident", "address"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Need(_Strict):
    """An amount of memory, beyond what the process had before.

    Attributes:
        resident: Bytes that lie in memory.
        address: Bytes of address space, which RLIMIT_AS and RLIMIT_DATA count.
    """

    resident: int = Field(ge=0)
    address: int = Field(ge=0)

    def of(self, kind: Kind) -> int:
        """The one or the other."""
        return self.resident if kind == "resident" else self.address


class Key(_Strict):
    """What a measurement holds for; another model, version or machine takes another amount.

    Attributes:
        sha256: Of the graph or engine.
        form: `plain` or `rewritten`, or the backend of an engine.
        runtime: Name and version of what runs it, and of what prepares its tiles.
        threads: For one inference.
        device: The processor or GPU.
    """

    sha256: str
    form: str
    runtime: str
    threads: int
    device: str


class Measure(_Strict):
    """The peak of one tile or batch.

    Attributes:
        pixels: Of the batch, as `work_pixels` counts them.
        need: Beyond what the loaded network holds.
    """

    pixels: int = Field(gt=0)
    need: Need


class Footprint(_Strict):
    """What a network takes.

    Attributes:
        key: What this was measured for.
        load: The peak while it is loaded.
        loaded: What it holds from then on.
        tiles: Peaks of tiles, smallest first.
        device_bytes: Memory that it takes of a GPU; 0 without one.
    """

    key: Key
    load: Need
    loaded: Need
    tiles: tuple[Measure, ...] = Field(min_length=1)
    device_bytes: int = Field(ge=0, default=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        sizes = [tile.pixels for tile in self.tiles]
        if sorted(set(sizes)) != sizes:
            raise ValueError("tiles must grow")
        return self

    def loading(self, kind: Kind) -> int:
        """An upper bound of what it takes while it is loaded, in bytes."""
        return int(self.load.of(kind) * (1 + SAFETY_SHARE)) + SAFETY_BYTES

    def need(self, pixels: int) -> Need:
        """An upper bound of what a tile takes beyond what the loaded network holds.

        Args:
            pixels: From `work_pixels`.
        """
        return Need(
            resident=self._bound(pixels, "resident"), address=self._bound(pixels, "address")
        )

    def most_pixels(self, budget_bytes: int, kind: Kind) -> int:
        """The most pixels whose need is within a budget; 0 where there are none."""
        low, high = 0, _MOST_PIXELS
        while low < high:
            middle = (low + high + 1) // 2
            if self._bound(middle, kind) <= budget_bytes:
                low = middle
            else:
                high = middle - 1
        return low

    def _bound(self, pixels: int, kind: Kind) -> int:
        return int(_line(self._points(kind), pixels) * (1 + SAFETY_SHARE)) + SAFETY_BYTES

    def _points(self, kind: Kind) -> list[_Point]:
        """What was measured; never less for more pixels."""
        points: list[_Point] = []
        most = 0
        for tile in self.tiles:
            # What lies in memory has an address, also where pages were reserved before.
            size = tile.need.resident
            most = max(most, size if kind == "resident" else max(size, tile.need.address))
            points.append(_Point(tile.pixels, most))
        return points


@dataclass(frozen=True)
class _Point:
    pixels: int
    bytes: int


def _line(points: list[_Point], pixels: int) -> float:
    """Between what was measured straight on; above it, as steeply as it was anywhere.

    Below the smallest, where libraries take what they need once, nothing is saved.
    """
    first, last = points[0], points[-1]
    if pixels <= first.pixels:
        return first.bytes
    for low, high in pairwise(points):
        if pixels <= high.pixels:
            share = (pixels - low.pixels) / (high.pixels - low.pixels)
            return low.bytes + share * (high.bytes - low.bytes)
    slopes = [
        (high.bytes - low.bytes) / (high.pixels - low.pixels) for low, high in pairwise(points)
    ]
    return last.bytes + (pixels - last.pixels) * max(slopes, default=last.bytes / last.pixels)


def work_pixels(tile: Tile) -> int:
    """Pixels that a network computes for a tile, whose sides are rounded up to `GRAIN_PX`."""
    across, down = (-(-side // GRAIN_PX) * GRAIN_PX for side in (tile.width, tile.height))
    return across * down * tile.batch
