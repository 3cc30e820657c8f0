"""Encodes once for all: safe frames in, safe packets out, to recordings and streams alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from faceguard.edge.config.outputs import EncoderConfig
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.h264 import CLOCK, H264, Coded
from faceguard.edge.outputs.packet import SafePacket, StreamFormat
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import SafeFrame


class PacketSink(Protocol):
    """What takes packets: a recorder, a streaming server."""

    def offer(self, packet: SafePacket, /) -> None:
        """Takes a packet; never raises, and does not wait unless it was made to."""
        ...


class Encoder(Worker[SafeFrame]):
    """Encodes each safe frame and hands the packet to all sinks.

    A frame of another size, format or range begins a new stream, and so does a failure.
    """

    def __init__(
        self,
        settings: EncoderConfig,
        meters: Meters,
        quiet: Quiet,
        *,
        rate: Callable[[], float | None],
        capacity: int = 4,
        wait: bool = False,
        sinks: Sequence[PacketSink] = (),
    ) -> None:
        """Sets up; `start` lets it work.

        Args:
            settings: How to encode.
            meters: Where times are counted.
            quiet: Who logs.
            rate: Frames per second to expect, or None where nobody knows; asked when a stream
                begins.
            capacity: How many frames may wait: at a stop, all that look-ahead held come at once.
            wait: Whether `offer` waits for room, for files.
            sinks: Who gets the packets; `add_sink` adds more.
        """
        super().__init__("encoder", meters, quiet, capacity=capacity, wait=wait)
        self._settings = settings
        self._rate = rate
        self._sinks = tuple(sinks)
        self._stream: H264 | None = None
        self._streams = 0
        self._packets = 0
        self._wanted = threading.Event()
        self._shift = 0
        self._last_pts: int | None = None
        self._keyframe_pts = 0
        # What a packet must say that libx264 does not carry: time of capture and duration, by pts.
        self._on_the_way: dict[int, tuple[int, int]] = {}
        self._encode_s = meters.stage_s.labels("encode")

    def add_sink(self, sink: PacketSink) -> None:
        """Gives packets to one more, from the next on; from any thread."""
        self._sinks = (*self._sinks, sink)

    def request_keyframe(self) -> None:
        """Makes the next frame one that a decoder may begin with; from any thread."""
        self._wanted.set()

    def take(self, thing: SafeFrame) -> None:
        """Encodes one frame.

        Raises:
            TypeError: The frame was not redacted.
            OutputError: It is not of a kind that can be encoded.
            av.error.FFmpegError: libx264 failed.
        """
        if not isinstance(thing, SafeFrame):
            raise TypeError(f"the encoder takes SafeFrame, not {type(thing).__name__}")
        began_s = time.monotonic()
        stream = self._stream_for(thing)
        pts = self._pts(thing)
        duration = round(thing.duration * thing.time_base * CLOCK)
        self._on_the_way[pts] = (thing.captured_ns, duration)
        keyframe = self._is_due(pts, first=stream.is_new)
        coded = list(stream.encode(thing.image, pts, keyframe=keyframe))
        self._encode_s.observe(time.monotonic() - began_s)
        self._give(coded, stream.format)

    def shut(self, *, broken: bool) -> None:
        """Ends the stream; the next frame begins another.

        Args:
            broken: After a failure: what libx264 still holds is lost then.
        """
        stream, self._stream = self._stream, None
        if stream is not None and not broken:
            self._give(stream.rest(), stream.format)
        self._on_the_way.clear()

    def _stream_for(self, frame: SafeFrame) -> H264:
        if self._stream is not None and self._stream.fits(frame.image):
            return self._stream
        self.shut(broken=False)
        self._streams += 1
        self._stream = H264(frame.image, self._settings, self._rate(), self._streams)
        return self._stream

    def _pts(self, frame: SafeFrame) -> int:
        """The frame's time in ticks, later than all before it."""
        pts = round(frame.pts * frame.time_base * CLOCK) + self._shift
        last = self._last_pts
        if last is not None and pts <= last:
            if last - pts < CLOCK:
                pts = last + 1
            else:  # a time line that began anew: go on from here, at its own pace
                step = round(frame.duration * frame.time_base * CLOCK) or CLOCK // 30
                self._shift += last + step - pts
                pts = last + step
        self._last_pts = pts
        return pts

    def _is_due(self, pts: int, *, first: bool) -> bool:
        """Whether a keyframe is due: by time, since rates vary."""
        due = first or pts - self._keyframe_pts >= self._settings.keyframe_s * CLOCK
        if self._wanted.is_set():
            self._wanted.clear()
            due = True
        if due:
            self._keyframe_pts = pts
        return due

    def _give(self, coded: Iterable[Coded], form: StreamFormat) -> None:
        for data, pts, keyframe in coded:
            captured_ns, duration = self._on_the_way.pop(pts, (0, 0))
            packet = SafePacket(data, pts, duration, keyframe, captured_ns, form, self._packets)
            self._packets += 1
            if captured_ns:
                late_s = (time.monotonic_ns() - captured_ns) / 1e9
                self.meters.encoded_latency_s.observe(late_s)
                self.meters.encoder_lag_s.set(late_s)
            for sink in self._sinks:
                sink.offer(packet)
