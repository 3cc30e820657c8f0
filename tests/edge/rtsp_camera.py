"""The process of a test's network camera: GStreamer's RTSP server and the commands it takes.

Run as a script by the system's Python, which has GstRtspServer; `rtsp_server` starts it and tells
it what to do. It listens on 127.0.0.1 only, at a port of the kernel's choice.
"""

from __future__ import annotations

import json
import random
import struct
import sys
from pathlib import Path
from typing import Any

# Before each access unit: its size, its times in nanoseconds, its length in time.
UNIT = struct.Struct("<IQQQ")


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
            data = _garbled(data, self._noise, wholly=self._garbled >= 1)
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
        size, pts_ns, dts_ns, step_ns = UNIT.unpack_from(data, at)
        at += UNIT.size
        units.append((pts_ns, dts_ns, step_ns, data[at : at + size]))
        at += size
    return units


# First block 0, and then a kind of slice from 31 on, where H.264 has ten.
_NO_SUCH_SLICE = b"\x82"


def _garbled(data: bytes, noise: random.Random, *, wholly: bool) -> bytes:
    """The unit with noise in each slice; parameter sets and start codes stay.

    Noise alone is now and then a slice that FFmpeg makes some picture of; wholly garbled, none is.
    """
    parts = data.split(b"\0\0\1")
    for index, part in enumerate(parts):
        if part and part[0] & 0x1F in (1, 5):
            filler = bytes(noise.randrange(4, 256) for _ in range(len(part) - 1))
            parts[index] = part[:1] + (_NO_SUCH_SLICE if wholly else b"") + filler
    return b"\0\0\1".join(parts)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _Camera(json.loads(sys.argv[1])).run()
