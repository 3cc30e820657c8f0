"""The child that `measuring` starts: loads a network, enlarges tiles, and tells its peaks."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faceguard.engines.catalogue import Enlarging
from faceguard.engines.errors import FaceguardError, NoRoom
from faceguard.engines.runtime import ENGINE_SUFFIXES, open_runtime
from faceguard.engines.upscaling.device import free_on_device
from faceguard.engines.upscaling.footprint import work_pixels
from faceguard.engines.upscaling.limits import Held, forget_peak, held, peaks
from faceguard.engines.upscaling.pools import start_pools
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from faceguard.engines.runtime import Runtime

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "1000"
_STACK_BYTES = 8 << 20


def main(request_json: str) -> None:
    """Measures, prints one line of JSON, and ends the process."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with suppress(OSError):
        # Where memory runs out after all, nobody but this process is to go.
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    request = json.loads(request_json)
    told: dict[str, Any]
    try:
        told = measure(request)
    except FaceguardError as error:
        told = {"error": type(error).__name__, "message": str(error)}
    except MemoryError:
        told = {
            "error": NoRoom.__name__,
            "message": f"{Path(request['path']).name}: memory ran out while it was measured",
        }
    sys.stdout.write(f"\n{json.dumps(told)}\n")
    sys.stdout.flush()
    # The libraries need not be taken down in order.
    os._exit(0)


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Loads a network and enlarges one tile of each size.

    Args:
        request: `path`, `threads`, `blocked` of the graph, `enlarging` of its catalogue entry,
            `tiles` to enlarge, and `budget_bytes` that may be taken.

    Returns:
        What `Footprint` holds without its key, and `is_whole`: whether memory did for all sizes.

    Raises:
        FaceguardError: It cannot be loaded or run.
    """
    path = Path(request["path"])
    on_gpu = path.suffix in ENGINE_SUFFIXES
    if not on_gpu:
        import onnxruntime  # noqa: F401 - the library is no part of what a network takes
    start_pools()
    before = _begin()
    if not on_gpu:
        threads = request["threads"] or len(os.sched_getaffinity(0))
        _bound(request["budget_bytes"], threads, before)
    device_before = free_on_device() if on_gpu else 0
    runtime = _open(path, request)
    peak, address_peak = peaks()
    now = held()
    answer = {
        "load": _need(peak - before.resident, address_peak - before.address),
        "loaded": _need(now.resident - before.resident, now.address - before.address),
        "device_bytes": max(0, device_before - free_on_device()) if on_gpu else 0,
    }
    tiles = _tiles(runtime, request)
    if not tiles:
        raise NoRoom(f"{path.name}: memory ran out while it was measured")
    return {**answer, "tiles": tiles, "is_whole": len(tiles) == len(request["tiles"])}


def _open(path: Path, request: dict[str, Any]) -> Runtime:
    if path.suffix != ".onnx":
        return open_runtime(path, threads=request["threads"])
    from faceguard.engines.onnx import OnnxRuntime

    return OnnxRuntime(path, threads=request["threads"], steady=True, blocked=request["blocked"])


def _tiles(runtime: Runtime, request: dict[str, Any]) -> list[dict[str, Any]]:
    tile = Tile(1, 1)

    def choose(width: int, height: int, pictures: int = 1) -> Tile:
        del width, height, pictures
        return tile

    enlarging = Enlarging.model_validate(request["enlarging"])
    found = []
    before = held()
    upscaler = Upscaler(runtime, enlarging, choose, name=Path(request["path"]).name)
    for sides in request["tiles"]:
        tile = Tile(**sides)
        try:
            resettable = _forget()
            upscaler.many([np.zeros((tile.height, tile.width, 3), np.uint8)] * tile.batch)
        except (NoRoom, MemoryError):
            break
        now = held()
        # The runtime keeps what it took, so where peaks cannot be begun anew it shows still.
        peak = max(now.resident, peaks()[0]) if resettable else now.resident
        passing = max(0, peak - now.resident)
        need = _need(peak - before.resident, now.address - before.address + passing)
        found.append({"pixels": work_pixels(tile), "need": need})
    return found


def _begin() -> Held:
    _forget()
    return held()


def _forget() -> bool:
    try:
        forget_peak()
    except OSError:
        return False
    return True


def _bound(budget_bytes: int, threads: int, now: Held) -> None:
    """Has the system refuse what would be more than there is to take."""
    stacks = _STACK_BYTES * (threads - 1)  # reserved and hardly used
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = now.data + budget_bytes + stacks
    if soft == resource.RLIM_INFINITY or most < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _need(resident: int, address: int) -> dict[str, int]:
    return {"resident": max(0, resident), "address": max(0, address)}
