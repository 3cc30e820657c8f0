"""A network camera in a process of its own, which tests can freeze, kill and start again.

`RtspServer` is the test's end; run as a script, by the system's Python, which has GStreamer's
GstRtspServer, this file is the camera. It listens on 127.0.0.1 only, at a port of the kernel's
choice.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

_PYTHON = "/usr/bin/python3"
_PROBE = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0');"
    "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    "assert all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'h264parse')))"
)
_START_S = 20.0
# Before each access unit: its size, its times in nanoseconds, its length in time.
_UNIT = struct.Struct("<IQQQ")


@lru_cache(maxsize=1)
def why_not() -> str | None:
    """Why there can be no network camera here, or None where there can."""
    try:
        probe = subprocess.run(
            [_PYTHON, "-c", _PROBE], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no network camera: {error}"
    if probe.returncode == 0:
        return None
    return f"{_PYTHON} has no GstRtspServer with x264 (apt: gir1.2-gst-rtsp-server-1.0)"


class RtspServer:
    """A network camera, as a context manager; skips the test where there can be none.

    Attributes:
        url: Where it is, without user and password.
        path: The part of the address after host and port.
        port: Its port; the same one after a restart.
    """

    def __init__(
        self,
        media: str = "h264",
        *,
        file: Path | None = None,
        size: tuple[int, int] = (320, 240),
        rate: int = 25,
        path: str = "/camera",
        user: str | None = None,
        password: str | None = None,
        digest: bool = False,
        pattern: str = "smpte",
    ) -> None:
        """Sets up; the camera begins at `start` or `with`.

        Args:
            media: "h264", "h265" or "mjpeg": a drawn picture, encoded on the fly.
            file: A video in H.264 or H.265 that is sent as it is, again and again, instead.
            size: Width and height of the drawn picture, even.
            rate: Pictures a second of the drawn picture.
            path: Where it is found.
            user: Who may look; None lets anybody.
            password: What they must know.
            digest: Whether they prove it by digest and not in the clear.
            pattern: What is drawn, as videotestsrc has it: "ball" moves.
        """
        self.path = path
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._file = file
        self._settings: dict[str, Any] = {
            "media": media,
            "size": list(size),
            "rate": rate,
            "path": path,
            "user": user,
            "password": password,
            "digest": digest,
            "pattern": pattern,
            "units": None,
        }

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}{self.path}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the camera was not started"
        return self._process.pid

    def __enter__(self) -> RtspServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins; at the port of last time, if there was one."""
        import pytest

        if (reason := why_not()) is not None:
            pytest.skip(reason)
        if self._file is not None and self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory()
            units = Path(self._scratch.name, "units")
            self._settings["media"] = write_units(self._file, units)
            self._settings["units"] = str(units)
        settings = json.dumps({**self._settings, "port": self.port})
        self._process = subprocess.Popen(
            [_PYTHON, __file__, settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GST_DEBUG": "0"},
        )
        try:
            self.port = int(self._answer())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it, frozen or not."""
        self.kill()
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    def kill(self) -> None:
        """Ends it as a cut of power would."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def restart(self) -> None:
        """Kills it, if it still runs, and starts it at the same port."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stops it without closing anything: connections stay open and nothing comes."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets a frozen one go on."""
        os.kill(self.pid, signal.SIGCONT)

    def resize(self, width: int, height: int) -> None:
        """Changes the size of the drawn picture in the middle of the stream (H.264, MJPEG)."""
        self._tell(f"size {width} {height}")

    def lose(self, share: float) -> None:
        """Leaves out this part of the encoded pictures from now on; 0 ends it."""
        self._tell(f"lose {share}")

    def garble(self, share: float) -> None:
        """Fills this part of a file's pictures with noise from now on; 0 ends it."""
        assert self._file is not None, "only a file's pictures can be garbled"
        self._tell(f"garble {share}")

    def hang_up(self) -> None:
        """Closes the connections of all clients, as a camera that restarts its service does."""
        self._tell("hang-up")

    def _tell(self, line: str) -> None:
        assert self._process is not None, "the camera was not started"
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_S)
        line = self._process.stdout.readline().strip() if ready else ""
        if not line:
            raise RuntimeError(f"the camera's process said nothing in {_START_S:g} s, or has ended")
        return line


