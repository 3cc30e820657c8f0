"""What would be done, found out by doing all of it but the build."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceguard.convert.admission import Need, admit
from faceguard.convert.child.wire import Message
from faceguard.convert.engine.make import check_place, find_made
from faceguard.convert.engine.publish import FILE_ELSEWHERE, STORE_ELSEWHERE
from faceguard.convert.engine.work import Task, rehearsed
from faceguard.convert.files import scratch, writing
from faceguard.engines.child import ChildFailed, run_limited
from faceguard.engines.engine_store import engine_file, engines_folder
from faceguard.engines.errors import BuildFailed, UsageError
from faceguard.engines.memory import show_bytes

if TYPE_CHECKING:
    from faceguard.convert.engine.request import Request

# The library is loaded elsewhere: on a broken driver that crashes.
_TARGETS = """
from faceguard.convert.build.backend import load_backend
print(*load_backend("tensorrt-rtx").ComputeCapability.__members__)
"""
_TARGETS_LIMIT_S = 60.0


@dataclass(frozen=True)
class Rehearsal:
    """What would be done.

    Attributes:
        request: What is asked for.
        prepared: What is known of the graph that the engine would be built from; see
            `work.rehearsed`.
        need: The memory that building it takes.
        place: Where the engine would be.
        up_to_date: Whether it is there already.
        workspace_bytes: What the builder would be given.
    """

    request: Request
    prepared: Message
    need: Need
    place: Path
    up_to_date: bool
    workspace_bytes: int

    def facts(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "name": self.request.source.name,
            "backend": self.request.backend,
            "precision": self.request.precision,
            "place": str(self.place),
            "up_to_date": self.up_to_date,
            "profiles": self.prepared["profiles"],
            "need": {**asdict(self.need), "total_bytes": self.need.total_bytes},
            "free_bytes": self.request.free().bytes,
            "workspace_bytes": self.workspace_bytes,
            "precision_proof": self.prepared["proof"],
            "kept": self.prepared["kept"],
        }

    def lines(self) -> list[str]:
        """For people."""
        request = self.request
        profiles = self.prepared["profiles"].items()
        shapes = ", ".join(f"{name}={profile}" for name, profile in profiles)
        done = "is up to date" if self.up_to_date else "would be built"
        what = f"{request.precision} for {request.backend}"
        return [
            f"{request.source.name}: {done}, {what}: {self.place}",
            f"  shapes: {shapes}",
            *(f"  {note}" for note in self.prepared["notes"]),
            f"  memory: {self.need}, {show_bytes(request.free().bytes)} is free",
        ]


def rehearse(request: Request, *, say: Callable[[str], None]) -> Rehearsal:
    """Prepares the graph, looks at the memory, and writes nothing that stays.

    Args:
        request: What is asked for.
        say: Told one line for each step that may last.

    Raises:
        FaceguardError: What would stop the build, too.
    """
    if request.out is not None:
        check_place(request.out)
    found = None if request.force else find_made(request)
    if found is None:
        _check_writing(request)
        _check_targets(request)
    with scratch("faceguard-dry-run-") as folder:
        task = Task(request, folder, folder, "free some space there", rehearsal=True)
        prepared = rehearsed(task, say=say)
    need = Need(**prepared["need"])
    workspace = admit(need, request.free(), name=request.source.name)
    store = engines_folder() / request.folder_name / engine_file(request.backend)
    return Rehearsal(request, prepared, need, request.out or store, found is not None, workspace)


def _check_writing(request: Request) -> None:
    """Makes a folder where the engine would be built, and takes it away at once."""
    if request.out is not None:
        home, elsewhere = request.out.parent, FILE_ELSEWHERE
    else:
        home, elsewhere = engines_folder(), STORE_ELSEWHERE
    with writing(home, elsewhere=elsewhere):
        place = home.absolute()
        while not place.exists():
            place = place.parent
        # Asking for rights is not enough: a disk may be read-only, full, or none for folders.
        with tempfile.TemporaryDirectory(prefix=".faceguard-dry-run-", dir=place):
            pass


def _check_targets(request: Request) -> None:
    """Whether TensorRT for RTX builds for these GPUs, which only itself knows."""
    if not request.targets:
        return
    try:
        told = run_limited([sys.executable, "-c", _TARGETS], limit_s=_TARGETS_LIMIT_S)
    except ChildFailed as error:
        raise BuildFailed(f"TensorRT for RTX: {error}; see: faceguard doctor") from error
    if told.code != 0:
        last = (told.err.strip().splitlines() or [told.crash or "it said nothing"])[-1]
        raise BuildFailed(f"TensorRT for RTX does not start: {last[:200]}; see: faceguard doctor")
    known = {word.lower() for word in told.out.split() if word.startswith("SM")}
    for target in request.targets:
        if target not in known:
            raise UsageError(
                f"TensorRT for RTX {request.machine.tensorrt_rtx} does not build for {target}; "
                f"it knows {', '.join(sorted(known))}"
            )
