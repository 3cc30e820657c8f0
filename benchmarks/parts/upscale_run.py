"""Speed and quality of super-resolution, model by model, beside the peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.parts import upscale_speed
from benchmarks.parts.matmul import Product
from benchmarks.parts.truth import data_folder
from benchmarks.parts.upscale_macs import exported, multiplications
from benchmarks.parts.upscale_once import picture
from benchmarks.parts.upscale_peer import DnnSuperres, weights
from benchmarks.parts.upscale_quality import Pair, pairs
from benchmarks.parts.upscale_report import QUALITY, SPEED, Report
from benchmarks.parts.upscale_speed import NUMPY, ONNX, OURS, PEER, Row, run_rounds
from benchmarks.parts.upscale_table import baselines, side_by_side
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.upscaling.opening import open_upscaler
from faceguard.engines.upscaling.upscaler import Upscaler

SETS = (("Set5", 2), ("Set5", 3), ("Set5", 4), ("Set14", 3))
EDSR = "edsr-x3"
MODELS = ("espcn-x2", "espcn-x3", "espcn-x4", "fsrcnn-x2", "fsrcnn-x3", "fsrcnn-x4", EDSR)
SIZES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "espcn-x2": (
        *((side, side) for side in (128, 256, 512, 1024)),
        (640, 360),
        (1280, 720),
    ),
    "fsrcnn-x2": ((256, 256), (512, 512)),
    EDSR: tuple((side, side) for side in (32, 64, 128, 192)),
}


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        rounds: Of each model and size.
        edsr_rounds: Of EDSR, which takes seconds.
        edsr_px: Its largest side.
        pictures: Of each set, the smallest first; None for all.
        edsr_pictures: Likewise, for EDSR.
    """

    rounds: int = 5
    edsr_rounds: int = 3
    edsr_px: int = 192
    pictures: int | None = None
    edsr_pictures: int | None = None


QUICK = Scale(rounds=2, edsr_rounds=2, edsr_px=128, pictures=2, edsr_pictures=1)


class Bench:
    """One run, model by model."""

    def __init__(
        self, report: Report, scale: Scale, peer: DnnSuperres | None, say: Callable[[str], None]
    ) -> None:
        """Takes what a run needs.

        Args:
            report: Gets what comes of it.
            scale: How much is measured.
            peer: The peer; None where there is none.
            say: Told what is done next.
        """
        self._report, self._scale, self._peer, self._say = report, scale, peer, say
        self._data = data_folder()
        self._product = Product(threads=report.threads)

    def model(self, name: str) -> None:
        """Speed and quality of one model.

        Raises:
            FaceguardError: It is not on this machine, or does not run.
            PeerFailed: The peer does not run it.
        """
        enlarging = read_catalogue().entry(name).enlarging
        scale = enlarging.scale if enlarging else 1
        if self._peer is not None:
            self._peer.load(name, weights(name), name.partition("-")[0], scale)
        self._report.loads.append(upscale_speed.load())
        with open_upscaler(name, threads=self._report.threads, say=self._say) as upscaler:
            if SPEED in self._report.parts:
                for width, height in SIZES.get(name, ()):
                    if name != EDSR or max(width, height) <= self._scale.edsr_px:
                        self._speed(upscaler, name, width, height)
            if QUALITY in self._report.parts and self._data is not None:
                for of, times in SETS:
                    if times == scale:
                        self._quality(upscaler, name, of, self._data)

    def baselines(self) -> None:
        """Quality of enlarging without a network."""
        if QUALITY in self._report.parts and self._data is not None:
            for of, times in SETS:
                chosen = self._pairs(self._data, of, times, self._scale.pictures)
                self._report.quality.extend(baselines(of, times, chosen))

    def _speed(self, upscaler: Upscaler, name: str, width: int, height: int) -> None:
        self._say(f"speed: {name} at {width}x{height}")
        pixels, peer = picture(width, height), self._peer
        with TemporaryDirectory() as folder:
            network = exported(name, Path(folder))
            row = Row(name, width, height, multiplications(network, width, height))
        tile, tiles = upscaler.planned(width, height)
        row.tile = f"{tiles} of {tile.width}x{tile.height}"
        calls: dict[str, upscale_speed.Call] = {}
        if peer is not None:
            calls[PEER] = partial(peer.timed, name, pixels)
        calls[OURS] = upscale_speed.timed(partial(upscaler.bgr, pixels))
        calls[NUMPY], calls[ONNX] = self._product.numpy_ns, self._product.onnx_ns
        scale = self._scale
        run_rounds(row, calls, scale.edsr_rounds if name == EDSR else scale.rounds)
        self._report.speed.append(row)

    def _quality(self, upscaler: Upscaler, name: str, of: str, data: Path) -> None:
        self._say(f"quality: {name} on {of}")
        scale, peer = self._scale, self._peer
        count = scale.edsr_pictures if name == EDSR else scale.pictures
        chosen = self._pairs(data, of, upscaler.scale, count)
        theirs = None if peer is None else partial(peer.enlarge, name)
        self._report.quality += side_by_side(of, name, chosen, upscaler.bgr, theirs)

    @staticmethod
    def _pairs(data: Path, of: str, scale: int, count: int | None) -> list[Pair]:
        found = pairs(data, of, scale)
        return found if count is None else sorted(found, key=lambda pair: pair.size)[:count]
