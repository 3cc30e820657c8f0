"""Shorter and longer clips from one clip, its packets copied and never encoded again."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av

_X264 = re.compile(rb"x264 - core (\d+)[^\x00]*?options: ([\x20-\x7e]+)")


def frame_times(clip: Path) -> list[int]:
    """Presentation times of the frames in the order they are stored, in the stream's time base."""
    with av.open(str(clip)) as source:
        packets = source.demux(source.streams.video[0])
        return [packet.pts for packet in packets if packet.pts is not None]


def first_frames(clip: Path, count: int, into: Path) -> int:
    """Copies the beginning of a clip.

    Frames are stored in another order than they are shown in, so the cut is made where nothing
    that is shown earlier is left behind.

    Args:
        clip: What to copy from.
        count: How many frames at most.
        into: What to write.

    Returns:
        How many frames there are.
    """
    stored = frame_times(clip)
    shown = sorted(stored)
    whole = (n for n in range(min(count, len(stored)), 0, -1) if max(stored[:n]) == shown[n - 1])
    frames = next(whole)
    _copy(clip, into, times=1, packets=frames)
    return frames


def repeated(clip: Path, times: int, into: Path) -> int:
    """Copies a clip several times, one after the other, into one.

    Returns:
        How many frames there are.
    """
    _copy(clip, into, times=times, packets=None)
    return len(frame_times(clip)) * times


def x264_options(video: Path) -> dict[str, str]:
    """What libx264 wrote into a stream about how it was set; empty for other encoders."""
    found = _X264.search(video.read_bytes())
    if found is None:
        return {}
    pairs = (word.partition("=") for word in found[2].decode().split())
    return {"core": found[1].decode(), **{key: value for key, _, value in pairs}}


def _copy(clip: Path, into: Path, *, times: int, packets: int | None) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    part = into.with_name("part-" + into.name)
    with av.open(str(part), "w") as target:
        shift, stream = 0, None
        for _ in range(times):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                step = round(1 / (video.average_rate or Fraction(25)) / video.time_base)
                ends = [0]
                for number, packet in enumerate(source.demux(video)):
                    if packet.dts is None or number == packets:
                        break
                    ends.append(packet.pts + (packet.duration or step))
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    target.mux(packet)
                shift += max(ends)
    part.replace(into)
