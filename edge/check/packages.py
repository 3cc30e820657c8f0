"""What the outputs need to be installed."""

from __future__ import annotations

from faceguard.edge.config.model import Config
from faceguard.edge.doctor.child import ask
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.serving import rtsp_server, web_server


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
        found.append(rtsp_server("rtsp", State.WARNING))
    if out.mjpeg is not None:
        found.append(web_server("mjpeg", State.WARNING))
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
