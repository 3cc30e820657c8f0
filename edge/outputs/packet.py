"""Encoded video on its way to recordings and streams."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class StreamFormat:
    """What a decoder must know before the first packet.

    Attributes:
        number: Grows whenever the encoder starts anew: with another size, or after a failure.
        codec: FFmpeg's name of the codec: "h264".
        width: In pixels.
        height: In pixels.
        time_base: Seconds a unit of the packets' times.
        rate: Frames per second to expect, for containers that want to know.
        extradata: Parameter sets (SPS, PPS) in Annex B; packets do not repeat them.
    """

    number: int
    codec: str
    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    extradata: bytes


@dataclass(frozen=True)
class SafePacket:
    """One encoded picture, in Annex B; only `faceguard.edge.outputs.encoder` makes them.

    The encoder takes nothing but `SafeFrame`, so what is in here was redacted.

    Attributes:
        data: The picture's units, each behind a start code.
        pts: Presentation time in units of the format's time base; grows from packet to packet,
            since there are no B-frames.
        duration: How long it is shown, in the same units; 0 where nobody says.
        keyframe: Whether a decoder may begin here.
        captured_ns: When the camera took the picture, monotonic nanoseconds.
        format: What it belongs to; a change of its number is a new stream.
        index: One more from packet to packet: a hole tells an output that some were dropped on
            the way, and that the next picture to begin with is a keyframe.
    """

    data: bytes
    pts: int
    duration: int
    keyframe: bool
    captured_ns: int
    format: StreamFormat
    index: int = 0
