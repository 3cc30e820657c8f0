"""Measures what a network takes, in a process of its own, and keeps the answer beside the graph.

Within the process that is to enlarge it could not be told from what the rest of the program does,
and a peak once reached stays. The child dies before anyone else where memory runs out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import machine
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from faceguard.engines import errors
from faceguard.engines.child import Answer, ChildFailed, run_limited
from faceguard.engines.errors import InferenceError, InferenceTimeout, NoRoom
from faceguard.engines.memory import show_bytes
from faceguard.engines.upscaling.footprint import Footprint, Key, Measure, Need, work_pixels
from faceguard.engines.upscaling.limits import advice
from faceguard.engines.upscaling.notes import find_note, keep_note, note_lock
from faceguard.engines.upscaling.tile import Tile

if TYPE_CHECKING:
    from faceguard.engines.catalogue import Enlarging
    from faceguard.engines.upscaling.best_tile import Takes
    from faceguard.engines.upscaling.limits import Limit

_LIMIT_S = 300.0
_START = (
    # The parent's own path, so that the child finds the very same modules.
    "import sys; _, request, *sys.path = sys.argv; "
    "from faceguard.engines.upscaling.measured import main; main(request)"
)
_PACKAGES = ("onnxruntime", "opencv-python-headless", "opencv-python", "numpy")
_CHANGES = 1
"""Raised by one with each change of what is measured or how; measurements are then made anew."""

_STEP_BYTES = 64 << 20
_HEAVY_BYTES = 8 << 20
_SIDES_PX = (64, 128, 256)
_HEAVY_SIDES_PX = (32, 64, 96)  # seconds in all, where a large one takes minutes


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        path: The graph, or an engine with its manifest.
        name: The model's, for messages.
        key: From `key_of`.
        blocked: See `OnnxRuntime`.
        enlarging: What the network does.
        copies: So many times its file is in memory at least when it is loaded.
        takes: Which tiles an engine takes; None: any.
    """

    path: Path
    name: str
    key: Key
    blocked: bool
    enlarging: Enlarging
    copies: int = 1
    takes: Takes | None = None


def key_of(
    sha256: str, form: str, threads: int, *, runtime: str | None = None, device: str | None = None
) -> Key:
    """What a measurement made now holds for.

    Args:
        sha256: Of the graph or engine.
        form: `plain`, `rewritten`, or the backend of an engine.
        threads: For one inference; 0 is what is here.
        runtime: Name and version of a runtime other than ONNX Runtime.
        device: The GPU; None: this machine's processor.
    """
    packages = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    words = [*([runtime] if runtime else []), *packages, f"measured {_CHANGES}"]
    return Key(
        sha256=sha256,
        form=form,
        runtime=", ".join(words),
        threads=threads or len(os.sched_getaffinity(0)),
        device=device or _processor(),
    )


def footprint_of(
    subject: Subject,
    limit: Limit,
    *,
    threads: int,
    say: Callable[[str], None] | None = None,
) -> Footprint:
    """What a network takes; measured where nobody has done so yet.

    Args:
        subject: The network.
        limit: What may be taken in memory meanwhile.
        threads: For one inference; 0 takes one for each core.
        say: Told, in words for people, what takes a while.

    Raises:
        NoRoom: There is too little memory even to measure it.
        InferenceTimeout: It did not end in time.
        FaceguardError: The network cannot be loaded or run.
    """
    found = find_note(subject.path, subject.key)
    if found is not None:
        return found
    weights = subject.path.stat().st_size * subject.copies
    if weights > limit.bytes:
        # Not even its weights would fit: spares the attempt.
        raise NoRoom(
            f"{subject.name}: loading it takes more than {show_bytes(weights)}, "
            f"{_free(limit, weights - limit.bytes)}"
        )
    with note_lock(subject.path, subject.key):
        found = find_note(subject.path, subject.key)
        if found is not None:
            return found
        if say is not None:
            say(f"measuring the memory of {subject.name}, once")
        footprint, is_whole = _measure(subject, limit, threads)
        if is_whole:
            keep_note(subject.path, footprint)
        return footprint


