"""A redacted picture on disk whenever a face appears or leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from faceguard.edge.config.outputs import SnapshotsOutput
from faceguard.edge.events import Event
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.album import DAY_S, Album
from faceguard.edge.outputs.jpeg import as_jpeg
from faceguard.edge.outputs.steady_clock import SteadyClock
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import SafeFrame

_KINDS = {"face-appears": "appears", "face-leaves": "leaves"}
_TIDY_EVERY_S = 60.0
_LOOK_EVERY_S = 600.0  # others may have removed or added some


class Enlarge(Protocol):
    """What makes larger pictures of redacted frames; may take seconds."""

    def __call__(self, safe: SafeFrame) -> SafeFrame:
        """The frame as it is to be written."""
        ...

    def expect(self) -> None:
        """A frame is to come: from now on `give_up` means that one."""
        ...

    def give_up(self) -> None:
        """Another one waits: the frame that was expected is to be done quickly; from any thread."""
        ...


class Snapshots(Worker[tuple[SafeFrame, Event]]):
    """The output `snapshots`; all its settings but the folder can change while it runs."""

    def __init__(
        self,
        settings: Callable[[], SnapshotsOutput],
        name: str,
        meters: Meters,
        quiet: Quiet,
        enlarge: Enlarge | None = None,
    ) -> None:
        """Sets up; the thread makes the folder.

        Args:
            settings: As they are now.
            name: Of the camera; a folder of this name is made.
            meters: Where failures are counted.
            quiet: Who logs.
            enlarge: What is done to each frame before it is written, in this output's thread.
        """
        super().__init__("snapshots", meters, quiet, capacity=2)
        self._settings = settings
        self._camera = name
        self._enlarge = enlarge
        self._album: Album | None = None
        self._last_ns: int | None = None
        # What is enlarged now, and what came last; both under the lock.
        self._in_work: Event | None = None
        self._newest: Event | None = None
        self._lock = threading.Lock()
        self._clock = SteadyClock()
        self._tidy_s = self._look_s = 0.0

    def offer(self, thing: tuple[SafeFrame, Event]) -> None:
        """As for any output; what takes long is cut short if this one is to be written, too."""
        super().offer(thing)
        with self._lock:
            if self._is_due(thing[1], None):
                self._newest = thing[1]
            self._hasten()

    def open_up(self) -> None:
        """Makes the folder.

        Raises:
            OutputError: It cannot be made.
        """
        self._album = Album(self._settings().folder, self._camera)
        self._look_s = time.monotonic() + _LOOK_EVERY_S

    def take(self, thing: tuple[SafeFrame, Event]) -> None:
        """Writes the frame, if the event is one of those that are wanted and it is time.

        Raises:
            TypeError: The frame was not redacted.
            OutputError: The place cannot be written.
        """
        frame, event = thing
        settings = self._settings()
        if not self._is_due(event, self._last_ns):
            return
        track = event.fields.get("track")
        if self._enlarge is not None:
            frame = self._enlarged(frame, event)
        jpeg = as_jpeg(frame, settings.quality)
        album = self._opened_album()
        album.add(jpeg, _KINDS[event.kind], track if isinstance(track, int) else 0, event.wall_s)
        self._last_ns = event.at_ns
        self._keep_size(album, settings)

    def tick(self) -> None:
        """Removes what is too old or too much, once a minute.

        Raises:
            OutputError: The folder went away and cannot be made anew.
            OSError: A picture cannot be removed.
        """
        is_trusted = self._clock.is_trusted()
        now_s = time.monotonic()
        if now_s < self._tidy_s:
            return
        self._tidy_s = now_s + _TIDY_EVERY_S
        settings = self._settings()
        album = self._opened_album()
        if now_s >= self._look_s:
            self._look_s = now_s + _LOOK_EVERY_S
            album.look()
        if settings.keep_days is not None and is_trusted:
            album.remove_older(time.time() - settings.keep_days * DAY_S)
        self._keep_size(album, settings)

    def shut(self, *, broken: bool) -> None:  # noqa: ARG002 - the same in both cases
        """Looks anew at what is there when it opens again."""
        self._album = None

    def _enlarged(self, frame: SafeFrame, event: Event) -> SafeFrame:
        assert self._enlarge is not None  # noqa: S101 - `take` looked
        with self._lock:
            self._in_work = event
            self._enlarge.expect()
            self._hasten()
        try:
            return self._enlarge(frame)
        finally:
            with self._lock:
                self._in_work = None

    def _hasten(self) -> None:
        """Has what is in work given up, if another one that is to be written waits behind it."""
        now, newest = self._in_work, self._newest
        if self._enlarge is None or now is None or newest is None or newest is now:
            return
        if self._is_due(newest, now.at_ns):
            self._enlarge.give_up()

    def _is_due(self, event: Event, last_ns: int | None) -> bool:
        """Whether it is one that is wanted, and not too soon after the last."""
        settings = self._settings()
        if _KINDS.get(event.kind) not in settings.on:
            return False
        return last_ns is None or event.at_ns - last_ns >= settings.least_s * 1e9

    def _opened_album(self) -> Album:
        assert self._album is not None  # noqa: S101 - `open_up` made it
        return self._album

    def _keep_size(self, album: Album, settings: SnapshotsOutput) -> None:
        if settings.keep_mb is not None:
            album.remove_beyond(settings.keep_mb * 1e6)
