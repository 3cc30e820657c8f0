"""What the outputs need to be installed."""

from __future__ import annotations

import importlib.util

from faceguard.edge.config.model import Config
from faceguard.edge.doctor.child import ask
from faceguard.edge.doctor.finding import Finding, State

_GSTREAMER = (
    "sudo apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
)


def check_outputs(config: Config) -> list[Finding]:
    """Whether there are outputs, and what each of them needs."""
    out = config.outputs
    found = []
    if not any((out.rtsp, out.recordings, out.snapshots, out.mjpeg)):
        detail = "none is on: no picture goes anywhere"
        found.append(Finding("outputs", State.WARNING, detail, "turn one on, as outputs.rtsp: {}"))
    if out.rtsp is not None or out.recordings is not None:
        found.append(_encoder())
    if out.rtsp is not None:
        found.append(_rtsp())
    if out.mjpeg is not None:
        found.append(_web())
    return found


def _encoder() -> Finding:
    # Asked in a process of its own: a broken FFmpeg may crash.
    told = ask("av")
    if "absent" in told:
        return Finding("encoder", State.FAULT, "PyAV is not installed", "pip install av")
    mend = "pip install --force-reinstall --only-binary :all: av"
    if "error" in told:
        return Finding("encoder", State.FAULT, f"PyAV cannot be loaded: {told['error']}", mend)
    if told["encoders"]["libx264"] != "opens":
        return Finding("encoder", State.FAULT, "this FFmpeg has no working libx264", mend)
    return Finding("encoder", State.OK, "libx264")


def _rtsp() -> Finding:
    from faceguard.edge.outputs.rtsp_child import find_interpreter

    interpreter = find_interpreter()
    if interpreter is None:
        detail = "no Python here has GStreamer's RTSP server (gi, GstRtspServer)"
        return Finding("rtsp", State.WARNING, detail, _GSTREAMER)
    return Finding("rtsp", State.OK, f"served by {interpreter}")


def _web() -> Finding:
    lacking = [name for name in ("starlette", "uvicorn") if not importlib.util.find_spec(name)]
    if lacking:
        detail = f"needs {' and '.join(lacking)}"
        return Finding("mjpeg", State.WARNING, detail, "pip install 'faceguard-edge[web]'")
    return Finding("mjpeg", State.OK, "starlette and uvicorn are installed")
