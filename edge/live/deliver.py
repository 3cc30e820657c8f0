"""The third room: every safe frame to every output, and what happens in it to those who listen."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from faceguard.edge.events import Event
from faceguard.edge.live.presence import Presence
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.edge.slot import Slot
from faceguard.edge.types import SafeFrame

_log = logging.getLogger(__name__)


class FrameSink(Protocol):
    """What takes safe frames without ever making anyone wait."""

    def offer(self, thing: SafeFrame) -> None:
        """Takes a frame."""
        ...


class Shown(NamedTuple):
    """A frame that became another picture after it was redacted.

    Attributes:
        frame: What those who show it get.
        source: What it was made of: its size is that of the cover, and of the camera.
    """

    frame: SafeFrame
    source: SafeFrame


class Deliver:
    """Takes safe frames and offers them round.

    Attributes:
        error: What ended the rooms before this one, where that was no proper end.
    """

    def __init__(
        self,
        safe: Slot[SafeFrame] | Slot[SafeFrame | Shown],
        sinks: Sequence[FrameSink],
        meters: Meters,
        quiet: Quiet,
        *,
        beat: Callable[[], None],
        on_event: Callable[[Event, SafeFrame | None], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Sets the room up; `start` lets it work.

        Args:
            safe: Where safe frames come from; the room ends with it.
            sinks: Where they go.
            meters: Where things are counted.
            quiet: Who logs.
            beat: Called after each frame that went out, slates too: the watchdog's food.
            on_event: Called with what happens to faces, and the frame in which it was seen, in the
                camera's size; None at the end, when all leave.
            on_end: Called after the last frame.
        """
        self._safe = safe
        self._sinks = tuple(sinks)
        self._meters = meters
        self._quiet = quiet
        self._beat = beat
        self._on_event = on_event
        self._on_end = on_end
        self._presence = Presence()
        self._is_over = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="deliver", daemon=True)

    def start(self) -> None:
        """Lets the thread begin."""
        self._thread.start()

    @property
    def covered(self) -> str | None:
        """Why frames are covered whole at the moment; None while masks cover."""
        return self._presence.covered

    @property
    def ended(self) -> bool:
        """Whether the last frame went out, and no more will come."""
        return self._is_over

    def join(self, timeout_s: float) -> bool:
        """Waits for the end; False where it hangs."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            for given in self._safe:
                begun_ns = time.monotonic_ns()
                safe, source = given if isinstance(given, Shown) else (given, given)
                for sink in self._sinks:
                    self._try("offer", sink.offer, safe)
                self._try("beat", self._beat)
                self._try("tell", self._tell, source)
                self._try("count", self._count, safe, begun_ns)
                # Or their memory would be held while we wait for the next.
                del given, safe, source
        except BaseException as error:  # noqa: BLE001 - whoever looks after the rooms raises it
            self.error = error
        finally:
            self._try("tell", self._all_leave)
            self._is_over = True
            self._on_end()

    def _try(self, what: str, work: Callable[..., None], *given: object) -> None:
        """Does one thing that must not keep the others from being done."""
        try:
            work(*given)
        except Exception as error:  # noqa: BLE001 - nobody's fault may end the room
            self._quiet.say(_log, logging.ERROR, f"deliver {what}", f"{what}: {told(error)}")

    def _tell(self, safe: SafeFrame) -> None:
        # With a slate all leave; it shows none of them.
        shown = safe if safe.session else None
        for event in self._presence.see(safe):
            self._on_event(event, shown)

    def _all_leave(self) -> None:
        self._meters.tracks_now.set(0)
        for event in self._presence.end():
            self._on_event(event, None)

    def _count(self, safe: SafeFrame, begun_ns: int) -> None:
        now_ns = time.monotonic_ns()
        self._meters.stage_s.labels("deliver").observe((now_ns - begun_ns) / 1e9)
        if safe.session == 0:  # a slate
            self._meters.tracks_now.set(0)
            return
        self._meters.frames_out.inc()
        self._meters.latency_s.observe((now_ns - safe.captured_ns) / 1e9)
        self._meters.tracks_now.set(len(safe.cover.masks))
        if safe.cover.whole is not None:
            self._meters.frames_whole.labels(safe.cover.whole).inc()