def write_units(video: Path, units: Path) -> str:
    """Writes the pictures of a video as they are encoded, for the camera's process to send.

    Returns:
        "h264" or "h265".
    """
    import av

    with av.open(str(video)) as container, units.open("wb") as out:
        stream = container.streams.video[0]
        kind = {"h264": "h264", "hevc": "h265"}[stream.codec_context.name]
        to_stream = av.BitStreamFilterContext(
            f"{stream.codec_context.name}_mp4toannexb", in_stream=stream
        )
        packets = [p for p in container.demux(stream) if p.size]
        step = round(1_000_000_000 / (stream.average_rate or 25))
        lead = min(p.pts for p in packets)
        for index, packet in enumerate(packets):
            unit_ns = (packet.pts - lead) * packet.time_base * 1_000_000_000
            dts_ns = index * step
            for whole in to_stream.filter(packet):
                out.write(_UNIT.pack(whole.size, round(unit_ns), dts_ns, step))
                out.write(bytes(whole))
    return kind


# What follows runs in the camera's own process.


class _Camera:
    """The server, its one stream, and the commands it takes."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstRtspServer", "1.0")
        gi.require_version("GstRtsp", "1.0")
        from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

        Gst.init(None)
        self._glib, self._gst, self._rtsp, self._server_of = GLib, Gst, GstRtsp, GstRtspServer
        self._settings = settings
        self._size = tuple(settings["size"])
        self._lost = 0.0
        self._garbled = 0.0
        self._noise = random.Random(1)
        self._elements: list[Any] = []
        self._units = _read_units(Path(settings["units"])) if settings["units"] else []
        self._loop = GLib.MainLoop()
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address("127.0.0.1")
        self._server.set_service(str(settings["port"]))
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(self._launch())
        factory.set_shared(True)
        factory.connect("media-configure", self._configure)
        if settings["user"] is not None:
            self._guard(factory)
        self._server.get_mount_points().add_factory(settings["path"], factory)

    def run(self) -> None:
        if not self._server.attach(None):
            sys.exit("cannot listen")
        self._glib.io_add_watch(
            sys.stdin.fileno(),
            self._glib.IO_IN | self._glib.IO_HUP,
            self._command,
        )
        _say(str(self._server.get_bound_port()))
        self._loop.run()

    def _launch(self) -> str:
        media, rate = self._settings["media"], self._settings["rate"]
        # Each keyframe comes with its parameter sets, from the encoder as from a file. With -1 the
        # payloader puts its own before each slice of a keyframe, and FFmpeg takes that for the
        # beginning of another picture: of several slices only the first would be whole.
        pay = {media: f"rtp{media}pay config-interval=0" for media in ("h264", "h265")}
        hurt = "identity name=hurt"
        if self._units:
            # parse gives each picture the caps that the payloader wants.
            source = f"appsrc name=units format=time block=false ! {media}parse ! {hurt}"
            return f"( {source} ! {pay[media]} name=pay0 pt=96 )"
        width, height = self._size
        encode = {
            "h264": f"x264enc threads=1 tune=zerolatency speed-preset=ultrafast key-int-max={rate}",
            "h265": f"x265enc tune=zerolatency speed-preset=ultrafast key-int-max={rate}",
            "mjpeg": "jpegenc",
        }[media]
        return (
            f"( videotestsrc is-live=true pattern={self._settings['pattern']}"
            f" ! capsfilter name=size caps={self._caps(width, height)}"
            f" ! {encode} ! {hurt} ! {pay.get(media, 'rtpjpegpay')} name=pay0 pt=96 )"
        )

    def _caps(self, width: int, height: int) -> str:
        rate = self._settings["rate"]
        return f"video/x-raw,format=I420,width={width},height={height},framerate={rate}/1"

    def _configure(self, _factory: Any, media: Any) -> None:
        element = media.get_element()
        self._elements = [element]
        element.get_by_name("hurt").set_property("drop-probability", self._lost)
        if self._units:
            source = element.get_by_name("units")
            source.connect("need-data", _Feeder(self).feed)
        else:
            self._resize(element)

    def _resize(self, element: Any) -> None:
        caps = self._gst.Caps.from_string(self._caps(*self._size))
        element.get_by_name("size").set_property("caps", caps)

    def _guard(self, factory: Any) -> None:
        of = self._server_of
        auth = of.RTSPAuth()
        token = of.RTSPToken.new()
        token.set_string("media.factory.role", "viewer")
        user, password = self._settings["user"], self._settings["password"]
        if self._settings["digest"]:
            auth.set_supported_methods(self._rtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        else:
            auth.add_basic(of.RTSPAuth.make_basic(user, password), token)
        self._server.set_auth(auth)
        rights = of.RTSPPermissions()
        for right in ("media.factory.access", "media.factory.construct"):
            rights.add_permission_for_role("viewer", right, True)
        factory.set_permissions(rights)

    def _command(self, *_: object) -> bool:
        line = sys.stdin.readline()
        if not line:
            self._loop.quit()  # the test has gone
            return False
        word, *rest = line.split()
        if word == "size":
            self._size = (int(rest[0]), int(rest[1]))
            for element in self._elements:
                self._resize(element)
        elif word == "lose":
            self._lost = float(rest[0])
            for element in self._elements:
                element.get_by_name("hurt").set_property("drop-probability", self._lost)
        elif word == "garble":
            self._garbled = float(rest[0])
        elif word == "hang-up":
            remove = self._server_of.RTSPFilterResult.REMOVE
            self._server.client_filter(lambda _server, _client: remove)
        _say("done")
        return True

    def unit(self, index: int) -> Any:
        """A file's picture as GStreamer's buffer; the file begins again at its end."""
        rounds, at = divmod(index, len(self._units))
        pts_ns, dts_ns, step_ns, data = self._units[at]
        length_ns = step_ns * len(self._units)
        if self._garbled and self._noise.random() < self._garbled:
            data = _garbled(data, self._noise)
        buffer = self._gst.Buffer.new_wrapped(data)
        buffer.pts = pts_ns + rounds * length_ns
        buffer.dts = dts_ns + rounds * length_ns
        buffer.duration = step_ns
        return buffer


class _Feeder:
    """Hands one client's stream the file's pictures, as it asks for them."""

    def __init__(self, camera: _Camera) -> None:
        self._camera = camera
        self._next = 0

    def feed(self, source: Any, _wanted: int) -> None:
        source.emit("push-buffer", self._camera.unit(self._next))
        self._next += 1


def _read_units(path: Path) -> list[tuple[int, int, int, bytes]]:
    data, at, units = path.read_bytes(), 0, []
    while at < len(data):
        size, pts_ns, dts_ns, step_ns = _UNIT.unpack_from(data, at)
        at += _UNIT.size
        units.append((pts_ns, dts_ns, step_ns, data[at : at + size]))
        at += size
    return units


def _garbled(data: bytes, noise: random.Random) -> bytes:
    """The unit with noise in each slice; parameter sets and start codes stay."""
    parts = data.split(b"\0\0\1")
    for index, part in enumerate(parts):
        if part and part[0] & 0x1F in (1, 5):
            filler = bytes(noise.randrange(4, 256) for _ in range(len(part) - 1))
            parts[index] = part[:1] + filler
    return b"\0\0\1".join(parts)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _Camera(json.loads(sys.argv[1])).run()
