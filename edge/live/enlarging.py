"""The room between process and deliver that enlarges video; detecting never waits for it."""

from __future__ import annotations

import logging
import threading
import time

from faceguard.edge.live.deliver import Shown
from faceguard.edge.live.enlarger import SHARP, Enlarger, say_slow
from faceguard.edge.live.pace import Pace
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.edge.slot import Closed, Slot
from faceguard.edge.types import SafeFrame
from faceguard.engines.closing import Closing

# A frame of a camera may take this long to be sharpened, or as long as it is shown.
_LIVE_LIMIT_S = 0.5
# Nothing hurries a file, but systemd wants to see frames go out.
_FILE_LIMIT_S = 10.0
# Frames that may wait here: all that look-ahead lets go at once, and some more.
_LEAST_WAITING, _MOST_WAITING = 4, 32
# In work, in the model's own hands after it was given up, and with whoever delivers.
_IN_HANDS = 4
# Less may be a hiccup, and at the start it often is.
_TOO_SLOW_RESTS = 3
_log = logging.getLogger(__name__)


class Newest(Slot[SafeFrame]):
    """A slot that whoever gives never waits for: the oldest makes room, and is counted."""

    def __init__(self, capacity: int, meters: Meters) -> None:
        """Makes an empty one.

        Args:
            capacity: Frames that may wait.
            meters: Where what was dropped is counted.
        """
        super().__init__(capacity)
        self._meters = meters

    def put(self, thing: SafeFrame) -> None:
        """Gives one frame without waiting.

        Raises:
            Closed: Nobody takes any more.
        """
        dropped = self.offer(thing)
        if dropped is not None and dropped.session:  # slates are no frames
            self._meters.frames_dropped.labels("upscale").inc()


class Enlarging(Closing):
    """Takes safe frames, gives them enlarged, in their order and with their times.

    Slates pass as they are: they are drawn in the size that frames will have.

    Attributes:
        safe: Where frames come in.
        holds: The most of them that are in here at a time.
    """

    def __init__(
        self,
        out: Slot[SafeFrame | Shown],
        enlarger: Enlarger,
        meters: Meters,
        quiet: Quiet,
        *,
        look_ahead: int,
        is_patient: bool = False,
    ) -> None:
        """Sets the room up; `start` lets it work.

        Args:
            out: Where they go; ends when `safe` ends.
            enlarger: Who enlarges; closed by its owner.
            meters: Where things are counted.
            quiet: Who logs.
            look_ahead: Frames that may come at once, when a connection ends.
            is_patient: Whether every frame is waited for, as with files.
        """
        capacity = min(_LEAST_WAITING + look_ahead, _MOST_WAITING)
        self.safe: Slot[SafeFrame] = Slot(2) if is_patient else Newest(capacity, meters)
        self.holds = capacity + _IN_HANDS
        self._out = out
        self._enlarger = enlarger
        self._meters = meters
        self._quiet = quiet
        self._is_patient = is_patient
        self._pace = Pace()
        self._thread = threading.Thread(target=self._work, name="upscale", daemon=True)

    def start(self) -> None:
        """Lets the thread begin."""
        self._thread.start()

    def hurry(self) -> None:
        """It ends soon: what is still to come is enlarged plainly; from any thread."""
        self._enlarger.hurry()

    def join(self, timeout_s: float) -> bool:
        """Waits for the end; False where it hangs."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Leaves it behind where it hangs; whoever takes from it gets what is there."""
        self.safe.abandon()
        self._out.close()

    def close(self, timeout_s: float = 1.0) -> None:
        """Ends the room: what waits in it is dropped.

        Args:
            timeout_s: The longest that this takes.
        """
        self.hurry()
        self.safe.abandon()
        self._out.abandon()
        self.join(timeout_s)

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for safe in self.safe:
                shown = self._tried(safe)
                if shown is not None:
                    self._out.put(shown)
                del safe, shown  # or their memory would be held while we wait for the next
        except Closed:
            pass
        except BaseException as problem:  # noqa: BLE001 - those who deliver must be told of the end
            error = problem
        self.safe.abandon()
        self._out.close(error)

    def _tried(self, safe: SafeFrame) -> SafeFrame | Shown | None:
        if not safe.session:
            return safe
        begun_ns = time.monotonic_ns()
        try:
            shown = Shown(self._enlarged(safe, begun_ns), safe)
        except Exception as error:  # noqa: BLE001 - a frame that cannot be enlarged is not shown
            message = f"a frame was dropped: {told(error)}"
            self._quiet.say(_log, logging.ERROR, "upscale frame", message)
            self._meters.frames_dropped.labels("upscale").inc()
            return None
        took_s = (time.monotonic_ns() - begun_ns) / 1e9
        self._meters.stage_s.labels("upscale").observe(took_s)
        return shown

    def _enlarged(self, safe: SafeFrame, now_ns: int) -> SafeFrame:
        """The frame, sharpened if that keeps nobody waiting."""
        if self._is_patient:
            return self._enlarger(safe, _FILE_LIMIT_S)
        rests = self._pace.rests
        is_late = not self._pace.may_sharpen(now_ns, len(self.safe))
        shown_s = float(safe.duration * safe.time_base)
        limit_s = min(max(_LIVE_LIMIT_S, shown_s), _FILE_LIMIT_S)
        shown = self._enlarger(safe, limit_s, "late" if is_late else None)
        if self._enlarger.how == SHARP:
            self._pace.in_time()
        elif self._enlarger.how == "slow":
            self._pace.too_late(time.monotonic_ns())
        if self._pace.rests >= max(_TOO_SLOW_RESTS, rests + 1):
            say_slow(self._quiet, self._enlarger)
        return shown
