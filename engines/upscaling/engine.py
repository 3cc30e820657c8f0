"""Built engines that enlarge: which tiles they take, and what they take of the memory.

A TensorRT engine takes its GPU memory when it is opened, for the largest tile that it was built
for; after that a tile costs the working arrays on the CPU only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from faceguard.engines.backends import TITLES
from faceguard.engines.errors import NoRoom, UsageError
from faceguard.engines.machine import read_machine
from faceguard.engines.manifest import check_whole
from faceguard.engines.memory import show_bytes
from faceguard.engines.runtime import open_runtime
from faceguard.engines.upscaling.best_tile import Takes
from faceguard.engines.upscaling.colour import CHROMA_REACH_PX
from faceguard.engines.upscaling.limits import advice, read_limits, tightest
from faceguard.engines.upscaling.measuring import Subject, footprint_of, key_of
from faceguard.engines.upscaling.tile import Tile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from faceguard.engines.catalogue import Enlarging
    from faceguard.engines.manifest import EngineManifest
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.upscaling.footprint import Footprint

_DEVICE_RESERVE_BYTES = 128 << 20
"""Left on a GPU with memory of its own: kernels are loaded as they are first used."""


@dataclass(frozen=True)
class OpenedEngine:
    """An engine that is open.

    Attributes:
        runtime: The engine.
        footprint: What it takes.
        takes: Which tiles it takes.
    """

    runtime: Runtime
    footprint: Footprint
    takes: Takes


def open_engine(
    engine: Path,
    name: str,
    enlarging: Enlarging,
    *,
    threads: int,
    limit_bytes: int | None,
    say: Callable[[str], None] | None,
) -> OpenedEngine:
    """Opens an engine that was built from a model.

    Args:
        engine: The engine's file, with its manifest beside it.
        name: The model's name in the catalogue.
        enlarging: What the model does.
        threads: For one inference on the CPU.
        limit_bytes: What a user allows this process in all.
        say: Told what takes a while.

    Raises:
        UsageError: It was built from another model, does not take pictures, or only such as are
            too small to be put together.
        ModelError: It is damaged, or was built for another machine.
        NoRoom: There is not enough memory for it.
    """
    manifest = check_whole(engine)
    if manifest.catalogue != name:
        raise UsageError(f"{engine}: built from {manifest.catalogue or manifest.name}, not {name}")
    takes = _sizes(engine, manifest)
    _check_sizes(engine, name, takes.most, enlarging)
    on_cpu = manifest.backend == "onnx"
    made_for = manifest.built_for
    key = key_of(
        manifest.sha256,
        manifest.backend,
        threads,
        runtime=None if on_cpu else f"{TITLES[manifest.backend]} {made_for.version}",
        device=None if on_cpu else made_for.gpu or ", ".join(made_for.targets),
    )
    limits = read_limits(limit_bytes)
    subject = Subject(engine, name, key, True, enlarging, takes=takes)
    footprint = footprint_of(subject, tightest(limits), threads=threads, say=say)
    on_device = footprint.device_bytes
    is_shared = bool(on_device) and _is_integrated()
    if on_device and not is_shared:
        _check_device(name, engine, on_device)
    for limit in limits:
        need = footprint.loading(limit.kind)
        if is_shared and limit.kind == "resident":
            need += on_device
        if need > limit.bytes:
            raise NoRoom(
                f"{name}: opening {engine.name} takes {show_bytes(need)}, and "
                f"{limit.free}; "
                f"{advice(limit, need - limit.bytes, 'build it for smaller tiles')}"
            )
    return OpenedEngine(_open(engine, threads, on_cpu=on_cpu), footprint, takes)


def _sizes(engine: Path, manifest: EngineManifest) -> Takes:
    notes = manifest.inputs
    if len(notes) != 1 or len(notes[0].maximum) != 4:
        raise UsageError(f"{engine}: takes no pictures (N, C, H, W)")
    (fewest, _, low, narrow), (most, _, high, wide) = notes[0].minimum, notes[0].maximum
    return Takes(Tile(narrow, low, fewest), Tile(wide, high, most))


def _check_sizes(engine: Path, name: str, most: Tile, enlarging: Enlarging) -> None:
    """Refuses an engine whose largest tile is all overlap: it would do small pictures only."""
    least = 2 * max(enlarging.overlap_px, CHROMA_REACH_PX) + 1
    if min(most.width, most.height) < least:
        raise UsageError(
            f"{engine}: built for {most.width}x{most.height} px at most, of which nothing is left "
            f"beside the overlap of {name}; build it for {least}x{least} px or more"
        )


def _is_integrated() -> bool:
    """Whether the GPU has its memory from the same place as we."""
    gpu = read_machine().gpu
    return gpu is not None and gpu.integrated


def _check_device(name: str, engine: Path, need: int) -> None:
    from faceguard.engines.upscaling.device import free_on_device

    free = free_on_device()
    if need + _DEVICE_RESERVE_BYTES > free:
        raise NoRoom(
            f"{name}: opening {engine.name} takes {show_bytes(need)} of the GPU, "
            f"{show_bytes(_DEVICE_RESERVE_BYTES)} are to stay free, and {show_bytes(free)} is "
            "free there; stop what uses it, or build it for smaller tiles"
        )


def _open(engine: Path, threads: int, *, on_cpu: bool) -> Runtime:
    if not on_cpu:
        return open_runtime(engine, threads=threads)
    from faceguard.engines.onnx import OnnxRuntime

    return OnnxRuntime(engine, threads=threads, steady=True)
