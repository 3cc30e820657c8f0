"""The first room: keeps a camera going, and hands over its frames.

Each connection has a thread of its own (`faceguard.edge.live.connection`). The supervisor's thread
never touches a camera: it watches the age of the newest frame, leaves behind what hangs, and opens
anew after a pause that grows.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from faceguard.edge.budget import Budget
from faceguard.edge.cameras.base import Camera
from faceguard.edge.cameras.timely import left_behind
from faceguard.edge.config.camera import Supervision
from faceguard.edge.events import Event
from faceguard.edge.live.account import Account
from faceguard.edge.live.argus import ArgusRestarter
from faceguard.edge.live.backoff import Backoff
from faceguard.edge.live.connection import Connection, Ending, said
from faceguard.edge.live.health import Health
from faceguard.edge.live.intake import Intake
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.slot import Slot
from faceguard.edge.types import Frame
from faceguard.engines.closing import Closing
from faceguard.engines.errors import CameraError

# Threads that hang in a driver or library, each with its memory, that may be left behind at a
# time: readers, and what cameras themselves have left behind.
MOST_LEFT_BEHIND = 3
_TICK_S = 0.2
_LET_GO_S = 2.0
_GOOD_AFTER_NS = 10_000_000_000
_ARGUS_AFTER = 2
_ARGUS_CAUSES = ("silent", "frozen", "absent")


class Capture(Closing):
    """A camera that is opened again whenever it breaks, and the slot that its frames go to."""

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        settings: Callable[[], Supervision],
        slot: Slot[Frame],
        meters: Meters,
        quiet: Quiet,
        *,
        epoch_ns: int,
        budget: Callable[[], Budget],
        on_event: Callable[[Event], None],
        argus: ArgusRestarter | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        jitter: random.Random | None = None,
    ) -> None:
        """Sets the room up; `start` lets it work.

        Args:
            open_camera: Opens the camera; called in a new thread for each try.
            settings: When it counts as lost; read anew each time, since it may change.
            slot: Where frames go; closed at the end of a file and by `close`, and with a
                `CameraError` where a file fails that would only begin anew.
            meters: Where things are counted.
            quiet: Who logs.
            epoch_ns: Monotonic nanoseconds at which the outputs' time line begins.
            budget: How many frames may be taken in.
            on_event: Called in the supervisor's thread with "camera-up", "camera-down" and
                "camera-slow".
            argus: Restarts nvargus-daemon; give it for CSI cameras only.
            clock_ns: Monotonic nanoseconds; for tests.
            jitter: Where the chance in pauses comes from; for tests.
        """
        self._open_camera = open_camera
        self._settings = settings
        self._slot = slot
        self._meters = meters
        self._quiet = quiet
        self._argus = argus
        self._clock_ns = clock_ns
        self._intake = Intake(slot, meters, budget, clock_ns, epoch_ns)
        self._changed = self._intake.changed
        self._backoff = Backoff(jitter)
        self._connection: Connection | None = None
        self._left: list[Connection] = []
        self._hangs = 0
        self._stuck_since_s: float | None = None
        self._is_proven = False
        self._account = Account(meters, quiet, on_event, clock_ns)
        self._thread = threading.Thread(target=self._work, name="camera", daemon=True)

    def start(self) -> None:
        """Lets it begin."""
        self._thread.start()

    @property
    def health(self) -> Health:
        """How the camera is now; safe from any thread."""
        return self._account.health

    @property
    def stuck_s(self) -> float:
        """For how long so much has hung that the camera is not opened any more; else 0."""
        since_s = self._stuck_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def close(self, timeout_s: float = 1.0) -> None:
        """Ends it, however the camera hangs.

        Args:
            timeout_s: The longest that this takes; a reader that hangs beyond it is left behind.
        """
        until_s = time.monotonic() + timeout_s
        self._intake.end()
        self._slot.close()
        if self._argus is not None:
            self._argus.cancel()
        connection = self._connection
        if connection is not None:
            # A healthy one ends by itself with its next picture, which is better for the camera.
            connection.leave()
            if not connection.join(timeout_s / 4):
                connection.abandon()
                connection.join(timeout_s / 4)
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, until_s - time.monotonic()))

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            error = self._supervise()
        except BaseException as problem:  # noqa: BLE001 - whoever takes frames must hear of the end
            error = problem
            self._account.say(logging.CRITICAL, "end", f"supervision ended: {said(problem)}")
        connection = self._intake.refuse()
        if connection is not None:
            connection.abandon()
        self._account.ended()
        self._slot.close(error)

    def _supervise(self) -> CameraError | None:
        """Keeps it going to its end; gives back what makes going on of no use."""
        while self._wait_for_room():
            connection = Connection(
                self._open_camera,
                self._intake.deliver,
                self._changed,
                self._quiet,
                self._clock_ns(),
            )
            self._is_proven = False
            self._connection = connection
            if not self._intake.begin(connection):
                return None
            ending = self._watch(connection)
            if ending is None or ending.cause is None:
                return None
            if self._is_final(connection, ending):
                self._account.failed(ending, None)
                return ending.as_error()
            pause_s = self._failed(ending)
            with self._changed:
                self._changed.wait_for(lambda: self._intake.is_over, pause_s)
            self._see_off(connection)
        return None

    def _is_final(self, connection: Connection, ending: Ending) -> bool:
        """Whether trying again is of no use, or would show again what was shown."""
        info = connection.info
        if info is not None:
            return not info.again
        return ending.is_final and not self._intake.session

    def _watch(self, connection: Connection) -> Ending | None:
        """Stays with a connection until it ends or must be left behind.

        Returns:
            How it ended; None where nothing more is wanted.
        """
        while True:
            settings = self._settings()
            with self._changed:
                if self._intake.is_over:
                    return None
                now_ns = self._clock_ns()
                has_come = connection.first_ns is not None
                left_s, late = connection.patience(settings, now_ns)
                ending = connection.ending or (late if left_s <= 0 else None)
                if ending is not None:
                    # From here on whatever it gives is refused.
                    self._intake.refuse()
            if has_come:
                self._look(connection, settings, now_ns)
            if ending is late:
                connection.abandon()
            if ending is not None:
                return ending
            self._wait_for_news(connection, min(left_s, _TICK_S), has_come=has_come)

    def _wait_for_news(self, connection: Connection, wait_s: float, *, has_come: bool) -> None:
        def is_news() -> bool:
            if self._intake.is_over or connection.ending is not None:
                return True
            return not has_come and connection.first_ns is not None

        with self._changed:
            self._changed.wait_for(is_news, wait_s)

    def _look(self, connection: Connection, settings: Supervision, now_ns: int) -> None:
        """Takes note of how the frames of a connection come."""
        info, first_ns = connection.info, connection.first_ns
        live = info is not None and info.live
        with self._changed:
            session, flow = self._intake.session, self._intake.flow
            rate = flow.rate(now_ns)
            trouble = flow.trouble(now_ns, settings.slow_below if live else None)
            expected = flow.own_rate
        self._account.gives(session, info, rate, expected, trouble)
        good_ns = 0 if first_ns is None or trouble else now_ns - first_ns
        if not self._is_proven and good_ns >= _GOOD_AFTER_NS:
            self._is_proven = True
            self._backoff.reset()
            self._hangs = 0
            self._account.has_proven_good()

    def _failed(self, ending: Ending) -> float:
        """Takes note of a failure; the pause in seconds before the next try."""
        settings = self._settings()
        pause_s = self._backoff.next_s(settings.retry_first_s, settings.retry_longest_s)
        self._account.failed(ending, pause_s)
        self._hangs = self._hangs + 1 if ending.cause in _ARGUS_CAUSES else 0
        if settings.restart_argus and self._hangs >= _ARGUS_AFTER:
            self._hangs = 0
            self._restart_argus()
        return pause_s

    def _restart_argus(self) -> None:
        if self._argus is None:
            return
        attempt = self._argus.restart()
        if attempt.restarted:
            self._meters.argus_restarts.inc()
            self._account.say(logging.WARNING, "argus", "nvargus-daemon was restarted, as it hung")
        elif attempt.says:
            self._account.say(logging.ERROR, "argus", attempt.says, anew=True)

    def _see_off(self, connection: Connection) -> None:
        """Gives a connection that ended time to let the camera go, before it is opened anew."""
        with self._changed:
            if connection.ending is not None:
                self._changed.wait_for(
                    lambda: self._intake.is_over or connection.is_gone, _LET_GO_S
                )
            if not connection.is_gone:
                self._left.append(connection)

    def _wait_for_room(self) -> bool:
        """Waits while too much hangs; False where nothing more is wanted."""

        def has_room() -> bool:
            self._left = [one for one in self._left if not one.is_gone]
            hanging = len(self._left) + left_behind()
            return self._intake.is_over or hanging < MOST_LEFT_BEHIND

        with self._changed:
            if has_room():
                return not self._intake.is_over
        self._account.say(
            logging.ERROR,
            "left behind",
            f"{MOST_LEFT_BEHIND} connections hang in the camera's driver; it is not opened again "
            "until one of them ends: unplug and plug in the camera, or restart the service",
            anew=True,
        )
        self._stuck_since_s = time.monotonic()
        with self._changed:
            # Nobody is told when what a camera left behind ends.
            while not self._changed.wait_for(has_room, _TICK_S):
                pass
        self._stuck_since_s = None
        return not self._intake.is_over
