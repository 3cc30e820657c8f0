"""Recordings: packets in, segments of fragmented MP4 out, within the bounds of the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from faceguard.edge.config.outputs import RecordingsOutput
from faceguard.edge.events import Event
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.disk import Shelf
from faceguard.edge.outputs.packet import SafePacket
from faceguard.edge.outputs.part import FULL
from faceguard.edge.outputs.retention import Retention
from faceguard.edge.outputs.segment import Segment
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import OutputError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_CAPACITY = 256  # packets: a card that is busy with itself for seconds is no rarity
_GAP_S = 10.0
_MOST_BYTES = 3_500_000_000  # FAT holds no file of 4 GiB
_ASK_AGAIN_S = 0.5
_LONGEST_DELAY_S = 3600.0
# Recording goes on when so much more is free than it paused for; no flapping at the edge.
_MORE_PART, _MORE_LEAST, _MORE_MOST = 0.2, 1e6, 100e6
# The pause after a write that met a full disk, which a quota does where space seems to be free.
_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 300.0


class Recordings(Worker[SafePacket]):
    """Writes FOLDER/NAME/YYYY-MM-DD/HH-MM-SS.mp4, and keeps the disk from filling up."""

    def __init__(
        self,
        settings: Callable[[], RecordingsOutput],
        name: str,
        meters: Meters,
        quiet: Quiet,
        *,
        on_event: Callable[[Event], None],
        request_keyframe: Callable[[], None],
        wait: bool = False,
        wall_s: Callable[[], float] = time.time,
        shelf: Callable[[Path, str], Shelf] = Shelf,
    ) -> None:
        """Sets up; `start` lets it work.

        Args:
            settings: Where to and how much, as of now: a reload may change all but the folder.
            name: Of the camera.
            meters: Where bytes and removals are counted.
            quiet: Who logs.
            on_event: Hears of "recording-paused" and "recording-resumed", in this output's thread.
            request_keyframe: Asks the encoder for a picture to begin with.
            wait: Whether `offer` waits for room, for files.
            wall_s: Seconds since 1970, for names.
            shelf: Opens the place of a camera in a folder.
        """
        super().__init__("recordings", meters, quiet, capacity=_CAPACITY, wait=wait)
        self._settings = settings
        self._camera = name
        self._on_event = on_event
        self._request_keyframe = request_keyframe
        self._wall_s = wall_s
        self._open_shelf = shelf
        self._shelf: Shelf | None = None
        self._retention: Retention | None = None
        self._earlier: Retention | None = None
        self._segment: Segment | None = None
        self._next_index = 0
        self._whole = False  # whether nothing is missing since the last keyframe
        self._asked_s = 0.0
        self._heard_s = 0.0
        self._paused = False
        self._paused_until_s = 0.0
        self._full_pause_s = _PAUSE_S

    def open_up(self) -> None:
        """Locks the folder and finishes what a killed run left.

        Raises:
            OutputError: It cannot be written to.
            AlreadyRunning: Another process records there.
        """
        shelf = self._open_shelf(self._settings().folder, self._camera)
        try:
            adopted = shelf.adopt()
            self._retention = Retention(
                shelf, self.meters, self.quiet, wall_s=self._wall_s, earlier=self._earlier
            )
        except BaseException:
            shelf.close()
            raise
        self._shelf, self._earlier = shelf, self._retention
        if adopted:
            self.quiet.say(
                _log,
                logging.INFO,
                "recordings adopted",
                f"recordings: {adopted} segments that were cut off are kept",
            )

    def take(self, thing: SafePacket) -> None:
        """Records one packet.

        Raises:
            TypeError: It is no SafePacket.
            OutputError: It cannot be written, for another reason than a full disk.
        """
        if not isinstance(thing, SafePacket):
            raise TypeError(f"recordings take SafePacket, not {type(thing).__name__}")
        self._heard_s = time.monotonic()
        if thing.index > self._next_index:
            self._whole = False
        self._next_index = thing.index + 1
        if self._paused:
            return
        if self._segment is not None and self._is_over(self._segment, thing):
            self._finish()
        if not thing.keyframe and (self._segment is None or not self._whole):
            self._whole = False
            self._ask()
            self.meters.output_dropped.labels(self.name).inc()
            return
        segment = self._segment or self._begin(thing)
        if segment is None:
            return
        self._whole = True
        segment.add(thing)
        self._store(segment)

    def tick(self) -> None:
        """Keeps the bounds, and ends a segment to which nothing comes any more.

        Raises:
            OutputError: The folder or the segment went away.
        """
        if self._shelf is None or self._retention is None:
            return
        settings = self._settings()
        self._shelf.check()
        segment = self._segment
        if segment is not None and segment.is_gone:
            raise OutputError(f"{self._shelf.place}: the open segment was removed")
        self._retention.tick(settings, segment.size if segment is not None else 0)
        self._look_at_disk(settings)
        idle_s = time.monotonic() - self._heard_s
        if segment is not None and not self._wait and idle_s > _GAP_S:
            self._finish()
            self._request_keyframe()

    def shut(self, *, broken: bool) -> None:
        """Finishes the open segment and lets the folder go.

        Args:
            broken: After a failure.
        """
        try:
            self._finish()
        except OutputError:
            if not broken:  # else it was said already why
                raise
        finally:
            self._whole = False
            self._segment = None
            self._retention = None
            shelf, self._shelf = self._shelf, None
            if shelf is not None:
                shelf.close()

    def _is_over(self, segment: Segment, packet: SafePacket) -> bool:
        """Whether a packet belongs into the next segment."""
        if packet.format.number != segment.format_number:
            return True
        if not packet.keyframe:
            return False
        settings = self._settings()
        ticks = packet.format.time_base.denominator / packet.format.time_base.numerator
        return (
            packet.pts - segment.first_pts >= settings.segment_s * ticks
            or packet.pts - segment.last_pts > _GAP_S * ticks
            or segment.size > _MOST_BYTES
        )

    def _begin(self, first: SafePacket) -> Segment | None:
        """Begins a segment, unless recording pauses."""
        self._look_at_disk(self._settings())
        shelf = self._shelf
        if self._paused or shelf is None:
            return None
        late_s = (time.monotonic_ns() - first.captured_ns) / 1e9 if first.captured_ns else 0.0
        wall_s = self._wall_s() - (late_s if 0 <= late_s < _LONGEST_DELAY_S else 0.0)
        part = self._with_room(lambda: shelf.begin(wall_s))
        if part is None:
            return None
        self._segment = Segment(part, first, wall_s)
        return self._segment

    def _store(self, segment: Segment) -> None:
        written = self._with_room(segment.store)
        if written:
            self.meters.recorded_bytes.inc(written)
            self._full_pause_s = _PAUSE_S

    def _finish(self) -> None:
        """Ends the open segment, and gives its file the name that it keeps."""
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            segment.end()
            self.meters.recorded_bytes.inc(self._squeezed_in(segment.store) or 0)
            self.meters.output_dropped.labels(self.name).inc(segment.unsaved)
        finally:
            try:
                kept = segment.finish()
            except OSError as error:
                raise self._broken(error) from error
            if kept is not None and self._retention is not None:
                self._retention.add(kept)

    def _ask(self) -> None:
        if time.monotonic() - self._asked_s >= _ASK_AGAIN_S:
            self._asked_s = time.monotonic()
            self._request_keyframe()

    def _with_room(self, work: Callable[[], T]) -> T | None:
        """Does something that takes space, or pauses.

        Returns:
            What it gave; None where recording pauses now.

        Raises:
            OutputError: It failed for another reason than a full disk.
        """
        done = self._squeezed_in(work)
        if done is None:
            self._paused_until_s = time.monotonic() + self._full_pause_s
            self._full_pause_s = min(self._full_pause_s * 2, _LONGEST_PAUSE_S)
            self._pause("a write found no space")
        return done

    def _squeezed_in(self, work: Callable[[], T]) -> T | None:
        """Does something that takes space; on a full disk the oldest go until it fits.

        Returns:
            What it gave; None where nothing was left to remove.

        Raises:
            OutputError: It failed for another reason.
        """
        while True:
            try:
                return work()
            except OSError as error:  # noqa: PERF203 - to try again is what this is for
                if error.errno not in FULL:
                    raise self._broken(error) from error
                if self._retention is None or not self._retention.remove_oldest("disk"):
                    return None

    def _look_at_disk(self, settings: RecordingsOutput) -> None:
        """Makes room, pauses or goes on, as the disk's free space says."""
        if self._retention is None or self._shelf is None:
            return
        wanted = settings.free_mb * 1e6
        if not self._paused:
            if not self._retention.make_room(wanted):
                self._pause(f"less than free_mb = {settings.free_mb:g} is free")
            return
        wanted += min(max(_MORE_PART * wanted, _MORE_LEAST), _MORE_MOST)
        if time.monotonic() < self._paused_until_s or not self._retention.make_room(wanted):
            return
        if self._shelf.free_bytes() >= wanted:
            self._resume()

    def _pause(self, why: str) -> None:
        self._paused = True
        self._whole = False
        self.meters.recording_paused.set(1)
        self.quiet.say(
            _log,
            logging.ERROR,
            "recording paused",
            f"recordings: paused: {why}, and no older ones can make room; free some of the disk",
        )
        self._on_event(Event("recording-paused", {"reason": why, "free_mb": self._free_mb()}))
        self._finish()

    def _resume(self) -> None:
        self._paused = False
        self.meters.recording_paused.set(0)
        self.quiet.over("recording paused")
        _log.info("recordings: going on, %s MB are free", self._free_mb())
        self._on_event(Event("recording-resumed", {"free_mb": self._free_mb()}))
        self._request_keyframe()

    def _broken(self, error: OSError) -> OutputError:
        place = "the folder" if self._shelf is None else str(self._shelf.place)
        return OutputError(f"{place}: writing failed: {error.strerror}; look after its disk")

    def _free_mb(self) -> int | None:
        return None if self._shelf is None else self._shelf.free_bytes() // 1_000_000
