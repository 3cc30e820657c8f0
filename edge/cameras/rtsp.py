"""Network cameras over RTSP, through FFmpeg (PyAV)."""

from __future__ import annotations

import time
from collections import deque
from fractions import Fraction
from typing import Any

import av
import av.error
import av.logging

from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.cameras.decoding import (
    Pictures,
    Stamps,
    duration_ns,
    plausible_rate,
    seconds_left,
)
from faceguard.edge.cameras.door import Door
from faceguard.edge.cameras.rtsp_address import check_name, full_address, plain, why_not_open
from faceguard.edge.config.camera import RtspCamera
from faceguard.engines.closing import Closing
from faceguard.engines.errors import (
    CameraCorrupt,
    CameraError,
    CameraLost,
    CameraSilent,
    CameraUnfit,
)

_NAMES = {"h264": "H.264", "hevc": "H.265", "mjpeg": "MJPEG", "av1": "AV1", "mpeg4": "MPEG-4"}
# FFmpeg lets go of a picture in these when the next one begins to arrive.
_HELD_BACK = ("h264", "hevc", "mpeg4")
_DAMAGED_IN_A_ROW = 100
_OPTIONS = {
    # One packet is enough to begin with: the size and kind of pictures are taken from the first
    # one that is decoded. `fflags=nobuffer` would throw away what was read, the keyframe too.
    "probesize": "32",
    "fpsprobesize": "0",
    "allowed_media_types": "video",
}
_TRANSPORT = {
    "tcp": {"rtsp_transport": "tcp"},
    # A keyframe comes in one burst, which the kernel's usual buffer does not hold.
    "udp": {"rtsp_transport": "udp", "buffer_size": str(1 << 20)},
}


