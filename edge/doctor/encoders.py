"""PyAV, its FFmpeg, and which encoders open on this machine."""

from __future__ import annotations

from faceguard.edge.doctor.child import ask
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.jetson import Jetson
from faceguard.edge.doctor.libraries import judge

_WHEEL = "pip install --force-reinstall --only-binary :all: av"
_ON_CPU = {
    "libx264": "H.264 on the CPU, the default",
    "libx265": "H.265 on the CPU",
    "libvpx-vp9": "VP9 on the CPU, for .webm",
}
_IN_HARDWARE = {
    "h264_nvenc": "H.264 in an NVIDIA GPU",
    "h264_v4l2m2m": "H.264 in a board's own encoder",
}


def check_av(jetson: Jetson | None) -> list[Finding]:
    """PyAV, FFmpeg, and the encoders; each was tried by opening it.

    Args:
        jetson: The Jetson that this is; None for any other machine.

    Returns:
        A finding for PyAV, and one for each encoder where PyAV can be loaded.
    """
    told = ask("av")
    finding = judge("PyAV", "av", told)
    if finding.state is State.MISSING:
        return [finding]
    detail = f"{finding.detail}, FFmpeg {told['ffmpeg'] or 'of unknown version'}"
    detail += f" (libavcodec {told['avcodec']})"
    found = [Finding("PyAV", finding.state, detail, finding.mend)]
    encoders: dict[str, str] = told["encoders"]
    return found + [judge_encoder(name, how, jetson) for name, how in encoders.items()]


def judge_encoder(name: str, how: str, jetson: Jetson | None) -> Finding:
    """Turns what the probe said of an encoder into a finding.

    Args:
        name: FFmpeg's name.
        how: `opens`, `listed` (it is in this FFmpeg but does not open) or `absent`.
        jetson: The Jetson that this is; None for any other machine.

    Returns:
        MISSING only for libx264, without which no video can be written by default.
    """
    label = f"encoder {name}"
    if name in _IN_HARDWARE:
        purpose = _IN_HARDWARE[name]
        if how == "opens":
            return Finding(label, State.OK, purpose)
        if jetson is not None and not jetson.has_nvenc:
            return Finding(label, State.NOTE, f"{purpose}: this board has none, libx264 does it")
        lack = "not in this FFmpeg" if how == "absent" else "does not open here"
        return Finding(label, State.NOTE, f"{purpose}: {lack}, libx264 does it")
    purpose = _ON_CPU[name]
    if how == "opens":
        return Finding(label, State.OK, purpose)
    state = State.MISSING if name == "libx264" else State.NOTE
    lack = "not in this FFmpeg" if how == "absent" else "in this FFmpeg but does not open"
    return Finding(label, state, f"{purpose}: {lack}", _WHEEL)
