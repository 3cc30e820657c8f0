"""What happens to a picture as it comes in: is it wanted, is it new, is there time for it?"""

from __future__ import annotations

import threading
from collections.abc import Callable

from faceguard.edge.budget import Budget
from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.live.allowance import Allowance
from faceguard.edge.live.connection import Connection, LeftBehind
from faceguard.edge.live.health import Flow
from faceguard.edge.live.timeline import Timeline
from faceguard.edge.meters import Meters
from faceguard.edge.slot import Closed, Slot
from faceguard.edge.types import Frame

_LOOK_AGAIN_S = 0.2


class Intake:
    """Makes frames of the current connection's pictures, and gives them to the slot.

    Attributes:
        changed: Guards all of this; told of a connection's first picture and of the end.
        current: The connection whose pictures are wanted, or None. Those of any other are refused,
            so that nothing old can come after something new.
        flow: How the current connection's frames come.
        session: Number of the newest connection that gave a picture.
        is_over: Whether nothing is wanted any more.
    """

    def __init__(
        self,
        slot: Slot[Frame],
        meters: Meters,
        budget: Callable[[], Budget],
        clock_ns: Callable[[], int],
        epoch_ns: int,
    ) -> None:
        """Sets up; see `Capture` for what things are."""
        self.changed = threading.Condition()
        self.current: Connection | None = None
        self.flow = Flow(None)
        self.session = 0
        self.is_over = False
        self._slot = slot
        self._meters = meters
        self._budget = budget
        self._clock_ns = clock_ns
        self._timeline = Timeline(epoch_ns)
        self._allowance = Allowance()

    def begin(self, connection: Connection) -> bool:
        """From now on this connection's pictures are wanted, and it is let loose.

        Returns:
            Whether that is so; nothing is wanted after the end.
        """
        with self.changed:
            if self.is_over:
                return False
            self.current = connection
            self.flow = Flow(None)
            self._timeline.begin()
            # In here, so that whoever ends all this finds a connection that has begun.
            connection.start()
            return True

    def refuse(self) -> Connection | None:
        """From now on no connection's pictures are wanted; gives the last one's back."""
        with self.changed:
            connection, self.current = self.current, None
            self.changed.notify_all()
            return connection

    def end(self) -> Connection | None:
        """As `refuse`, and for ever."""
        with self.changed:
            self.is_over = True
            return self.refuse()

    def deliver(self, connection: Connection, info: CameraInfo, shot: Shot) -> None:
        """Takes a picture from a connection, in its thread.

        Raises:
            LeftBehind: This connection's pictures are not wanted.
            Closed: Nobody takes frames any more.
        """
        budget = self._budget()
        with self.changed:
            if connection is not self.current:
                raise LeftBehind
            frame = self._new_frame(connection, info, shot)
            if frame is None:
                return
            if info.live:
                # Never waits, so it may stay in here: nobody can leave the connection meanwhile.
                self._offer(frame, budget)
                return
            connection.is_waiting = True
        try:
            self._wait_for_budget(connection)
            self._slot.put(frame)
        except Closed:
            self._nobody_takes()
            raise
        finally:
            with self.changed:
                connection.is_waiting = False
                connection.newest_ns = self._clock_ns()

    def _new_frame(self, connection: Connection, info: CameraInfo, shot: Shot) -> Frame | None:
        """Counts a picture and makes a frame of it; None for one that came before."""
        now_ns = self._clock_ns()
        is_first = connection.first_ns is None
        if is_first:
            self._greet(connection, info, now_ns)
        self._meters.frames_in.inc()
        self._meters.camera_damaged.inc(max(0, shot.damaged))
        frame = self._timeline.frame(shot, self.session, now_ns, live=info.live)
        mark, before = shot.source_ns, connection.source_ns
        connection.source_ns = mark
        if info.live and mark is not None and mark == before:
            # A frozen sensor or driver that hands out its last picture for ever.
            self._meters.frames_dropped.labels("repeated").inc()
            return None
        connection.newest_ns = now_ns
        self.flow.beat(now_ns, max(0, shot.damaged))
        return frame

    def _greet(self, connection: Connection, info: CameraInfo, now_ns: int) -> None:
        connection.first_ns = connection.newest_ns = now_ns
        self.flow = Flow(float(info.rate) if info.rate else None)
        self.session += 1
        if self.session > 1:
            self._meters.camera_reconnects.inc()
        self.changed.notify_all()

    def _offer(self, frame: Frame, budget: Budget) -> None:
        """Gives a live camera's frame on, or drops one."""
        cause: str | None = None
        if budget.paused:
            cause = "paused"
        elif self._allowance.wait_s(frame.captured_ns, budget.frames_per_s) > 0:
            cause = "budget"
        else:
            try:
                cause = None if self._slot.offer(frame) is None else "busy"
            except Closed:
                self._nobody_takes()
                raise
        if cause is not None:
            self._meters.frames_dropped.labels(cause).inc()

    def _wait_for_budget(self, connection: Connection) -> None:
        """Holds a file up for as long as the budget says: nothing of it is lost."""
        while True:
            budget = self._budget()
            with self.changed:
                if connection is not self.current:
                    raise LeftBehind
                wait_s = _LOOK_AGAIN_S
                if not budget.paused:
                    wait_s = self._allowance.wait_s(self._clock_ns(), budget.frames_per_s)
                if wait_s <= 0:
                    return
                self.changed.wait_for(
                    lambda: connection is not self.current, min(wait_s, _LOOK_AGAIN_S)
                )

    def _nobody_takes(self) -> None:
        self._meters.frames_dropped.labels("closing").inc()
        with self.changed:
            self.is_over = True
            self.changed.notify_all()
