"""All that limits what this process may take now: the machine, its groups, its own limits."""

from __future__ import annotations

import re
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.engines.memory import free_memory, largest_holders, show_bytes

if TYPE_CHECKING:
    from faceguard.engines.upscaling.footprint import Kind

MIB = 1 << 20

MACHINE_RESERVE_BYTES = 128 * MIB
"""Left for the rest of the machine: cameras and encoders go on beside us."""

OWN_RESERVE_BYTES = 24 * MIB
"""Left where the limit is ours alone: for Python, and for the caller's own small arrays."""

ADDRESS_RESERVE_BYTES = 64 * MIB
"""Left of address space: a thread that starts takes 8 MB for its stack, used or not."""


@dataclass(frozen=True)
class Limit:
    """One bound.

    Attributes:
        free_bytes: What is free now; negative where more than a limit is taken already.
        reserve_bytes: How much of that is to stay free.
        where: What sets it, as the end of a sentence: `of the machine's memory`.
        kind: What it counts.
        shared: Whether stopping other programs would give more; else it can be raised.
    """

    free_bytes: int
    reserve_bytes: int
    where: str
    kind: Kind
    shared: bool

    @property
    def bytes(self) -> int:
        """What may be taken now; negative where the reserve is gone already."""
        return self.free_bytes - self.reserve_bytes

    @property
    def free(self) -> str:
        """What is free and by whose word, as messages say it."""
        return f"{show_bytes(max(0, self.free_bytes))} is free {self.where}"

    @property
    def spare(self) -> str:
        """That, and what of it is to stay free."""
        return f"{show_bytes(self.reserve_bytes)} are to stay free, and {self.free}"


@dataclass(frozen=True)
class Held:
    """What this process has.

    Attributes:
        resident: Bytes that lie in memory.
        address: Of address space.
        data: Of that, what can be written and is ours alone; RLIMIT_DATA counts it.
    """

    resident: int
    address: int
    data: int


def held(root: Path = Path("/")) -> Held:
    """What this process has now.

    Args:
        root: Where `proc` lies.
    """
    sizes = _status(root)
    return Held(sizes["VmRSS"], sizes["VmSize"], sizes["VmData"])


def peaks(root: Path = Path("/")) -> tuple[int, int]:
    """The most that it had in memory and of address space, in bytes; see `forget_peak`."""
    sizes = _status(root)
    return sizes["VmHWM"], sizes["VmPeak"]


def forget_peak() -> None:
    """Begins the peak in memory anew; that of address space cannot be.

    Raises:
        OSError: This kernel cannot.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def read_limits(limit_bytes: int | None = None, *, root: Path = Path("/")) -> list[Limit]:
    """All that bounds this process now.

    Args:
        limit_bytes: What a user allows this process in all (`--memory-limit`).
        root: Where `proc` and `sys` lie.
    """
    have = held(root)
    free = free_memory(root)
    reserve = MACHINE_RESERVE_BYTES if free.shared else OWN_RESERVE_BYTES
    found = [Limit(free.bytes, reserve, free.limit, "resident", free.shared)]

    def own(name: str, most: int, taken: int, kind: Kind) -> None:
        keep = OWN_RESERVE_BYTES if kind == "resident" else ADDRESS_RESERVE_BYTES
        where = f"under {name} {show_bytes(most)}, of which the program itself has "
        where += show_bytes(taken)
        # Below nothing where it has more already, or what is missing would be told too small.
        found.append(Limit(most - taken, keep, where, kind, shared=False))

    if limit_bytes is not None:
        own("--memory-limit", limit_bytes, have.resident, "resident")
    for name, number, taken in (
        ("RLIMIT_AS (ulimit -v)", resource.RLIMIT_AS, have.address),
        ("RLIMIT_DATA (ulimit -d)", resource.RLIMIT_DATA, have.data),
    ):
        most = resource.getrlimit(number)[0]
        if most != resource.RLIM_INFINITY:
            own(name, most, taken, "address")
    return found


def tightest(limits: list[Limit]) -> Limit:
    """Of those that bound what lies in memory, the one that leaves least."""
    resident = (limit for limit in limits if limit.kind == "resident")
    return min(resident, key=lambda limit: limit.bytes)


def advice(limit: Limit, missing_bytes: int, otherwise: str, *, root: Path = Path("/")) -> str:
    """What would help.

    Args:
        limit: The one that is in the way.
        missing_bytes: How much more it would have to leave.
        otherwise: What else can be done.
        root: Where `proc` lies.
    """
    if not limit.shared:
        # Rounded up, so that what is then given is enough.
        return f"raise it by at least {-(-missing_bytes // MIB)} MB, or {otherwise}"
    stopped: list[str] = []
    for holder in largest_holders(root):
        stopped.append(str(holder))
        missing_bytes -= holder.resident_bytes
        if missing_bytes <= 0:
            return f"stop {' and '.join(stopped)}, or {otherwise}"
    return otherwise  # stopping even the largest would not do


def _status(root: Path) -> dict[str, int]:
    text = (root / "proc/self/status").read_text(encoding="utf-8", errors="replace")
    found = re.findall(r"^(Vm\w+):\s+(\d+) kB$", text, re.MULTILINE)
    return {name: int(kib) << 10 for name, kib in found}
