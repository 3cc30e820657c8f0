"""What running processes cost, read from /proc: processor time by process and by thread, memory."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Thread:
    """One thread at one moment, since its start.

    Attributes:
        name: As the kernel has it, 15 bytes at most; threads of libraries have the name of the
            thread that started them, unless they give themselves one.
        cpu_s: Processor time.
        waited_s: How long it was ready to run and another had the processor; None where the kernel
            does not tell.
        wakes: How often it slept and was woken.
    """

    name: str
    cpu_s: float
    waited_s: float | None
    wakes: int


@dataclass(frozen=True)
class Process:
    """One process at one moment.

    Attributes:
        pid: Its number.
        name: As the kernel has it.
        cpu_s: Processor time since its start, of children that have ended too.
        rss_mb: Resident memory now, MiB.
        peak_mb: The most resident memory that it ever had, MiB.
        threads: By number.
    """

    pid: int
    name: str
    cpu_s: float
    rss_mb: float
    peak_mb: float
    threads: Mapping[int, Thread]


@dataclass(frozen=True)
class Spent:
    """What threads of one name took between two moments.

    Attributes:
        name: Theirs.
        threads: How many there are.
        cpu_s: Processor time of all of them.
        waited_s: How long they were ready and did not run; None where that is not known.
        wakes: How often they were woken.
    """

    name: str
    threads: int
    cpu_s: float
    waited_s: float | None
    wakes: int


def tree(pid: int) -> dict[int, Process]:
    """A process and all that descend from it, by number, the oldest first; those that run."""
    children = _children()
    found: dict[int, Process] = {}
    open_ends = [pid]
    while open_ends:
        number = open_ends.pop(0)
        process = one(number)
        if process is not None:
            found[number] = process
        open_ends += children.get(number, [])
    return found


def one(pid: int) -> Process | None:
    """A process; None where it has ended."""
    folder = _PROC / str(pid)
    try:
        name, fields = _stat(folder / "stat")
        memory = _status(folder / "status")
        threads = dict(_threads(folder / "task"))
    except OSError:
        return None
    if "VmHWM" not in memory:  # ended, and nobody has asked how
        return None
    # utime, stime, cutime, cstime: fields 14 to 17 of proc(5).
    cpu_s = sum(map(int, fields[11:15])) * _TICK_S
    rss_mb, peak_mb = (int(memory[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
    return Process(pid, name, cpu_s, rss_mb, peak_mb, threads)


def cpu_s(before: Mapping[int, Process], after: Mapping[int, Process]) -> float:
    """Processor time that a tree took between two moments."""
    return sum(
        process.cpu_s - (before[pid].cpu_s if pid in before else 0.0)
        for pid, process in after.items()
    )


def machine_cpu_s() -> float:
    """Processor time that all processes of this machine took since it started."""
    first = (_PROC / "stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, _idle, _waiting, irq, softirq = map(int, first.split()[1:8])
    return (user + nice + system + irq + softirq) * _TICK_S


def by_name(before: Process, after: Process) -> list[Spent]:
    """What a process's threads took between two moments, by name, the dearest first.

    Threads that ended in between are missing.
    """
    groups: dict[str, list[tuple[Thread, Thread | None]]] = defaultdict(list)
    for number, thread in after.threads.items():
        groups[thread.name].append((thread, before.threads.get(number)))
    spent = [_spent(name, pairs) for name, pairs in groups.items()]
    return sorted(spent, key=lambda one: -one.cpu_s)


def _spent(name: str, pairs: Iterable[tuple[Thread, Thread | None]]) -> Spent:
    cpu, waited, wakes, count = 0.0, 0.0, 0, 0
    knows = True
    for now, then in pairs:
        count += 1
        cpu += now.cpu_s - (then.cpu_s if then else 0.0)
        wakes += now.wakes - (then.wakes if then else 0)
        knows = knows and now.waited_s is not None
        waited += (now.waited_s or 0.0) - ((then.waited_s if then else None) or 0.0)
    return Spent(name, count, cpu, waited if knows else None, wakes)


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = defaultdict(list)
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                _, fields = _stat(folder / "stat")
                children[int(fields[1])].append(int(folder.name))
    return children


def _threads(folder: Path) -> Iterable[tuple[int, Thread]]:
    for task in folder.iterdir():
        with suppress(OSError):  # a thread that just ended
            name, fields = _stat(task / "stat")
            cpu, waited = _schedule(task / "schedstat")
            wakes = int(_status(task / "status").get("voluntary_ctxt_switches", "0"))
            ticks_s = sum(map(int, fields[11:13])) * _TICK_S
            yield int(task.name), Thread(name, ticks_s if cpu is None else cpu, waited, wakes)


def _schedule(path: Path) -> tuple[float | None, float | None]:
    """Seconds on a processor and waiting for one; None where the kernel does not tell."""
    try:
        on_ns, waiting_ns, _ = map(int, path.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None, None
    return (on_ns / 1e9, waiting_ns / 1e9) if on_ns else (None, None)


def _stat(path: Path) -> tuple[str, list[str]]:
    """Name, and the fields after it: state, parent, ... (proc(5)); names may hold anything."""
    head, _, rest = path.read_text(encoding="utf-8", errors="replace").rpartition(")")
    return head.partition("(")[2], rest.split()


def _status(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key: value.strip() for key, _, value in pairs}
