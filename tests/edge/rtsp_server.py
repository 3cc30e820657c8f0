"""A network camera in a process of its own, which tests can freeze, kill and start again.

`RtspServer` is the test's end; the camera itself is `rtsp_camera`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.edge.rtsp_camera import UNIT

_PYTHON = "/usr/bin/python3"
_CAMERA = Path(__file__).with_name("rtsp_camera.py")
_PROBE = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0');"
    "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    "assert all(map(Gst.ElementFactory.find, ('x264enc', 'rtph264pay', 'h264parse')))"
)
_START_S = 20.0


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
            [_PYTHON, str(_CAMERA), settings],
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
        """Fills this part of a file's pictures with noise from now on; 0 ends it.

        Of some, a decoder patches up a picture; with 1, nothing can be decoded any more.
        """
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
                out.write(UNIT.pack(whole.size, round(unit_ns), dts_ns, step))
                out.write(bytes(whole))
    return kind
