"""Super-resolution by two programs and the machine's matrix product, in turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.parts.matmul import FLOATS

OURS, PEER, NUMPY, ONNX = "faceguard", "dnn_superres", "numpy", "onnx"
Call = Callable[[], int]
"""Does a thing once; what it took, in nanoseconds."""

_TURN_NS = 400_000_000
_LEAST_CALLS = {NUMPY: 3, ONNX: 3}
# Worker threads of the library before still spin for about so long when it is done.
_REST_S = 0.1
_WARM_BELOW_NS = 200_000_000
TARGETS: dict[str, tuple[float | None, float | None]] = {
    "speedup_edsr": (1.0, None),
    "speedup_espcn": (1.2, None),
    **{f"share_of_{one}_{of}": (0.7, None) for one in (NUMPY, ONNX) for of in ("edsr", "espcn")},
}
"""What figures should be: at least, at most."""


@dataclass
class Row:
    """One model at one size.

    Attributes:
        model: Its name in the catalogue.
        width: Of the picture, in pixels.
        height: Of the picture, in pixels.
        multiplications: Of the network on that picture, by direct convolution.
        rounds: For each round, what each call of each took, in nanoseconds.
        tile: What faceguard cut it into, in words.
        absent: Why there is no peer.
    """

    model: str
    width: int
    height: int
    multiplications: int
    rounds: list[dict[str, list[int]]] = field(default_factory=list)
    tile: str = ""
    absent: str | None = None

    def best_ns(self, who: str) -> int | None:
        """The fastest call of all rounds."""
        return min(self._all(who), default=None)

    def median_ns(self, who: str) -> float | None:
        """The median over the calls of all rounds."""
        calls = self._all(who)
        return median(calls) if calls else None

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the peer: best against best in a round, their median."""
        both = [one for one in self.rounds if one.get(OURS) and one.get(PEER)]
        return median(min(one[PEER]) / min(one[OURS]) for one in both) if both else None

    def rate(self, who: str) -> float | None:
        """GFLOP/s at its best, in the network's arithmetic or the product's."""
        best = self.best_ns(who)
        if best is None:
            return None
        return (FLOATS if who in (NUMPY, ONNX) else 2 * self.multiplications) / best

    def share(self, product: str) -> float | None:
        """Our rate as a part of that of the matrix product, measured in the same rounds."""
        ours, theirs = self.rate(OURS), self.rate(product)
        return ours / theirs if ours and theirs else None

    def told(self) -> dict[str, Any]:
        """The row for a file."""
        rates = {who: _rounded(self.rate(who), 1) for who in (OURS, PEER, NUMPY, ONNX)}
        return {
            "model": self.model,
            "width": self.width,
            "height": self.height,
            "tile": self.tile,
            "multiplications": self.multiplications,
            "best_ms": {who: _ms(self.best_ns(who)) for who in (OURS, PEER)},
            "median_ms": {who: _ms(self.median_ns(who)) for who in (OURS, PEER)},
            "speedup": _rounded(self.speedup, 3),
            "speedup_of_medians": _rounded(self._of_medians, 3),
            "gflops": rates,
            "share_of_numpy": _rounded(self.share(NUMPY), 3),
            "share_of_onnx": _rounded(self.share(ONNX), 3),
            "rounds": len(self.rounds),
            "peer_absent": self.absent,
        }

    @property
    def _of_medians(self) -> float | None:
        ours, theirs = self.median_ns(OURS), self.median_ns(PEER)
        return theirs / ours if ours and theirs else None

    def _all(self, who: str) -> list[int]:
        return [call for one in self.rounds for call in one.get(who, [])]


def run_rounds(row: Row, calls: Mapping[str, Call], rounds: int) -> None:
    """Lets all take turns, in the opposite order every other round.

    A turn lasts a while, and one call at least; the first of a quick thing does not count.

    Args:
        row: Gets what came of it.
        calls: What to do, by name.
        rounds: How often each gets its turn.
    """
    for call in calls.values():
        call()
    order = list(calls)
    for number in range(rounds):
        took: dict[str, list[int]] = {}
        for who in order[:: -1 if number % 2 else 1]:
            time.sleep(_REST_S)
            took[who] = _turn(calls[who], _LEAST_CALLS.get(who, 1))
        row.rounds.append(took)


def _turn(call: Call, least: int) -> list[int]:
    took = [call()]
    if took[0] < _WARM_BELOW_NS:
        took.clear()
    while len(took) < least or sum(took) < _TURN_NS:
        took.append(call())
    return took


def figures(rows: Sequence[Row]) -> dict[str, float | None]:
    """The worst of each family over its sizes; None where the peer did not run at one of them."""
    flat: dict[str, float | None] = {}
    for family in ("edsr", "espcn", "fsrcnn"):
        group = [row for row in rows if row.model.startswith(family)]
        flat[f"speedup_{family}"] = _worst([row.speedup for row in group])
    for family in ("edsr", "espcn"):
        group = [row for row in rows if row.model.startswith(family)]
        for product in (NUMPY, ONNX):
            shares = [row.share(product) for row in group]
            flat[f"share_of_{product}_{family}"] = _worst(shares)
    for product in (NUMPY, ONNX):
        rates = [rate for row in rows if (rate := row.rate(product)) is not None]
        flat[f"product_gflops_{product}"] = max(rates, default=None)
    return {name: _rounded(value, 3) for name, value in flat.items()}


def lines(rows: Sequence[Row]) -> list[str]:
    """The rows for people."""
    heads = ["ours ms", "median", "peer ms", "median", "x peer", "GFLOP/s", "of numpy", "of ORT"]
    told = [f"{'speed: best, median of calls':35}" + "".join(f"{head:>9}" for head in heads)]
    for row in rows:
        cells = [
            *(_text(_ms(row.best_ns(OURS)), 1), _text(_ms(row.median_ns(OURS)), 1)),
            *(_text(_ms(row.best_ns(PEER)), 1), _text(_ms(row.median_ns(PEER)), 1)),
            _text(row.speedup, 2),
            _text(row.rate(OURS), 0),
            *(_text(row.share(product), 2) for product in (NUMPY, ONNX)),
        ]
        name = f"{row.model:10} {row.width}x{row.height}"
        told.append(f"{name:21}{row.tile:>14}" + "".join(f"{cell:>9}" for cell in cells))
    told += sorted({f"no peer: {row.absent}" for row in rows if row.absent})
    return told


def timed(work: Callable[[], object]) -> Call:
    """Does a thing and says what it took."""

    def call() -> int:
        begun = time.monotonic_ns()
        work()
        return time.monotonic_ns() - begun

    return call


def load() -> float:
    """How busy the machine is: the load of the last minute."""
    return round(os.getloadavg()[0], 2)


def _worst(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(value_ns / 1e6, 3)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _text(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
