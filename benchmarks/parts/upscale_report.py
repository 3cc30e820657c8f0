"""What a run of the super-resolution benchmark found, for people and for files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.parts import upscale_memory, upscale_speed, upscale_table
from benchmarks.parts.measure import machine
from benchmarks.parts.upscale_memory import Peak, Predicted
from benchmarks.parts.upscale_speed import Row
from benchmarks.parts.upscale_table import Quality

SPEED, QUALITY, MEMORY = PARTS = ("speed", "quality", "memory")


@dataclass
class Report:
    """What one run of the benchmark found.

    Attributes:
        parts: What was measured.
        threads: That each program had.
        speed: Models and sizes.
        quality: Sets and methods.
        peaks: Of memory.
        edsr: Peaks that are predicted for EDSR, by side.
        failed: What went wrong, a line each.
        opencv: The peer's version.
        loads: How busy the machine was before each model.
    """

    parts: tuple[str, ...]
    threads: int
    speed: list[Row] = field(default_factory=list)
    quality: list[Quality] = field(default_factory=list)
    peaks: list[Peak] = field(default_factory=list)
    edsr: Mapping[int, Predicted] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    opencv: str | None = None
    loads: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float | None]:
        """What is to be compared from one run of this to the next, as one flat object."""
        found: dict[str, float | None] = {}
        if SPEED in self.parts:
            found |= upscale_speed.figures(self.speed)
        if MEMORY in self.parts:
            found |= upscale_memory.figures(self.peaks)
        if self.quality:
            found |= upscale_table.figures(self.quality)
        return found

    def lines(self) -> list[str]:
        """For people."""
        told = []
        if self.speed:
            told += [*upscale_speed.lines(self.speed), ""]
        if self.peaks:
            told += [*upscale_memory.lines(self.peaks, self.edsr), ""]
        if self.quality:
            told += [*upscale_table.lines(self.quality), ""]
        if self.loads and max(self.loads) > 2 * self.threads:
            told.append(f"the machine was busy: load {self.loads} before the models")
        return [*told, *against_targets(self.figures())]

    def document(self) -> dict[str, Any]:
        """For programs."""
        packages = ("faceguard-edge", "numpy", "onnxruntime", "opencv-python-headless", "pillow")
        return {
            "benchmark": "upscale",
            "figures": self.figures(),
            "rows": [row.told() for row in self.speed],
            "memory": [peak.told() for peak in self.peaks],
            "memory_edsr_predicted": {
                str(side): {"tile": one.tile, "peak_mb": round(one.peak_mb, 1)}
                for side, one in self.edsr.items()
            },
            "memory_source_gb": {str(side): gb for side, gb in upscale_memory.SOURCE_GB.items()},
            "quality": [row.told() for row in self.quality],
            "failed": self.failed,
            "threads": self.threads,
            "load_before_models": self.loads,
            "machine": {**machine(*packages), "dnn_superres": self.opencv},
        }


def against_targets(found: Mapping[str, float | None]) -> list[str]:
    """Each figure, and what it should be."""
    between = {**upscale_speed.TARGETS, **upscale_memory.TARGETS, **upscale_table.TARGETS}
    told = []
    for name, value in found.items():
        low, high = between.get(name, (None, None))
        aim = " ".join(
            f"{sign} {bound:g}" for sign, bound in ((">=", low), ("<=", high)) if bound is not None
        )
        line = f"{name} {'failed' if value is None else format(value, 'g')}"
        if value is not None and aim:
            met = (low is None or value >= low) and (high is None or value <= high)
            line += f"  (aim {aim}: {'met' if met else 'MISSED'})"
        told.append(line)
    return told
