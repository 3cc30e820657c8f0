"""An output that keeps what it takes and fails on order, in whatever it does."""

from __future__ import annotations

import errno
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar

from faceguard.edge.meters import Meters
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import SafeFrame
from faceguard.engines.errors import OutputError
from tests.edge.live.faults import Hanging, Script, copied

T = TypeVar("T")


class OutputFault(Enum):
    """What an output does instead of taking what it is given."""

    NONE = "none"
    FULL = "no space left"
    BROKEN = "the device failed"
    REFUSED = "OutputError"
    RUNTIME = "runtime error"
    MEMORY = "out of memory"
    HANG = "hangs until it is released"


_REFUSES: dict[OutputFault, Callable[[], BaseException]] = {
    OutputFault.FULL: lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OutputFault.BROKEN: lambda: OSError(errno.EIO, os.strerror(errno.EIO)),
    OutputFault.REFUSED: lambda: OutputError("broken on purpose"),
    OutputFault.RUNTIME: lambda: RuntimeError("broken on purpose"),
    OutputFault.MEMORY: MemoryError,
}


class FaultyOutput(Worker[T]):
    """An output that keeps what it takes, with faults; for safe frames or packets.

    Attributes:
        taken: What it took, newest last: pictures as copies, since their memory is used again.
        happened: How often each fault happened, wherever.
    """

    def __init__(
        self,
        meters: Meters,
        quiet: Quiet,
        *,
        name: str = "faulty",
        taking: Iterable[OutputFault] = (),
        opening: Iterable[OutputFault] = (),
        ticking: Iterable[OutputFault] = (),
        shutting: Iterable[OutputFault] = (),
        hanging: Hanging | None = None,
        keep: int = 10_000,
        capacity: int = 4,
        wait: bool = False,
    ) -> None:
        super().__init__(name, meters, quiet, capacity=capacity, wait=wait)
        self.hanging = hanging or Hanging()
        self.taken: deque[Any] = deque(maxlen=keep)
        self.happened: Counter[OutputFault] = Counter()
        well = OutputFault.NONE
        self._taking, self._opening = Script(taking, well), Script(opening, well)
        self._ticking, self._shutting = Script(ticking, well), Script(shutting, well)

    def open_up(self) -> None:
        self._fail(self._opening)

    def take(self, thing: T) -> None:
        self._fail(self._taking)
        self.taken.append(copied(thing.image) if isinstance(thing, SafeFrame) else thing)

    def tick(self) -> None:
        self._fail(self._ticking)

    def shut(self, *, broken: bool) -> None:
        self._fail(self._shutting)

    def _fail(self, script: Script[OutputFault]) -> None:
        fault = script.next()
        self.happened[fault] += 1
        if fault is OutputFault.HANG:
            self.hanging.wait()
        refuses = _REFUSES.get(fault)
        if refuses is not None:
            raise refuses()
