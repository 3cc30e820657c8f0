"""What control groups, and so containers and services, leave of the machine (cgroups 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath


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
