"""A segment: packets in, fragments of MP4 on disk.

The muxer writes into memory and a whole fragment goes from there to the disk, so that a full disk
is met outside of FFmpeg: what is on disk stays playable, and what did not fit can be tried again.
"""

from __future__ import annotations

import io
import time
from typing import Any

import av

from faceguard.edge.outputs.h264 import units
from faceguard.edge.outputs.packet import SafePacket
from faceguard.edge.outputs.part import Kept, Part
from faceguard.engines.errors import OutputError

_FRAGMENT_S = 1.0
_OPTIONS = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": str(round(_FRAGMENT_S * 1e6)),
    "video_track_timescale": "90000",
    "flush_packets": "1",
    "fflags": "+bitexact",  # or FFmpeg puts its name and version in
}


class Segment:
    """One recording in the making; begins with a keyframe.

    Attributes:
        format_number: Of the stream that it holds.
        first_pts: Time of its first packet.
        last_pts: Time of its newest packet.
        unsaved: Packets that are not on disk yet.
    """

    def __init__(self, part: Part, first: SafePacket, wall_s: float) -> None:
        """Begins with a packet, which is still to be added.

        Args:
            part: Its file.
            first: The first packet.
            wall_s: When that was taken, seconds since 1970.
        """
        self._part = part
        self.format_number = first.format.number
        self.first_pts = self.last_pts = first.pts
        self.unsaved = 0
        self._ended = False
        self._pending = b""
        try:
            self._muxer = _Muxer(first, wall_s)
        except BaseException:
            part.finish()  # it is empty, so it goes
            raise

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._part.size

    @property
    def is_gone(self) -> bool:
        """Whether somebody removed its file."""
        return self._part.is_gone

    def add(self, packet: SafePacket) -> None:
        """Takes a packet; `store` puts on disk what became a whole fragment by it."""
        self._pending += self._muxer.add(packet)
        self.last_pts = packet.pts
        self.unsaved += 1

    def store(self) -> int:
        """Puts whole fragments on disk; may be called again after it failed.

        Returns:
            Bytes written.

        Raises:
            OSError: Nothing was written.
        """
        if not self._pending:
            return 0
        self._part.append(self._pending)
        written, self._pending = len(self._pending), b""
        # A fragment is whole once the packet after it has come.
        self.unsaved = 0 if self._ended else 1
        return written

    def end(self) -> None:
        """No packet will come any more: what there is becomes the last fragment."""
        self._pending += self._muxer.end()
        self._ended = True

    def finish(self) -> Kept | None:
        """Gives the file its name; what was not stored is lost.

        Raises:
            OSError: That failed.
        """
        return self._part.finish()


class _Muxer:
    """FFmpeg's MP4 muxer, into memory."""

    def __init__(self, first: SafePacket, wall_s: float) -> None:
        form = first.format
        # PyAV gives an output stream its parameters only from another stream: this one.
        self._template: Any = av.open(io.BytesIO(form.extradata + first.data), format="h264")
        self._memory = _Memory()
        self._output: Any = av.open(self._memory, "w", format="mp4", options=dict(_OPTIONS))
        # Opaque, or an encoder would be opened, and its parameter sets would take their place.
        source = self._template.streams.video[0]
        self._stream = self._output.add_stream_from_template(source, opaque=True)
        self._stream.time_base = form.time_base
        moment = time.gmtime(max(0.0, wall_s))
        self._output.metadata["creation_time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
        self._output.start_encoding()
        self._head = self._memory.taken()
        if not all(unit in self._head for unit in units(form.extradata)):
            raise OutputError(
                f"recordings: PyAV {av.__version__} writes files that do not play; install av>=15"
            )
        self._begin_pts = first.pts
        self._usual = round(1 / (form.rate * form.time_base))

    def add(self, packet: SafePacket) -> bytes:
        """Takes a packet.

        Returns:
            Whole fragments that became ready by it, mostly none; the header before the first.
        """
        raw = av.Packet(packet.data)
        raw.stream = self._stream
        raw.time_base = packet.format.time_base
        raw.pts = raw.dts = packet.pts - self._begin_pts
        raw.duration = packet.duration or self._usual
        raw.is_keyframe = packet.keyframe
        self._output.mux_one(raw)
        return self._ready()

    def end(self) -> bytes:
        """The last fragment, and the index that tells how long it all is."""
        self._output.close()
        self._template.close()
        return self._ready()

    def _ready(self) -> bytes:
        fragments = self._memory.taken()
        if not fragments:
            return b""
        head, self._head = self._head, b""
        return head + fragments


class _Memory:
    """A file that FFmpeg may only write to, from one end to the other."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
