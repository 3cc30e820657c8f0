"""What control groups, and so containers and services, leave of the machine (cgroups 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Room:
    """What one control group still leaves of its memory.

    Attributes:
        bytes: Its limit, less what is in use and could not be given back at once.
        limit_bytes: Its limit.
        group: Where it stands in the tree, such as `/system.slice/faceguard.service`.
    """

    bytes: int
    limit_bytes: int
    group: str


def cpu_quota(root: Path = Path("/")) -> float | None:
    """How many cores' worth of time this process gets; None where nothing limits it."""
    quotas = []
    for folder in _own_groups(root, "cpu"):
        words = _words(folder / "cpu.max") or (
            _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        )
        # "max" in the second version and -1 in the first mean no limit.
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """The most memory that this process may take, in bytes; None where nothing limits it."""
    limits = []
    for folder in _own_groups(root, "memory"):
        words = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        if len(words) == 1 and words[0].isdigit():
            limits.append(int(words[0]))
    return min(limits, default=None)


def memory_room(root: Path = Path("/")) -> Room | None:
    """What the tightest control group above this process leaves; None where nothing limits it.

    Pages of files that the kernel can drop do not count as used; of those that were read twice
    only one half, as they are likely to be read again.
    """
    rooms = []
    for folder in _own_groups(root, "memory"):
        second = (folder / "memory.max").is_file()
        limits = [folder / "memory.max", folder / "memory.high"]
        if not second:
            limits = [folder / "memory.limit_in_bytes"]
        numbers = [int(word) for path in limits for word in _words(path) if word.isdigit()]
        used = _words(folder / ("memory.current" if second else "memory.usage_in_bytes"))
        if not numbers or not used:
            continue
        stat = _statistics(folder / "memory.stat")
        # The first version counts a group's own pages and those of the groups below apart.
        prefix = "" if second else "total_"
        inactive, active = (stat.get(f"{prefix}{kind}_file", 0) for kind in ("inactive", "active"))
        taken = int(used[0]) - inactive - active // 2 - stat.get("slab_reclaimable", 0)
        top = root / "sys/fs/cgroup"
        group = "/" + folder.relative_to(top).as_posix() if folder != top else "/"
        rooms.append(Room(max(0, min(numbers) - max(0, taken)), min(numbers), group))
    return min(rooms, key=lambda room: room.bytes, default=None)


def _statistics(path: Path) -> dict[str, int]:
    words = _words(path)
    return dict(zip(words[::2], map(int, words[1::2]), strict=False))


def _own_groups(root: Path, controller: str) -> Iterator[Path]:
    """This process's group and all above it: each of them may set a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    base = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            tops = [base, base / "unified"]
        elif controller in controllers.split(","):
            tops = [base / controllers, base / controller]
        else:
            continue
        # Seen from within a container a path may not exist, or begin with "..".
        parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
        for top in tops:
            for depth in range(len(parts), -1, -1):
                yield top.joinpath(*parts[:depth])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []
