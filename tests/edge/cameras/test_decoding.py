"""Damage that is counted, and times that grow, whatever a stream does."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.cameras.decoding import Pictures, Stamps
from tests.edge import videos

MS_NS = 1_000_000
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


def placed(stamps: Stamps, pictures) -> list[int]:
    """Where pictures are placed that have a stamp (90 kHz, or None) and arrive (ns)."""
    return [stamps.place(stamp, CLOCK, arrived_ns) for stamp, arrived_ns in pictures]


def test_steps_are_the_cameras_own_and_not_the_networks():
    late_ms = [0, 90, 40, 130, 150, 260, 10]  # beside 40 ms each
    places = placed(
        Stamps(),
        [(3600 * n, SECOND_NS + (n * 40 + late) * MS_NS) for n, late in enumerate(late_ms)],
    )
    # The last part of a thousand is for a camera whose clock is slow.
    for number, place_ns in enumerate(places):
        assert place_ns == pytest.approx(SECOND_NS + number * 40 * MS_NS, abs=MS_NS)


@given(
    st.integers(-(2**40), 2**40),
    st.lists(st.integers(0, 300 * MS_NS), min_size=30, max_size=80),
    st.sampled_from([-1e-4, -3e-5, 0.0, 3e-5, 1e-4]),
)
def test_even_steps_come_out_of_a_network_that_shakes(first, late_ns, drift):
    """Where each tenth picture is not held up, all that follow the first are spaced evenly."""
    step_ns, arrived_ns, pictures = 40 * MS_NS, 0, []
    for number, late in enumerate(late_ns):
        sent_ns = round(SECOND_NS + number * step_ns * (1 + drift))
        # Nor may one that is late hold up the tenth by still being on its way.
        free_ns = round(SECOND_NS + -(-number // 10) * 10 * step_ns * (1 + drift))
        arrived_ns = max(arrived_ns, min(sent_ns + late, free_ns))
        pictures.append((first + number * 3600, arrived_ns))
    places = placed(Stamps(), pictures)
    for (_, arrived_ns), place_ns in zip(pictures, places, strict=True):
        assert place_ns <= arrived_ns
    # Ten steps of drift and of following it, and no more.
    for one_ns, next_ns in itertools.pairwise(places):
        assert abs(next_ns - one_ns - step_ns) <= MS_NS // 2


def test_what_a_camera_had_in_stock_is_not_placed_in_the_future():
    """A second of pictures comes at once, the rest as they are taken."""
    arrivals = [(n * 3600, SECOND_NS + n * MS_NS // 5) for n in range(25)]
    arrivals += [(n * 3600, SECOND_NS + (n - 24) * 40 * MS_NS) for n in range(25, 60)]
    places = placed(Stamps(), arrivals)
    for (_, arrived_ns), place_ns in zip(arrivals, places, strict=True):
        assert place_ns <= arrived_ns + 25 * MS_NS
    for one_ns, next_ns in itertools.pairwise(places[26:]):
        assert next_ns - one_ns == pytest.approx(40 * MS_NS, abs=MS_NS)


def test_without_stamps_arrival_counts():
    stamps = Stamps()
    assert stamps.place(None, CLOCK, 5 * SECOND_NS) == 5 * SECOND_NS
    assert stamps.place(None, None, 6 * SECOND_NS) == 6 * SECOND_NS
    # The first stamp is taken to be of the moment it arrives at.
    assert stamps.place(90_000, CLOCK, 7 * SECOND_NS) == 7 * SECOND_NS
    late_ns = 8 * SECOND_NS + 50 * MS_NS
    assert stamps.place(180_000, CLOCK, late_ns) == pytest.approx(8 * SECOND_NS, abs=2 * MS_NS)


def test_a_clock_that_is_set_back_or_forward_begins_anew():
    stamps = Stamps()
    for stamp, second in ((900_000, 10), (0, 11), (90_000, 12), (90_000_000, 13)):
        assert stamps.place(stamp, CLOCK, second * SECOND_NS) == second * SECOND_NS


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(-(2**40), 2**40)), st.integers(0, 10**10)),
        max_size=40,
    )
)
def test_times_always_grow_and_stay_near(pictures):
    stamps = Stamps()
    arrived_ns, last_ns = 0, -1
    for index, (stamp, wait_ns) in enumerate(pictures):
        arrived_ns += wait_ns
        place_ns = stamps.place(stamp, CLOCK, arrived_ns)
        assert place_ns > last_ns
        # One a millisecond is the fastest that it takes them to be.
        assert -SECOND_NS <= place_ns - arrived_ns <= index * MS_NS
        last_ns = place_ns


@pytest.mark.parametrize("part", [1.001, 1.00003, 0.99997, 0.9995])
def test_a_clock_that_drifts_is_followed(part):
    stamps, places = Stamps(), []
    for number in range(50_000):  # more than half an hour
        arrived_ns = number * 40 * MS_NS
        places.append(stamps.place(round(number * 3600 * part), CLOCK, arrived_ns))
        assert 0 <= arrived_ns - places[-1] <= MS_NS
    for one_ns, next_ns in itertools.pairwise(places):
        assert abs(next_ns - one_ns - 40 * MS_NS) <= MS_NS // 10
