"""Reads every sensor of the machine, again and again, without ever waiting for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from faceguard.edge.heat.reading import Survey
from faceguard.edge.heat.sensing.panel import Panel
from faceguard.engines.closing import Closing

_PERIOD_S = 1.0
_LIMIT_S = 0.5
_END_S = 0.5
_LET_GO_S = 3.0


class Sensors(Closing):
    """Reads once a second in threads of its own: a read may hang and nobody waits for it.

    A sensor that takes longer than half a second is `slow`, and is left out until its read comes
    back; each such sensor keeps one thread.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        period_s: float = _PERIOD_S,
        nvml: bool | None = None,
    ) -> None:
        """Sets up; `start` lets it read.

        Args:
            root: Where `sys`, `etc` and `var` are.
            clock_ns: Monotonic nanoseconds, by which values grow old; for tests.
            period_s: From one look to the next.
            nvml: Whether discrete GPUs are asked; None where the root is the machine's own.
        """
        self._end = threading.Event()
        self._period_s = period_s
        self._panel = Panel(root, self._end, clock_ns, nvml=_asks_gpus(root, nvml))
        self._thread = threading.Thread(target=self._work, name="sensors", daemon=True)

    def start(self) -> None:
        """Lets it begin."""
        self._thread.start()

    @property
    def latest(self) -> Survey:
        """What is known now; what is older than 3 s has no value and the reason "old".

        Empty before the first look is done, which takes some milliseconds; that says nothing of
        whether the machine has sensors. Where looks fail, that is the reason in place of "old".
        """
        return self._panel.survey()

    def close(self) -> None:
        """Ends its threads; one that hangs in a read is left behind and dies with the process."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(_LET_GO_S)

    def _work(self) -> None:
        while not self._end.is_set():
            begun_s = time.monotonic()
            try:
                self._panel.look(_LIMIT_S)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
                self._panel.fail(error)
            self._end.wait(max(0.0, self._period_s - (time.monotonic() - begun_s)))
        self._panel.end(_END_S)


def read_once(root: Path = Path("/"), limit_s: float = 1.0, *, nvml: bool | None = None) -> Survey:
    """Everything, now.

    Args:
        root: Where `sys`, `etc` and `var` are.
        limit_s: How long it may take, about; what takes longer is `slow`. A GPU's driver that was
            asleep takes some seconds.
        nvml: Whether discrete GPUs are asked; None where the root is the machine's own.
    """
    panel = Panel(root, threading.Event(), time.monotonic_ns, nvml=_asks_gpus(root, nvml))
    panel.look(limit_s / 2, at_once=True)
    survey = panel.survey()
    panel.end(limit_s / 4)
    return survey


def _asks_gpus(root: Path, nvml: bool | None) -> bool:
    return root == Path("/") if nvml is None else nvml
