"""Numbered safe frames, what they look like when they come back, and small disks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from faceguard.edge.config.outputs import EncoderConfig
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.encoder import Encoder
from faceguard.edge.outputs.packet import SafePacket
from faceguard.edge.redact import redact
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, Image, PixelFormat, SafeFrame

BITS, BLOCK = 16, 8
SIZE = (BITS * BLOCK, 48)
RATE = 25


def image(
    number: int,
    *,
    size: tuple[int, int] = SIZE,
    form: PixelFormat = PixelFormat.I420,
    full_range: bool = False,
    noise: bool = False,
) -> Image:
    """A picture that shows its number as 16 bright or dark blocks along the top."""
    picture = Image.blank(form, *size, full_range=full_range)
    rng = np.random.default_rng(number)
    for plane in picture.planes:
        plane[...] = rng.integers(30, 220, plane.shape, plane.dtype) if noise else 128
    picture.planes[0][: 2 * BLOCK, : BITS * BLOCK] = np.repeat(
        [220 if number >> bit & 1 else 30 for bit in range(BITS)], BLOCK
    )
    return picture


def safe(number: int, *, pts: int | None = None, captured_ns: int = 0, **how) -> SafeFrame:
    at = number if pts is None else pts
    base = Fraction(1, RATE)
    frame = Frame(image(number, **how), number, at, base, 1, captured_ns)
    return redact(frame, Cover(), Style())


def shown(frame: av.VideoFrame) -> int:
    """The number that a decoded picture shows."""
    luma = frame.to_ndarray(format="gray")
    bits = luma[BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK] > 125
    return sum(int(bit) << at for at, bit in enumerate(bits))


def numbers(path: Path) -> list[int]:
    """The numbers of all pictures in a recording, which must play without an error."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"err_detect": "explode"}
        frames = list(container.decode(stream))
    times = [frame.time for frame in frames]
    assert times == sorted(set(times)), path
    return [shown(frame) for frame in frames]


class Heap:
    """A sink that keeps all packets."""

    def __init__(self) -> None:
        self.packets: list[SafePacket] = []

    def offer(self, packet: SafePacket) -> None:
        self.packets.append(packet)

    def decoded(self) -> list[av.VideoFrame]:
        """The pictures, by a decoder that knows nothing but packets and their format."""
        frames, decoder, number = [], None, None
        for packet in self.packets:
            if packet.format.number != number:
                frames += decoder.decode(None) if decoder else []
                decoder, number = av.CodecContext.create("h264", "r"), packet.format.number
                decoder.extradata = packet.format.extradata
                assert packet.keyframe
            one = av.Packet(packet.data)
            one.pts = one.dts = packet.pts
            one.time_base = packet.format.time_base
            frames += decoder.decode(one)
        return frames + (decoder.decode(None) if decoder else [])


def encoder(*sinks, rate: float | None = RATE, meters: Meters | None = None, **settings) -> Encoder:
    """An encoder that is called directly, without its thread."""
    meters = meters or Meters()
    config = EncoderConfig(**{"keyframe_s": 1.0, "threads": 1, **settings})
    return Encoder(config, meters, Quiet(meters), rate=lambda: rate, sinks=sinks)


def encoded(frames, **settings) -> list[SafePacket]:
    heap = Heap()
    room = encoder(heap, **settings)
    for frame in frames:
        room.take(frame)
    room.shut(broken=False)
    return heap.packets


@contextmanager
def tmpfs(place: Path, options: str) -> Iterator[Path]:
    """A small disk of our own."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    subprocess.run(command, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
