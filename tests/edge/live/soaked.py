"""A camera that gives 10,000 frames, in a process of its own: what it holds, told as JSON.

Run as `python -m tests.edge.live.soaked FOLDER FRAMES FIRST`: memory is looked at after the FIRST
frames and at the end.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.live import process
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.pool import ImagePool
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import Image, SafeFrame
from faceguard.engines.closing import Closing
from tests.edge.live.house import House, until
from tests.edge.live.scene import SIZE, Scene

_REEL = 64
_STEP_NS = 40_000_000
_STEADY_FROM = 100


class Reel(Closing):
    """A file that shows the scene's first pictures again and again: drawing them costs too much."""

    def __init__(self, scene: Scene, frames: int, first: int, told: dict[str, Any]) -> None:
        self.info = CameraInfo(*SIZE, Fraction(25), "test", live=False)
        self._images = [scene.image(index) for index in range(_REEL)]
        self._frames, self._first, self._told = frames, first, told
        self._given = 0

    def read(self) -> Shot | None:
        if self._given == self._first:
            self._told["first"] = held()
        if self._given == self._frames:
            self._told["last"] = held()
            return None
        self._given += 1
        time_ns = self._given * _STEP_NS
        return Shot(self._images[self._given % _REEL], time_ns, time_ns, _STEP_NS)

    def close(self) -> None:
        pass


class Counted(Worker[SafeFrame]):
    """An output that only counts."""

    def __init__(self, meters: Meters, quiet: Quiet) -> None:
        super().__init__("counted", meters, quiet, wait=True)
        self.frames = self.masks = self.whole = 0

    def take(self, thing: SafeFrame) -> None:
        self.frames += 1
        self.masks += len(thing.cover.masks)
        self.whole += thing.cover.whole is not None


def held() -> dict[str, int]:
    """Memory of this process in KiB, and its file descriptors."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    files = len(list(Path("/proc/self/fd").iterdir()))
    names = ("VmRSS", "RssAnon")
    return {**{name: int(status[name].split()[0]) for name in names}, "files": files}


def main(folder: Path, frames: int, first: int) -> None:
    scene, told = Scene(), {}
    pools: list[ImagePool] = []
    blanks = [0]
    workers: list[Counted] = []

    def pool(*args: Any, **kwargs: Any) -> ImagePool:
        pools.append(ImagePool(*args, **kwargs))
        return pools[-1]

    plain_blank = Image.blank

    def blank(*args: Any, **kwargs: Any) -> Image:
        blanks[0] += workers[0].frames >= _STEADY_FROM
        return plain_blank(*args, **kwargs)

    def more(meters: Meters, quiet: Quiet) -> Iterable[Counted]:
        workers.append(Counted(meters, quiet))
        return workers

    process.ImagePool = pool  # type: ignore[misc]
    Image.blank = blank  # type: ignore[method-assign]
    house = House(
        folder,
        scene,
        camera=lambda: Reel(scene, frames, first, told),
        more=more,
        wait=True,
        keep=False,
        settings={"detector": {"every": 2}, "tracking": {"look_ahead": 5}},
    )
    with house.start():
        until(house.ended.is_set, within_s=240)
        hanging = house.finish()
        gc.collect()
        told |= {
            "hanging": hanging,
            "frames": workers[0].frames,
            "masks": workers[0].masks,
            "whole": workers[0].whole,
            "dropped": house.dropped("pool"),
            "recorded": house.meters.value("recorded_bytes_total"),
            "pools": len(pools),
            "free": pools[0].free,
            "count": pools[0].count,
            "blanks": blanks[0],
        }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