class Rtsp(Closing):
    """One connection to a network camera.

    A picture's time of capture is that at which it began to arrive. RTCP reports could tell the
    camera's own, but on a clock that is rarely set, and against ours it cannot be compared.
    """

    def __init__(self, config: RtspCamera, *, open_within_s: float, silent_after_s: float) -> None:
        """Connects and waits for the first picture.

        Args:
            config: Which camera.
            open_within_s: How long connecting and the first picture may take; a camera that
                freezes in the middle of it can take twice as long.
            silent_after_s: How long `read` waits for a packet, and for a sound picture.

        Raises:
            CameraAbsent: Not there, no such stream, or user and password are wrong.
            CameraUnfit: It sends no video that can be decoded.
            CameraSilent: No answer, or no picture, in time.
            CameraLost: It broke off.
            CameraCorrupt: Nothing that it sends can be decoded.
        """
        # FFmpeg writes addresses with passwords into its log, and PyAV into its errors from there.
        av.logging.set_level(None)
        self._silent_after_s = silent_after_s
        deadline_s = time.monotonic() + open_within_s
        address = full_address(config)
        check_name(config, open_within_s)
        options = {**_OPTIONS, **_TRANSPORT[config.transport]}
        self._container = _connected(address, options, seconds_left(deadline_s), silent_after_s)
        self._door = Door(self._shut)
        self._ready: deque[Shot] = deque()
        self._packets: Any = None
        self._stamps = Stamps()
        try:
            stream = _video_of(self._container)
            self._pictures = Pictures(stream)
            self._rate = plausible_rate(stream)
            self._held_back = stream.codec_context.name in _HELD_BACK
            self._last_out_ns: int | None = None
            self._packets = self._container.demux(stream)
            first = self._next_shot(deadline_s, open_within_s)
            self._info = _described(first, stream, self._rate)
            self._ready.appendleft(first)
        except BaseException:
            self._shut()
            raise

    @property
    def info(self) -> CameraInfo:
        """What it gives; later pictures may have another size, if the camera is set anew."""
        return self._info

    def read(self) -> Shot:
        """The next picture.

        Raises:
            CameraSilent: Nothing came within `silent_after_s`, or nothing that makes a picture.
            CameraLost: The connection broke off, or was closed here.
            CameraCorrupt: What comes cannot be decoded.
        """
        with self._door:
            limit_s = self._silent_after_s
            return self._next_shot(time.monotonic() + limit_s, limit_s)

    def close(self) -> None:
        """Ends the connection: at once, or as soon as a reader in another thread has left."""
        self._door.close()

    def _shut(self) -> None:
        if self._packets is not None:
            self._packets.close()
        self._container.close()

    def _next_shot(self, deadline_s: float, limit_s: float) -> Shot:
        while not self._ready:
            asked_ns = time.monotonic_ns()
            packet = self._next_packet()
            out_ns = time.monotonic_ns()
            # Nobody knows when the first began; the second did when the first was let go.
            began_ns = (self._last_out_ns or asked_ns) if self._held_back else out_ns
            self._last_out_ns = out_ns
            self._ready.extend(
                self._shot(image, frame, began_ns) for image, frame in self._pictures.decode(packet)
            )
            if self._ready:
                break
            late = out_ns > deadline_s * 1_000_000_000
            if late or self._pictures.in_a_row >= _DAMAGED_IN_A_ROW:
                raise self._no_picture(limit_s)
        return self._ready.popleft()

    def _shot(self, image: Any, frame: av.VideoFrame, arrived_ns: int) -> Shot:  # noqa: ANN401
        return Shot(
            image,
            captured_ns=arrived_ns,
            time_ns=self._stamps.place(frame.pts, frame.time_base, arrived_ns),
            duration_ns=duration_ns(frame, self._rate),
            damaged=self._pictures.take_damaged(),
        )

    def _next_packet(self) -> Any:  # noqa: ANN401 - PyAV's packet class has no public name
        silent = CameraSilent(f"RTSP camera: sent nothing for {self._silent_after_s:g} s")
        problem: CameraError
        began_s = time.monotonic()
        try:
            packet = next(self._packets, None)
            if packet is None or not packet.size:
                problem = CameraLost("RTSP camera: it ended the connection")
            elif time.monotonic() - began_s < self._silent_after_s:
                return packet
            else:
                # At its time limit FFmpeg first gives what it had held back, maybe half a picture.
                problem = silent
        except (av.error.ExitError, av.error.TimeoutError):
            problem = silent
        except (av.error.FFmpegError, OSError) as error:
            problem = CameraLost(f"RTSP camera: the connection broke off ({plain(error)})")
        # Raised out here, so that FFmpeg's error, which names the address, does not go along.
        raise problem

    def _no_picture(self, limit_s: float) -> CameraError:
        damaged = self._pictures.in_a_row
        if damaged:
            return CameraCorrupt(
                f"RTSP camera: {damaged} packets in a row could not be decoded; "
                "look at its encoder's settings, and at the network"
            )
        return CameraSilent(
            f"RTSP camera: it sends, but no picture to begin with for {limit_s:g} s; "
            "set a shorter keyframe interval in the camera"
        )


def _connected(address: str, options: dict[str, str], open_s: float, read_s: float) -> Any:  # noqa: ANN401
    began_s = time.monotonic()
    try:
        return av.open(address, format="rtsp", options=options, timeout=(open_s, read_s))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        late = time.monotonic() - began_s >= open_s
        problem = why_not_open(error, open_s, late=late)
    raise problem


def _video_of(container: Any) -> Any:  # noqa: ANN401 - PyAV's classes have no public names
    streams = container.streams.video
    if not streams:
        raise CameraUnfit("RTSP camera: there is no video in this stream; check camera.url's path")
    stream = max(streams, key=lambda s: (s.width or 0) * (s.height or 0))
    if stream.codec_context is None:
        raise CameraUnfit("RTSP camera: FFmpeg has no decoder for its video; set it to H.264")
    return stream


def _described(first: Shot, stream: Any, rate: Fraction | None) -> CameraInfo:  # noqa: ANN401
    name = stream.codec_context.name
    return CameraInfo(
        width=first.image.width,
        height=first.image.height,
        rate=rate,
        format=f"{_NAMES.get(name, name)} {stream.codec_context.pix_fmt}",
        live=True,
    )
