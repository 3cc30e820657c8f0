"""Numbered pictures into an RTSP server, and players that say which numbers they saw."""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest

from faceguard.edge.config.outputs import RtspOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.packet import SafePacket, StreamFormat
from faceguard.edge.outputs.rtsp import RtspServer
from faceguard.edge.outputs.rtsp_child import find_interpreter
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.waiting import until

SIZE = (160, 96)
_BITS = 8
_GLOBAL_HEADER = 1 << 22
needs_gstreamer = pytest.mark.skipif(
    find_interpreter() is None, reason="no Python here has GStreamer's RTSP server"
)


class Pictures:
    """Encodes pictures whose eight stripes are the bits of their number."""

    def __init__(self, size: tuple[int, int] = SIZE, number: int = 1, padding: int = 0) -> None:
        self.number = 0
        self.requests = 0
        self._key = True
        self._padding = b"\0\0\0\1\x0c" + b"\xff" * padding + b"\x80" if padding else b""
        self._width, self._height = size
        context: Any = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = *size, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 1000), Fraction(50)
        context.flags |= _GLOBAL_HEADER
        context.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "x264-params": "keyint=100000:bframes=0:annexb=1:repeat-headers=0",
        }
        context.open()
        self._context = context
        rate, extradata = Fraction(50), bytes(context.extradata)
        self.format = StreamFormat(number, "h264", *size, Fraction(1, 1000), rate, extradata)

    def request_keyframe(self) -> None:
        self.requests += 1
        self._key = True

    def packets(self) -> list[SafePacket]:
        pixels = np.full((self._height * 3 // 2, self._width), 128, np.uint8)
        for bit in range(_BITS):
            stripe = slice(bit * self._width // _BITS, (bit + 1) * self._width // _BITS)
            pixels[: self._height, stripe] = 235 if self.number >> bit & 1 else 16
        frame: Any = av.VideoFrame.from_ndarray(pixels, "yuv420p")
        frame.pts, frame.time_base = self.number * 20, Fraction(1, 1000)
        frame.pict_type, self._key = int(self._key), False
        self.number += 1
        return [
            SafePacket(
                bytes(packet) + self._padding,
                packet.pts,
                20,
                packet.is_keyframe,
                time.monotonic_ns(),
                self.format,
            )
            for packet in self._context.encode(frame)
        ]


def number_in(frame: Any) -> int:
    gray = frame.to_ndarray(format="gray")
    width = gray.shape[1] // _BITS
    middles = [gray[:, bit * width + 4 : (bit + 1) * width - 4].mean() for bit in range(_BITS)]
    return sum(int(middle > 128) << bit for bit, middle in enumerate(middles))


class Serving:
    """A server that gets fifty pictures a second."""

    def __init__(self, server: RtspServer, meters: Meters, pictures: Pictures) -> None:
        self.server, self.meters, self.pictures = server, meters, pictures
        self.longest_offer_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    @property
    def address(self) -> str:
        return until(lambda: self.server.address)

    @property
    def clients(self) -> int:
        return int(self.meters.value("output_clients", output="rtsp"))

    @property
    def dropped(self) -> int:
        return int(self.meters.value("output_dropped_total", output="rtsp"))

    def _feed(self) -> None:
        began = False
        while not self._stop.wait(0.02):
            if began and self.server.address is None:
                continue  # it starts with the first picture; what waits meanwhile may be dropped
            began = True
            for packet in self.pictures.packets():
                began_s = time.monotonic()
                self.server.offer(packet)
                self.longest_offer_s = max(self.longest_offer_s, time.monotonic() - began_s)

    def start(self) -> None:
        self.server.start()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.server.close()


@contextmanager
def serving(padding: int = 0, **settings: Any) -> Iterator[Serving]:
    """A server on a port of its own that is fed until the end of the block."""
    meters, pictures = Meters(), Pictures(padding=padding)
    password = settings.pop("password", None)
    asked = RtspOutput(**{"port": 0, **settings}, **({"password": password} if password else {}))
    video: list[Serving] = []
    server = RtspServer(
        asked,
        "front",
        password,
        meters,
        Quiet(meters),
        request_keyframe=lambda: video[0].pictures.request_keyframe(),
    )
    video.append(Serving(server, meters, pictures))
    video[0].start()
    try:
        yield video[0]
    finally:
        video[0].close()


class Player:
    """A player; FFmpeg's, as many are."""

    def __init__(self, address: str, transport: str = "tcp") -> None:
        self.seen: list[int] = []
        self.sizes: set[tuple[int, int]] = set()
        self.longest_pause_s = 0.0
        self.error: Exception | None = None
        self._address, self._transport = address, transport
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def lost(self) -> int:
        """How many pictures were missing between the first and the last."""
        steps = np.diff(self.seen) % (1 << _BITS)
        return int(np.sum(steps - 1))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _play(self) -> None:
        options = {"rtsp_transport": self._transport, "fflags": "nobuffer", "probesize": "32"}
        try:
            with av.open(self._address, options=options, timeout=(10, 10)) as video:
                last_s = time.monotonic()
                for frame in video.decode(video=0):
                    last_s, before_s = time.monotonic(), last_s
                    self.longest_pause_s = max(self.longest_pause_s, last_s - before_s)
                    self.seen.append(number_in(frame))
                    self.sizes.add((frame.width, frame.height))
                    if self._stop.is_set():
                        return
        except (av.error.FFmpegError, OSError) as error:
            self.error = error


class Plain:
    """A client of a few lines, to see the server's own words."""

    def __init__(self, address: str) -> None:
        found = re.fullmatch(r"rtsp://([\d.]+):(\d+)/.*", address)
        assert found is not None
        self.address = address
        self._end = socket.socket()
        # So that little fits in while nobody reads.
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._end.settimeout(20)
        self._end.connect((found[1], int(found[2])))
        self._number = 0

    def ask(self, method: str, path: str = "", **headers: str) -> tuple[int, str]:
        """Status and the whole answer."""
        self._number += 1
        lines = [f"{method} {self.address}{path} RTSP/1.0", f"CSeq: {self._number}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._end.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self._end.recv(1)
            assert more, "the server hung up"
            answer += more
        text = answer.decode()
        length = re.search(r"Content-Length: (\d+)", text)
        for _ in range(int(length[1]) if length else 0):
            text += self._end.recv(1).decode()
        self.last = method, text.split("\r")[0]
        return int(text.split()[1]), text

    def play(self) -> None:
        """Sets up and plays over this connection, without reading on."""
        assert self.ask("DESCRIBE")[0] == 200
        over_this = "RTP/AVP/TCP;unicast;interleaved=0-1"
        status, text = self.ask("SETUP", "/stream=0", Transport=over_this)
        assert status == 200
        session = re.search(r"Session: ([^;\r]+)", text)
        assert session is not None
        assert self.ask("PLAY", Session=session[1])[0] == 200

    def is_cut(self) -> bool:
        """Whether the server hung up; reads what had come before."""
        self._end.settimeout(0.002)
        with suppress(TimeoutError):
            try:
                while self._end.recv(1 << 16):
                    pass
            except ConnectionResetError:
                pass
            return True
        return False

    def close(self) -> None:
        self._end.close()

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def basic(user: str, password: str) -> str:
    """What a client would send that shows its password to everybody."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is killed at the end, frozen or not."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


def server_pids(parent: int | None = None) -> list[int]:
    """Servers that a process has started and that still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            words = (place / "cmdline").read_text().split("\0")
        except OSError:
            continue
        ours = parent is None or int(fields[1]) == parent
        if ours and fields[0] != "Z" and any(w.endswith("rtsp_server.py") for w in words):
            found.append(int(place.name))
    return found


def server_pid() -> int:
    """Of the one server of this process, once it runs."""
    return until(lambda: server_pids(os.getpid()))[0]


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
