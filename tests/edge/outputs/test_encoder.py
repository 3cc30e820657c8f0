"""Safe frames become packets, one each; and nothing but their planes gets into them."""

from __future__ import annotations

import io
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type

from faceguard.edge.av_image import view
from faceguard.edge.meters import Meters
from faceguard.edge.outputs import h264
from faceguard.edge.outputs.h264 import only_slices
from faceguard.edge.pool import ImagePool
from faceguard.edge.redact import redact
from faceguard.edge.style import Style
from faceguard.edge.types import Cover, Frame, PixelFormat
from faceguard.engines.errors import OutputError
from tests.edge.outputs.recorded import (
    SIZE,
    Heap,
    encoded,
    encoder,
    image,
    safe,
    shown,
)
from tests.edge.outputs.waiting import until

MARK = b"NOT FOR ANYONE'S EYES"


def unit_types(data: bytes) -> list[int]:
    return [unit[0] & 31 for unit in data.split(b"\0\0\1")[1:]]


def test_each_frame_gives_its_packet_at_once():
    heap = Heap()
    room = encoder(heap)
    for number in range(60):
        room.take(safe(number))
        assert len(heap.packets) == number + 1
    assert [packet.pts for packet in heap.packets] == [n * 3600 for n in range(60)]
    assert [packet.index for packet in heap.packets] == list(range(60))
    assert {packet.duration for packet in heap.packets} == {3600}
    assert [shown(frame) for frame in heap.decoded()] == list(range(60))


def test_what_comes_out_is_what_went_in():
    frames = [safe(number, noise=True) for number in range(3)]
    heap = Heap()
    heap.packets = encoded(frames, crf=1, most_kbps=None)
    for frame, decoded in zip(frames, heap.decoded(), strict=True):
        for want, got in zip(frame.image.planes, view(decoded).planes, strict=True):
            assert np.abs(want.astype(int) - got).mean() < 2


@pytest.mark.parametrize("form", [PixelFormat.NV12, PixelFormat.GRAY])
@pytest.mark.parametrize("full_range", [False, True])
def test_other_formats_and_ranges(form, full_range):
    heap = Heap()
    heap.packets = encoded([safe(n, form=form, full_range=full_range) for n in range(3)], crf=1)
    decoded = heap.decoded()
    assert [shown(frame) for frame in decoded] == [0, 1, 2]
    # H.264 says nothing where the range is television's.
    assert {frame.color_range == 2 for frame in decoded} == {full_range}
    luma, *chroma = view(decoded[0]).planes
    assert np.abs(luma.astype(int) - image(0, form=form).planes[0]).mean() < 2
    assert all(np.abs(plane.astype(int) - 128).max() < 3 for plane in chroma)