def _measure(subject: Subject, limit: Limit, threads: int) -> tuple[Footprint, bool]:
    request = {
        "path": str(subject.path),
        "threads": threads,
        "blocked": subject.blocked,
        "enlarging": subject.enlarging.model_dump(),
        "tiles": [asdict(tile) for tile in _tiles(subject)],
        "budget_bytes": limit.bytes,
    }
    told = _told(_run(subject, [json.dumps(request), *sys.path]), subject, limit)
    if "error" in told:
        kind = getattr(errors, told["error"], InferenceError)
        if kind is NoRoom:
            raise _too_little(subject, limit)
        raise kind(told["message"])
    try:
        footprint = Footprint(
            key=subject.key,
            load=Need(**told["load"]),
            loaded=Need(**told["loaded"]),
            tiles=tuple(Measure.model_validate(tile) for tile in told["tiles"]),
            device_bytes=told["device_bytes"],
        )
    except (KeyError, TypeError, ValidationError) as error:
        raise InferenceError(
            f"{subject.name}: measuring its memory gave no sense: {_line(str(error))}"
        ) from error
    return footprint, bool(told["is_whole"])


def _tiles(subject: Subject) -> list[Tile]:
    """Those that are measured, smallest first."""
    heavy = subject.path.stat().st_size > _HEAVY_BYTES
    tiles = [Tile(side, side) for side in (_HEAVY_SIDES_PX if heavy else _SIDES_PX)]
    if subject.takes is None:
        return tiles
    low, high = subject.takes.least, subject.takes.most
    taken = {
        Tile(
            min(max(tile.width, low.width), high.width),
            min(max(tile.height, low.height), high.height),
            low.batch,
        )
        for tile in tiles
    }
    return sorted(taken, key=work_pixels)


def _run(subject: Subject, words: list[str]) -> Answer:
    try:
        return run_limited([_python(), "-c", _START, *words], limit_s=_LIMIT_S)
    except ChildFailed as error:
        raise InferenceTimeout(
            f"{subject.name}: measuring its memory gave {error}; is the machine very busy?"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise NoRoom(
            f"{subject.name}: no process can be started to measure its memory ({reason}); "
            "stop other programs"
        ) from error


def _told(answer: Answer, subject: Subject, limit: Limit) -> dict[str, Any]:
    """The child's last words that are an answer; libraries print too."""
    for line in reversed(answer.out.splitlines()):
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            return told
    if answer.crash == "SIGKILL" or "MemoryError" in answer.err or "bad_alloc" in answer.err:
        raise _too_little(subject, limit)
    how = answer.crash or f"exit code {answer.code}"
    last = _line((answer.err.strip().splitlines() or ["it said nothing"])[-1])
    raise InferenceError(f"{subject.name}: measuring its memory ended with {how}: {last}")


def _too_little(subject: Subject, limit: Limit) -> NoRoom:
    # It may be far more; how much nobody knows yet.
    weights = subject.path.stat().st_size * subject.copies
    have = show_bytes(max(0, limit.bytes))
    return NoRoom(
        f"{subject.name}: measuring what it takes needs more than {have}, "
        f"{_free(limit, max(weights, limit.bytes) - limit.bytes + _STEP_BYTES)}"
    )


def _free(limit: Limit, missing_bytes: int) -> str:
    return f"{limit.spare}; {advice(limit, missing_bytes, 'take a smaller model')}"


def _python() -> str:
    """The Python that runs here; where a program has it built in, the one beside its libraries."""
    own = Path(sys.executable or "")
    if own.name.startswith("python"):
        return str(own)
    return str(Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}"))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Kernels, and with them scratch memory, are chosen by the processor."""
    with_name = ("model name", "CPU part")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(with_name))
    return f"{machine()} {next(named, '')}".strip()


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
