"""What the child is asked to build, and what it tells when it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from faceguard.engines.errors import UsageError
from faceguard.engines.spec import Backend, Profile


@dataclass(frozen=True)
class BuildRequest:
    """One engine to build.

    Attributes:
        graph: The prepared `.onnx` file; its types are the engine's types.
        out: What the engine is to be called. It gets this name when it is whole; a file that
            stands there is replaced only then. It is not flushed to the disk.
        backend: Which TensorRT builds it.
        profiles: Shapes by input; needed for each input with an open side.
        workspace_bytes: The most scratch memory that a layer may take; None leaves the choice to
            the backend.
        timing_cache: File of timings from earlier builds; see `timing.timing_cache_path`.
        targets: GPUs to build for, as sm86, for tensorrt-rtx; none: the GPU here. TensorRT itself
            always builds for the GPU here, and does not look at this.
    """

    graph: Path
    out: Path
    backend: Backend
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    workspace_bytes: int | None = None
    timing_cache: Path | None = None
    targets: tuple[str, ...] = ()

    def check(self) -> None:
        """Looks for what can be known to be wrong without the backend.

        Raises:
            UsageError: A value that cannot be meant; one line.
        """
        if self.backend not in ("tensorrt", "tensorrt-rtx"):
            raise UsageError(f"backend {self.backend} builds no engine: take tensorrt-rtx")
        if self.backend == "tensorrt-rtx":
            check_targets(self.targets)
        if self.workspace_bytes is not None and self.workspace_bytes <= 0:
            raise UsageError(f"a workspace of {self.workspace_bytes} bytes is none; give it more")

    def to_json(self) -> str:
        """All of it on one line."""
        fields = {
            **asdict(self),
            "graph": str(self.graph),
            "out": str(self.out),
            "timing_cache": None if self.timing_cache is None else str(self.timing_cache),
        }
        return json.dumps(fields)

    @classmethod
    def from_json(cls, line: str | bytes) -> BuildRequest:
        """The request that `to_json` wrote."""
        fields = json.loads(line)
        cache = fields["timing_cache"]
        profiles = {
            name: Profile(*(tuple(shape[key]) for key in ("minimum", "optimum", "maximum")))
            for name, shape in fields["profiles"].items()
        }
        return cls(
            graph=Path(fields["graph"]),
            out=Path(fields["out"]),
            backend=fields["backend"],
            profiles=profiles,
            workspace_bytes=fields["workspace_bytes"],
            timing_cache=None if cache is None else Path(cache),
            targets=tuple(fields["targets"]),
        )


def check_targets(targets: Iterable[str]) -> None:
    """Looks whether names of GPUs can be meant.

    Args:
        targets: Such as sm86.

    Raises:
        UsageError: One is no such name, or a Jetson's.
    """
    for target in targets:
        if target == "sm87":
            raise UsageError(
                "target sm87: no engine of TensorRT for RTX runs on a Jetson; "
                "build with --backend tensorrt on the Jetson itself"
            )
        if not re.fullmatch(r"sm\d{2,3}", target):
            raise UsageError(f"target {target!r} names no GPU; it is written like sm86")


@dataclass(frozen=True)
class BuildOutcome:
    """What a build that came to its end has to tell.

    Attributes:
        seconds: From the start of the child to the engine's name.
        peak_mb: The most memory that the child held, in units of 1,000,000 bytes. Memory that a
            driver takes from a GPU, or on a Jetson from the same RAM, is not in it.
        engine_bytes: The engine's size.
        backend_version: As 10.3.0.
        warnings: What the backend warned of, each once.
        layers: The engine inspector's JSON; None without a GPU that loads this engine.
    """

    seconds: float
    peak_mb: float
    engine_bytes: int
    backend_version: str
    warnings: list[str]
    layers: str | None