def test_keyframes_come_by_time():
    # 25 frames a second, then one in two seconds: counting frames would be wrong.
    times = [*range(50), *range(50, 500, 50)]
    packets = encoded(safe(n, pts=at) for n, at in enumerate(times))
    keys = [packet.pts // 3600 for packet in packets if packet.keyframe]
    assert keys == [0, 25, *range(50, 500, 50)]


def test_a_keyframe_for_whoever_asks():
    heap = Heap()
    room = encoder(heap, keyframe_s=60)
    for number in range(20):
        if number in (7, 8, 15):
            asker = threading.Thread(target=room.request_keyframe)
            asker.start()
            asker.join()
        room.take(safe(number))
    assert [p.index for p in heap.packets if p.keyframe] == [0, 7, 8, 15]
    # A decoder may really begin there.
    heap.packets = heap.packets[15:]
    assert [shown(frame) for frame in heap.decoded()] == [15, 16, 17, 18, 19]


def test_another_size_or_kind_is_a_new_stream():
    frames = [safe(0), safe(1), safe(2, size=(160, 64)), safe(3, size=(160, 64))]
    frames += [safe(4, full_range=True), safe(5, form=PixelFormat.NV12), safe(6)]
    heap = Heap()
    heap.packets = encoded(frames)
    assert [packet.format.number for packet in heap.packets] == [1, 1, 2, 2, 3, 4, 5]
    assert heap.packets[2].format.width == 160
    assert heap.packets[2].format.extradata != heap.packets[0].format.extradata
    assert [shown(frame) for frame in heap.decoded()] == list(range(7))


def test_times_always_grow():
    # Twice the same, one step back, then a time line that began anew.
    packets = encoded(safe(n, pts=at) for n, at in enumerate([100, 101, 101, 100, 102, 5, 6, 7]))
    times = [packet.pts for packet in packets]
    assert times == sorted(set(times))
    # In the new time line frames keep their distance.
    assert np.diff(times[4:]).tolist() == [3600, 3600, 3600]


def test_the_limit_holds():
    size = (320, 240)
    packets = encoded((safe(n, noise=True, size=size) for n in range(100)), most_kbps=500)
    # Four seconds, and the buffer of one more; noise alone would take many times as much.
    assert sum(len(packet.data) for packet in packets) * 8 < 500_000 * 5 * 1.1


def test_lossless_is_not_taken_at_its_word():
    heap = Heap()
    heap.packets = encoded([safe(0)], crf=0)
    assert heap.packets[0].format.extradata[5] == 100  # profile_idc of High


def test_only_safe_frames():
    heap = Heap()
    room = encoder(heap)
    bare = Frame(image(0), 0, 0, Fraction(1, 25))
    with pytest.raises(TypeError, match="SafeFrame, not Frame"):
        room.take(bare)
    with room:
        room.start()
        room.offer(bare)
        until(lambda: room.meters.value("output_failures_total", output="encoder") == 1)
    assert heap.packets == []


def emulated(payload: bytes) -> bytes:
    """With the bytes that keep a payload from looking like a start code."""
    out = bytearray()
    for byte in payload:
        if len(out) >= 2 and out[-1] == out[-2] == 0 and byte <= 3:
            out.append(3)
        out.append(byte)
    return bytes(out)


def sei(kind: int, payload: bytes) -> bytes:
    """A unit of supplemental information, as H.264 annex D has it."""
    return b"\0\0\0\1\x06" + emulated(bytes([kind, len(payload)]) + payload) + b"\x80"


def captioned(frames: int = 5) -> list[av.VideoFrame]:
    """Decoded frames that carry captions and user data, as a camera may send them."""
    triples = b"".join(b"\xfc" + MARK[at : at + 2].ljust(2) for at in range(0, len(MARK), 2))
    count = len(triples) // 3
    captions = b"\xb5\x00\x31GA94\x03" + bytes([0x40 | count, 0xFF]) + triples + b"\xff"
    units = sei(4, captions) + sei(5, bytes(range(16)) + MARK)
    packets = encoded(safe(number) for number in range(frames))
    stream = packets[0].format.extradata + b"".join(units + p.data for p in packets)
    with av.open(io.BytesIO(stream), format="h264") as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("walls", [2, 1])
def test_captions_and_user_data_stay_inside(walls, monkeypatch):
    if walls == 1:  # even without the one that lets only slices pass
        monkeypatch.setattr(h264, "only_slices", bytes)
    frames = captioned()
    assert len(frames) == 5
    assert frames[0].side_data.get(Type.A53_CC)
    assert frames[0].side_data.get(Type.SEI_UNREGISTERED)
    # libx264 left to itself writes them out again.
    naive = av.CodecContext.create("libx264", "w")
    naive.width, naive.height, naive.pix_fmt = *SIZE, "yuv420p"
    naive.time_base = Fraction(1, 25)
    naive.options = {"tune": "zerolatency", "udu_sei": "1"}
    out = b"".join(bytes(p) for f in [*captioned(), None] for p in naive.encode(f))
    assert MARK in out
    assert b"GA94" in out

    heap = Heap()
    room = encoder(heap)
    for number, frame in enumerate(frames):
        bare = Frame(view(frame), number, number, Fraction(1, 25))
        room.take(redact(bare, Cover(), Style()))
    room.shut(broken=False)
    for packet in heap.packets:
        assert MARK not in packet.data
        assert b"GA94" not in packet.data
        if walls == 2:
            assert set(unit_types(packet.data)) <= {1, 5}
    assert [shown(frame) for frame in heap.decoded()] == list(range(5))
    if walls == 2:  # else libx264 tells its version and options
        assert [len(frame.side_data) for frame in heap.decoded()] == [0] * 5


def test_only_slices_pass():
    slices = b"\0\0\1\x65\x88\x84" + b"\0\0\0\1\x41\x9a\x01"
    assert only_slices(slices) is slices
    mixed = b"\0\0\0\1\x09\xf0" + sei(5, bytes(16) + MARK) + slices + sei(4, b"\0\0\1" + MARK)
    assert only_slices(mixed) == b"\0\0\0\1\x65\x88\x84" + b"\0\0\0\1\x41\x9a\x01"
    assert only_slices(sei(5, MARK)) == b""
    assert only_slices(b"") == b""


def test_no_picture_of_the_pool_is_held_on_to():
    pool = ImagePool(PixelFormat.I420, *SIZE, 3)
    room = encoder(Heap())
    for number in range(12):
        picture = pool.take()
        picture.planes[0][...] = image(number).planes[0]
        room.take(redact(Frame(picture, number, number, Fraction(1, 25)), Cover(), Style()))
        del picture
        assert pool.free == 3


@pytest.mark.parametrize(
    "odd", [{"size": (129, 48)}, {"form": PixelFormat.I422}, {"form": PixelFormat.I420_10}]
)
def test_what_cannot_be_encoded(odd):
    with pytest.raises(OutputError, match="not taken"):
        encoder(Heap()).take(safe(0, **odd))


def test_after_a_failure_a_new_stream_begins():
    heap, meters = Heap(), Meters()
    with encoder(heap, meters=meters) as room:
        room.start()
        room.offer(safe(0))
        room.offer(safe(1, form=PixelFormat.I422))
        until(lambda: meters.value("output_failures_total", output="encoder") == 1)
        number = 2
        while len(heap.packets) < 3:
            room.offer(safe(number))
            until(lambda: len(room._slot) == 0)
            number += 1
    assert heap.packets[0].format.number == 1
    assert heap.packets[1].keyframe
    assert heap.packets[1].format.number > 1
    assert len(heap.decoded()) >= 3


def test_figures():
    meters = Meters()
    room = encoder(Heap(), meters=meters)
    room.take(safe(0, captured_ns=time.monotonic_ns()))
    assert meters.value("stage_seconds_count", stage="encode") == 1
    assert meters.value("encoded_latency_seconds_count") == 1
    assert meters.value("encoder_lag_seconds") > 0


def test_it_ends_and_leaves_no_thread():
    before = threading.active_count()
    heap = Heap()
    room = encoder(heap)
    room.start()
    for number in range(3):
        room.offer(safe(number))
    room.finish()
    assert room.join(10)
    assert len(heap.packets) == 3
    assert threading.active_count() == before
