"""How much memory is free for us, and who holds the rest.

On a Jetson the GPU takes its memory from the same place, so this is the figure for both.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from faceguard.engines.cgroup import memory_room
from faceguard.engines.errors import UsageError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MACHINE = "of the machine's memory"


@dataclass(frozen=True)
class Free:
    """Memory that can be taken now.

    Attributes:
        bytes: How much.
        limit: What sets the limit, as the end of a sentence: `of the machine's memory`.
        shared: Whether stopping other programs of this machine would give more.
    """

    bytes: int
    limit: str
    shared: bool = True

    def within(self, limit_bytes: int | None, name: str = "--memory-limit") -> Free:
        """The same, but no more than a user allows; None allows all."""
        if limit_bytes is None or limit_bytes >= self.bytes:
            return self
        return Free(limit_bytes, f"under {name} {show_bytes(limit_bytes)}", shared=False)


@dataclass(frozen=True)
class Holder:
    """A process and the memory that it holds.

    Attributes:
        name: The program's name, without its arguments: these may be private.
        pid: Its number.
        resident_bytes: What lies in memory, shared parts counted whole.
    """

    name: str
    pid: int
    resident_bytes: int

    def __str__(self) -> str:
        """As it stands in a message."""
        return f"{self.name} ({show_bytes(self.resident_bytes)}, pid {self.pid})"


def free_memory(root: Path = Path("/")) -> Free:
    """The least of what the kernel calls available and what every control group above us leaves.

    Swap does not count: a GPU's pages cannot go there, and what can makes a camera stutter.

    Args:
        root: Where `proc` and `sys` lie.
    """
    text = (root / "proc/meminfo").read_text(encoding="utf-8")
    fields = {
        key: int(kib) << 10 for key, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)
    }
    # Kernels before 3.14 do not say; this is what they would.
    available = fields.get("MemAvailable", fields.get("MemFree", 0) + fields.get("Cached", 0) // 2)
    room = memory_room(root)
    if room is None or room.bytes >= available:
        return Free(available, _MACHINE)
    where = f"under the limit of control group {room.group} ({show_bytes(room.limit_bytes)})"
    return Free(room.bytes, where, shared=False)


def largest_holders(root: Path = Path("/"), *, count: int = 3) -> list[Holder]:
    """The processes that hold the most memory, largest first, without this one and its parents.

    Args:
        root: Where `proc` lies.
        count: How many.
    """
    ours = _line_of_parents(root)
    page = os.sysconf("SC_PAGE_SIZE")
    found = []
    for folder in (root / "proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in ours:
            continue
        try:
            resident = int((folder / "statm").read_text(encoding="ascii").split()[1]) * page
            name = (folder / "comm").read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError, IndexError):
            continue  # it has ended since
        if resident:
            plain = re.sub(r"[^\w .:/+-]", "?", name.strip())
            found.append(Holder(plain or "unnamed", int(folder.name), resident))
    return sorted(found, key=lambda item: (-item.resident_bytes, item.pid))[:count]


def _line_of_parents(root: Path) -> set[int]:
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            text = (root / f"proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            break
        # The name in parentheses may hold anything; the parent is the second word after it.
        words = text.rpartition(")")[2].split()
        pid = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return found


def parse_bytes(text: str) -> int:
    """Reads an amount of memory: `1G`, `512M`, `1.5GiB`, `800000`.

    K, M, G and T are steps of 1024, as in systemd's MemoryMax; a B or iB behind them changes
    nothing.

    Raises:
        UsageError: It is no such amount, or nothing.
    """
    found = re.fullmatch(
        r"(\d+(?:\.\d+)?|\.\d+)\s*([KMGT]?)(?:I?B)?", text.strip().upper(), re.ASCII
    )
    size = int(float(found[1]) * _UNITS[found[2]]) if found and len(text) <= 24 else 0
    if size < 1:
        raise UsageError(f"{text!r} is no amount of memory; write one as in 800M or 1.5G")
    return size


def show_bytes(size: int) -> str:
    """An amount as messages write it, in the units that `parse_bytes` reads."""
    for unit, step in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
        if size >= step:
            return (
                f"{size / step:.1f} {unit}B" if size < 10 * step else f"{size / step:.0f} {unit}B"
            )
    return f"{size} B"
