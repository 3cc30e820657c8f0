"""A camera that gives frames, but not as it should; and one that has become good again.

Time goes by as the camera says, so that hours pass in a second and a loaded machine changes
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest

from faceguard.edge.cameras.base import CameraInfo
from faceguard.edge.live.health import State
from faceguard.engines.errors import CameraLost
from tests.edge.live.shaky_camera import LIVE, Bench, Clock, Pictures, quick, wait_until

AT_30 = CameraInfo(32, 16, Fraction(30), "test picture")
SETTINGS = quick(frozen_after_s=2.0, open_within_s=10.0)


@dataclass
class Speed:
    """Frames per second that the test can change while the camera runs."""

    rate: float = 30.0

    def interval_ns(self) -> int:
        return int(1e9 / self.rate)


@pytest.mark.parametrize("info", [AT_30, LIVE], ids=["says its rate", "does not say"])
def test_a_slow_camera_is_told_and_goes_on(info):
    speed = Speed()
    run = Pictures(interval_ns=speed.interval_ns)
    with Bench(lambda _: [run], info=info, settings=SETTINGS, clock_ns=Clock()) as bench:
        # A whole window must be seen before its own rate is known, where it does not say it.
        wait_until(lambda: (bench.capture._intake.flow.own_rate or 0) > 29)
        wait_until(lambda: (bench.health.rate or 0) > 29)
        assert bench.health.state is State.UP
        speed.rate = 10.0
        wait_until(lambda: bench.health.state is State.SLOW)
        assert bench.health.cause == "slow"
        assert bench.health.gives_frames
        wait_until(lambda: bench.meters.value("camera_frames_per_second") < 11)
        # Better, but not by enough to call it well again and slow again in turns.
        speed.rate = 17.0
        wait_until(lambda: 16 < bench.meters.value("camera_frames_per_second") < 18)
        assert bench.health.state is State.SLOW
        speed.rate = 30.0
        wait_until(lambda: bench.health.state is State.UP)
        assert bench.health.cause is None
    assert bench.kinds() == ["camera-up", "camera-slow", "camera-up"]
    slow = bench.events[1].fields
    assert slow["reason"] == "slow"
    assert slow["expected"] == pytest.approx(30, rel=0.05)
    assert bench.tries == 1
    assert bench.meters.value("camera_up") == 0  # it was closed


def test_a_camera_of_few_frames_is_neither_slow_nor_frozen():
    every_3_s = CameraInfo(32, 16, Fraction(1, 3), "test picture")
    run = Pictures(interval_ns=lambda: 3_000_000_000)
    with Bench(lambda _: [run], info=every_3_s, settings=SETTINGS, clock_ns=Clock()) as bench:
        wait_until(lambda: bench.meters.value("frames_in_total") > 200)
        assert bench.tries == 1
        assert bench.health.state is State.UP


def test_mostly_damaged_pictures_are_told(caplog):
    def script(_number):
        return [
            Pictures(300, interval_ns=Speed().interval_ns),
            Pictures(600, damaged=2, interval_ns=Speed().interval_ns),
            Pictures(interval_ns=Speed().interval_ns),
        ]

    with Bench(script, info=AT_30, settings=SETTINGS, clock_ns=Clock()) as bench:
        wait_until(lambda: bench.kinds() == ["camera-up", "camera-slow", "camera-up"])
        assert bench.events[1].fields["reason"] == "corrupt"
        assert bench.events[2].fields["after"] == "corrupt"
    assert bench.meters.value("camera_damaged_total") == 1200
    assert "could not be decoded" in caplog.text


def test_ten_good_seconds_make_up_for_what_was():
    def script(number):
        if number < 6:
            return [CameraLost("gone")]
        eleven_s = Pictures(330, pause_s=0.0, interval_ns=Speed().interval_ns)
        return [eleven_s, CameraLost("gone")]

    settings = quick(
        frozen_after_s=2.0, open_within_s=10.0, retry_first_s=0.001, retry_longest_s=600.0
    )
    with Bench(script, info=AT_30, settings=settings, clock_ns=Clock()) as bench:
        # Without forgetting, the pauses would have grown to hours by now.
        wait_until(lambda: bench.tries >= 20)
        assert bench.health.failures <= 1
