"""Damage that is counted, and times that grow, whatever a stream does."""

from __future__ import annotations

from fractions import Fraction

import av
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.cameras.decoding import Pictures, Timeline
from tests.edge import videos

CLOCK = Fraction(1, 90_000)
SECOND_NS = 1_000_000_000


def test_patched_up_pictures_are_given_and_counted(tmp_path):
    clip = videos.make(tmp_path / "clip.h264", frames=40, size=(320, 240), options={"bf": "0"})
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        pictures = Pictures(stream)
        given_, damaged = 0, []
        for index, packet in enumerate(container.demux(stream)):
            if index == 8:
                packet = half_wrong(packet)
            given_ += len(pictures.decode(packet)) if packet.size else 0
            damaged.append(pictures.take_damaged())
            assert pictures.in_a_row == damaged[-1]
    assert given_ == 40
    assert [index for index, count in enumerate(damaged) if count] == [8]


def half_wrong(packet: av.Packet) -> av.Packet:
    data = bytes(packet)
    half = len(data) // 2
    other = av.Packet(data[:half] + bytes(byte ^ 255 for byte in data[half:]))
    other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
    other.stream = packet.stream
    return other


def test_steps_are_the_cameras_own_and_not_the_networks():
    timeline = Timeline()
    shaken_ns = [0, 90, 40, 130, 150, 260]  # ms at which they arrive, beside 40 ms each
    placed = [
        timeline.place(3600 * index, CLOCK, SECOND_NS + index * 40_000_000 + late * 1_000_000)
        for index, late in enumerate(shaken_ns)
    ]
    assert placed == [SECOND_NS + index * 40_000_000 for index in range(6)]


def test_without_stamps_arrival_counts():
    timeline = Timeline()
    assert timeline.place(None, CLOCK, 5 * SECOND_NS) == 5 * SECOND_NS
    assert timeline.place(None, None, 6 * SECOND_NS) == 6 * SECOND_NS
    # The first stamp is taken to be of the moment it arrives at.
    assert timeline.place(90_000, CLOCK, 7 * SECOND_NS) == 7 * SECOND_NS
    assert timeline.place(180_000, CLOCK, 8 * SECOND_NS + 5_000) == 8 * SECOND_NS


def test_a_clock_that_is_set_back_or_forward_begins_anew():
    timeline = Timeline()
    assert timeline.place(900_000, CLOCK, 10 * SECOND_NS) == 10 * SECOND_NS
    assert timeline.place(0, CLOCK, 11 * SECOND_NS) == 11 * SECOND_NS
    assert timeline.place(90_000, CLOCK, 12 * SECOND_NS + 7) == 12 * SECOND_NS
    assert timeline.place(90_000_000, CLOCK, 13 * SECOND_NS) == 13 * SECOND_NS


def test_a_clock_that_drifts_is_followed():
    timeline = Timeline()
    for hour in range(200):  # 0.1 % fast
        arrived_ns = hour * 3600 * SECOND_NS
        placed = timeline.place(round(hour * 3600 * 90_000 * 1.001), CLOCK, arrived_ns)
        assert abs(placed - arrived_ns) <= SECOND_NS


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(-(2**40), 2**40)), st.integers(0, 10**10)),
        max_size=40,
    )
)
def test_times_always_grow_and_stay_near(pictures):
    timeline = Timeline()
    arrived_ns, last_ns = 0, -1
    for index, (stamp, wait_ns) in enumerate(pictures):
        arrived_ns += wait_ns
        placed = timeline.place(stamp, CLOCK, arrived_ns)
        assert placed > last_ns
        # One a millisecond is the fastest that it takes them to be.
        assert abs(placed - arrived_ns) <= SECOND_NS + index * 1_000_000
        last_ns = placed
