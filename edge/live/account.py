"""What is told of a camera, to whom: its health, figures, events, and the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from faceguard.edge.cameras.base import CameraInfo
from faceguard.edge.events import Event, Value
from faceguard.edge.live.connection import Ending, said
from faceguard.edge.live.health import Health, State
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet

_CAUSES = ("absent", "unfit", "lost", "silent", "frozen", "corrupt", "failed")
_log = logging.getLogger(__name__)


class Account:
    """Keeps the account of one camera; written by the supervisor's thread alone.

    Attributes:
        health: How the camera is; may be read from any thread.
    """

    def __init__(
        self,
        meters: Meters,
        quiet: Quiet,
        on_event: Callable[[Event], None],
        clock_ns: Callable[[], int],
    ) -> None:
        """Begins with a camera that is being opened; see `Capture` for what things are."""
        self.health = Health(State.OPENING, clock_ns())
        self._meters = meters
        self._quiet = quiet
        self._on_event = on_event
        self._clock_ns = clock_ns

    def gives(
        self,
        session: int,
        info: CameraInfo | None,
        rate: float | None,
        expected: float | None,
        trouble: str | None,
    ) -> None:
        """Frames come.

        Args:
            session: Number of the connection.
            info: What the camera says of itself.
            rate: Frames per second that come; None where that is not known yet.
            expected: Frames per second that should come, as far as that is known.
            trouble: "slow", "corrupt" or None.
        """
        if rate is not None:
            self._meters.camera_rate.set(rate)
        before = self.health
        state = State.UP if trouble is None else State.SLOW
        self._become(state, cause=trouble, session=session, rate=rate, info=info)
        if not before.gives_frames:
            self._came_up(session, info)
        if trouble is not None and trouble != before.cause:
            self._tell("camera-slow", reason=trouble, rate=rate, expected=expected)
            self.say(logging.WARNING, trouble, _slow(trouble, rate, expected))
        elif trouble is None and before.state is State.SLOW:
            self._tell("camera-up", session=session, after=before.cause)

    def has_proven_good(self) -> None:
        """It has been good for a while: what was is forgotten, and would be news again."""
        self.health = replace(self.health, failures=0)
        for cause in ("up", *_CAUSES):
            self._quiet.over(f"camera {cause}")

    def failed(self, ending: Ending, pause_s: float | None) -> None:
        """A connection came to its end.

        Args:
            ending: How.
            pause_s: When it will be tried again; None for never, and then whoever ends says so.
        """
        cause, before = ending.cause or "failed", self.health
        self._meters.camera_failures.labels(cause).inc()
        self._nothing_comes()
        self._become(State.LOST, cause=cause, rate=None, failures=before.failures + 1)
        # Once a cause, and not once a try.
        if before.state is not State.LOST or before.cause != cause:
            self._tell("camera-down", cause=cause)
        if pause_s is None:
            return
        text = f"no frames ({cause}): {ending.says}; trying again in {pause_s:.1f} s"
        self.say(logging.WARNING, cause, text)

    def ended(self) -> None:
        """Nothing will come any more."""
        self._nothing_comes()
        self._become(State.ENDED, cause=None, rate=None)

    def say(self, level: int, key: str, text: str, *, anew: bool = False) -> None:
        """Logs a line about the camera.

        Args:
            level: Of `logging`.
            key: Lines with the same one are alike, and held back for a while.
            text: One line.
            anew: Whether it is news, even if its like was said a short while ago.
        """
        if anew:
            self._quiet.over(f"camera {key}")
        self._quiet.say(_log, level, f"camera {key}", f"camera: {text}")

    def _came_up(self, session: int, info: CameraInfo | None) -> None:
        self._meters.camera_up.set(1)
        fields: dict[str, Value] = {"session": session}
        text = "frames come"
        if info is not None:
            fields |= {"width": info.width, "height": info.height, "live": info.live}
            rate = f", {float(info.rate):g} per second" if info.rate else ""
            notes = "".join(f"; {note}" for note in info.notes)
            text = f"frames come: {info.width}x{info.height} {info.format}{rate}{notes}"
        self._tell("camera-up", **fields)
        self.say(logging.INFO, "up", text)

    def _nothing_comes(self) -> None:
        self._meters.camera_up.set(0)
        self._meters.camera_rate.set(0)

    def _become(
        self,
        state: State,
        *,
        cause: str | None,
        rate: float | None,
        session: int | None = None,
        info: CameraInfo | None = None,
        failures: int | None = None,
    ) -> None:
        before = self.health
        self.health = Health(
            state,
            before.since_ns if before.state is state else self._clock_ns(),
            cause,
            before.session if session is None else session,
            rate,
            before.failures if failures is None else failures,
            info or before.info,
        )

    def _tell(self, kind: str, **fields: Value) -> None:
        try:
            self._on_event(Event(kind, fields, at_ns=self._clock_ns()))
        except Exception as error:  # noqa: BLE001 - a listener's fault is no fault of the camera
            self.say(logging.ERROR, "event", f"nobody was told of {kind}: {said(error)}")


def _slow(trouble: str, rate: float | None, expected: float | None) -> str:
    if trouble == "corrupt":
        return "more than half of the last pictures could not be decoded; look at cable and network"
    return f"only {rate or 0:.1f} of {expected or 0:.1f} frames per second come"
