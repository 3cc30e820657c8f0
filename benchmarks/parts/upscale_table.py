"""Quality of enlarged pictures, method by method, over the sets that papers measure on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from benchmarks.parts.upscale_quality import (
    Pair,
    bicubic,
    bicubic_opencv,
    judged,
    mean_difference,
)
from faceguard.engines.types import U8

Enlarge = Callable[[U8], U8]
"""uint8 (h, w, 3) to uint8 (scale * h, scale * w, 3)."""

BASELINES: Mapping[str, Callable[[U8, int], U8]] = {
    "bicubic": bicubic,
    "bicubic, OpenCV's": bicubic_opencv,
}
PUBLISHED = {("Set5", 2): 33.66, ("Set5", 3): 30.39, ("Set5", 4): 28.42, ("Set14", 3): 27.55}
"""PSNR of bicubic enlargement in the literature (C. Dong et al., SRCNN, 2014), in dB."""

TARGETS: dict[str, tuple[float | None, float | None]] = {
    "worst_mad_to_peer": (None, 0.5),
    "worst_psnr_apart_db": (None, 0.05),
}
"""What figures should be: at least, at most."""


@dataclass
class Quality:
    """One method on one set.

    Attributes:
        of: The set's name.
        scale: By what its pictures are enlarged.
        method: Its name.
        psnr_db: One value a picture.
        ssim: One value a picture.
        mad: Mean absolute difference to the peer on the same pictures, in grey levels.
        apart_db: PSNR less that of the peer.
    """

    of: str
    scale: int
    method: str
    psnr_db: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    mad: list[float] = field(default_factory=list)
    apart_db: list[float] = field(default_factory=list)

    def add(self, large: U8, truth: U8) -> None:
        """Judges one more picture."""
        ratio, likeness = judged(large, truth, self.scale)
        self.psnr_db.append(ratio)
        self.ssim.append(likeness)

    def told(self) -> dict[str, Any]:
        """The row for a file."""
        return {
            "set": self.of,
            "scale": self.scale,
            "method": self.method,
            "pictures": len(self.psnr_db),
            "psnr_db": round(fmean(self.psnr_db), 3),
            "ssim": round(fmean(self.ssim), 4),
            "mad_to_peer": round(max(self.mad), 4) if self.mad else None,
            "psnr_apart_db": round(max(map(abs, self.apart_db)), 4) if self.apart_db else None,
        }


def baselines(of: str, scale: int, chosen: Sequence[Pair]) -> Iterator[Quality]:
    """What enlarging without a network gives."""
    for name, enlarge in BASELINES.items():
        row = Quality(of, scale, name)
        for pair in chosen:
            low, high = pair.read()
            row.add(enlarge(low, scale), high)
        yield row


def side_by_side(
    of: str, model: str, chosen: Sequence[Pair], ours: Enlarge, peer: Enlarge | None
) -> list[Quality]:
    """One network by faceguard and by the peer.

    Args:
        of: The set's name.
        model: The network's.
        chosen: Pictures, of one scale.
        ours: faceguard.
        peer: The peer; None where there is none.
    """
    scale = chosen[0].scale
    mine = Quality(of, scale, f"{model}, faceguard")
    theirs = Quality(of, scale, f"{model}, dnn_superres")
    for pair in chosen:
        low, high = pair.read()
        large = ours(low)
        mine.add(large, high)
        if peer is not None:
            other = peer(low)
            theirs.add(other, high)
            mine.mad.append(mean_difference(large, other))
            mine.apart_db.append(mine.psnr_db[-1] - theirs.psnr_db[-1])
    return [theirs, mine] if peer is not None else [mine]


def figures(rows: Sequence[Quality]) -> dict[str, float | None]:
    """How far faceguard and its peer are apart at most, over all pictures."""
    mad = [value for row in rows for value in row.mad]
    apart = [abs(value) for row in rows for value in row.apart_db]
    return {
        "worst_mad_to_peer": round(max(mad), 4) if mad else None,
        "worst_psnr_apart_db": round(max(apart), 4) if apart else None,
    }


def lines(rows: Sequence[Quality]) -> list[str]:
    """The rows for people."""
    heads = ["pictures", "PSNR dB", "SSIM", "MAD", "dB apart"]
    told = [f"{'quality on luma':40}" + "".join(f"{head:>10}" for head in heads)]
    for row in rows:
        one = row.told()
        cells = [
            f"{one['pictures']}",
            f"{one['psnr_db']:.2f}",
            f"{one['ssim']:.4f}",
            "-" if one["mad_to_peer"] is None else f"{one['mad_to_peer']:.3f}",
            "-" if one["psnr_apart_db"] is None else f"{one['psnr_apart_db']:.4f}",
        ]
        name = f"{row.of} x{row.scale}"
        told.append(f"{name:10}{row.method:30}" + "".join(f"{cell:>10}" for cell in cells))
    return told
