"""All outputs of a configuration: made, started, fed with events, and ended in their order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from faceguard.edge.config.model import Config
from faceguard.edge.config.part import Part
from faceguard.edge.config.secret import read_password
from faceguard.edge.events import Event
from faceguard.edge.live.deliver import FrameSink
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.encoder import Encoder
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import SafeFrame
from faceguard.engines.closing import Closing

if TYPE_CHECKING:
    from faceguard.edge.outputs.snapshots import Enlarge

P = TypeVar("P", bound=Part)
# Longer than a server takes to come up.
_STUCK_S = 45.0
# Frames that may wait for the encoder; each is memory that is taken once.
_LEAST_WAITING, _MOST_WAITING = 4, 32
# What the rooms themselves may hold of redacted copies, besides the outputs.
_IN_ROOMS = 6
# To end in, where all the time was used up before.
_LEAST_S = 0.1


class Outputs(Closing):
    """The outputs of one camera; what the configuration leaves out is never loaded."""

    def __init__(
        self,
        config: Callable[[], Config],
        meters: Meters,
        quiet: Quiet,
        *,
        rate: Callable[[], float | None],
        on_event: Callable[[Event], None],
        wait: bool,
        enlarge_snapshots: Enlarge | None = None,
    ) -> None:
        """Makes them; `start` lets them work.

        Args:
            config: The configuration as it is now; it may change while they run.
            meters: Where things are counted.
            quiet: Who logs.
            rate: Frames per second that the camera means to give.
            on_event: Takes what the outputs have to tell.
            wait: Whether encoder and recordings wait rather than drop, for files.
            enlarge_snapshots: What is done to them, where that is asked for.

        Raises:
            FaceguardError: A package is missing, or a password file cannot be read.
        """
        asked = config().outputs
        self._config = config
        self._frame_sinks: list[Worker[SafeFrame]] = []
        self._packet_sinks: list[Worker[Any]] = []
        self._events: Worker[Event] | None = None
        self._snapshots: Worker[tuple[SafeFrame, Event]] | None = None
        self.encoder: Encoder | None = None
        self._is_finished = False
        name = config().name
        if asked.recordings is not None or asked.rtsp is not None:
            waiting = max(config().tracking.look_ahead, config().detector.every)
            self.encoder = Encoder(
                config().encoder,
                meters,
                quiet,
                rate=rate,
                capacity=min(_LEAST_WAITING + waiting, _MOST_WAITING),
                wait=wait,
            )
            self._frame_sinks.append(self.encoder)
        if asked.recordings is not None and self.encoder is not None:
            from faceguard.edge.outputs.recordings import Recordings

            recordings = Recordings(
                lambda: _kept(config().outputs.recordings),
                name,
                meters,
                quiet,
                on_event=on_event,
                request_keyframe=self.encoder.request_keyframe,
                wait=wait,
            )
            self._packet_sinks.append(recordings)
        if asked.rtsp is not None and self.encoder is not None:
            from faceguard.edge.outputs.rtsp import RtspServer

            server = RtspServer(
                asked.rtsp,
                name,
                read_password(asked.rtsp),
                meters,
                quiet,
                request_keyframe=self.encoder.request_keyframe,
            )
            self._packet_sinks.append(server)
        if asked.mjpeg is not None:
            from faceguard.edge.outputs.mjpeg import Mjpeg

            pages = Mjpeg(
                lambda: _kept(config().outputs.mjpeg),
                name,
                read_password(asked.mjpeg),
                meters,
                quiet,
            )
            self._frame_sinks.append(pages)
        if asked.snapshots is not None:
            from faceguard.edge.outputs.snapshots import Snapshots

            self._snapshots = Snapshots(
                lambda: _kept(config().outputs.snapshots),
                name,
                meters,
                quiet,
                enlarge_snapshots,
            )
        if asked.events is not None:
            from faceguard.edge.outputs.events import EventsLog

            self._events = EventsLog(asked.events, name, meters, quiet)
        for sink in self._packet_sinks:
            if self.encoder is not None:
                self.encoder.add_sink(sink)

    @property
    def frame_sinks(self) -> tuple[FrameSink, ...]:
        """What every safe frame is offered to."""
        return tuple(self._frame_sinks)

    @property
    def names(self) -> list[str]:
        """The outputs that there are."""
        return [worker.name for worker in self._all()]

    @property
    def stuck(self) -> list[str]:
        """The outputs that hang in what they do, and take nothing meanwhile."""
        return [worker.name for worker in self._all() if worker.stuck_s > _STUCK_S]

    @property
    def is_dead(self) -> bool:
        """Whether there are outputs for pictures, and every one of them hangs."""
        hanging = set(self.stuck)
        if self.encoder is not None and self.encoder.name in hanging:
            hanging |= {worker.name for worker in self._packet_sinks}
        ends = [w for w in (*self._frame_sinks, *self._packet_sinks) if w is not self.encoder]
        return bool(ends) and all(worker.name in hanging for worker in ends)

    @property
    def copies(self) -> int:
        """How many redacted copies may be in use at a time, at the most."""
        holding = sum(worker.holds for worker in self._frame_sinks) + _IN_ROOMS
        return holding + (self._snapshots.holds if self._snapshots is not None else 0)

    def start(self) -> None:
        """Lets them work."""
        for worker in self._all():
            worker.start()

    def tell(self, event: Event, safe: SafeFrame | None = None) -> None:
        """Tells those that listen of an event, and of the frame that it was seen in."""
        if self._events is not None:
            self._events.offer(event)
        if self._snapshots is not None and safe is not None:
            self._snapshots.offer((safe, event))

    def finish(self, until_s: float) -> list[str]:
        """Ends them, those that feed others first; one that hangs takes no time from the others.

        Args:
            until_s: When to leave behind what hangs, monotonic seconds.

        Returns:
            The outputs that hang.
        """
        first = [self.encoder] if self.encoder is not None else []
        last = [self._events] if self._events is not None else []
        rest = [worker for worker in self._all() if worker not in (*first, *last)]
        self._is_finished = True
        hanging: list[str] = []
        for group, part in ((first, 0.4), (rest, 0.8), (last, 1.0)):
            for worker in group:
                worker.finish()
            left_s = until_s - time.monotonic()
            group_until_s = time.monotonic() + max(left_s * part, _LEAST_S)
            # A second look, since what was waited for first may have taken all the time.
            slow = [w for w in group if not w.join(group_until_s - time.monotonic())]
            hanging += [worker.name for worker in slow if not worker.join(0.0)]
        return hanging

    def close(self) -> None:
        """Ends what still runs."""
        if not self._is_finished:
            self.finish(time.monotonic() + 1.0)

    def _tellers(self) -> list[Worker[Any]]:
        return [worker for worker in (self._snapshots, self._events) if worker is not None]

    def _all(self) -> list[Worker[Any]]:
        return [*self._frame_sinks, *self._packet_sinks, *self._tellers()]


def where(config: Config) -> list[str]:
    """Where to find what comes out, a line an output; for the log, which holds no addresses."""
    out = config.outputs
    lines = []
    if out.rtsp is not None:
        lines.append(f"live video by RTSP: {out.rtsp.host} port {out.rtsp.port}, /{config.name}")
    if out.mjpeg is not None:
        lines.append(f"page for browsers: {out.mjpeg.host} port {out.mjpeg.port}")
    if out.recordings is not None:
        lines.append(f"recordings: {out.recordings.folder / config.name}")
    if out.snapshots is not None:
        lines.append(f"snapshots: {out.snapshots.folder / config.name}")
    if config.metrics is not None:
        lines.append(f"figures: {config.metrics.host} port {config.metrics.port}, /metrics")
    return lines


def _kept(part: P | None) -> P:
    """A part that was there at the start; reloading changes keys and takes no part away."""
    if part is None:
        raise AssertionError("an output's part of the configuration went away")
    return part
