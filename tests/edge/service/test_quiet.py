"""A thing is said once, and then how often."""

from __future__ import annotations

import logging
import threading

from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet

LOG = logging.getLogger("faceguard.test.quiet")


def heard(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_the_first_at_once_and_then_how_many(caplog):
    now_s, meters = [100.0], Meters()
    quiet = Quiet(meters, clock_s=lambda: now_s[0])
    for _ in range(1000):
        quiet.say(LOG, logging.ERROR, "detector", "the detector failed")
    quiet.say(LOG, logging.ERROR, "disk", "the disk is full")
    assert heard(caplog) == ["the detector failed", "the disk is full"]
    assert meters.value("log_lines_held_back_total") == 999
    now_s[0] += 301
    quiet.say(LOG, logging.ERROR, "detector", "the detector failed")
    quiet.say(LOG, logging.ERROR, "disk", "the disk is full")
    assert heard(caplog)[2:] == [
        "the detector failed (and 999 more like this)",
        "the disk is full",
    ]


def test_what_is_over_is_said_anew_at_once(caplog):
    quiet = Quiet(clock_s=lambda: 0.0)
    quiet.say(LOG, logging.ERROR, "camera", "gone")
    quiet.say(LOG, logging.ERROR, "camera", "gone")
    quiet.over("camera")
    quiet.over("never said")
    quiet.say(LOG, logging.ERROR, "camera", "gone again")
    assert heard(caplog) == ["gone", "gone again"]


def test_percent_signs_are_no_formatting(caplog):
    Quiet(clock_s=lambda: 0.0).say(LOG, logging.ERROR, "x", "100 % of %s and %d")
    assert heard(caplog) == ["100 % of %s and %d"]


@given(keys=st.lists(st.integers(0, 400), max_size=1000))
def test_memory_has_a_limit(keys):
    quiet = Quiet(clock_s=lambda: 0.0)
    for key in keys:
        quiet.say(LOG, logging.DEBUG, f"key {key}", "x")
    assert len(quiet._said) <= 200


def test_from_many_threads_one_line(caplog):
    quiet, meters = None, Meters()
    quiet = Quiet(meters, clock_s=lambda: 0.0)
    gate = threading.Barrier(8)

    def speak() -> None:
        gate.wait(10)
        for _ in range(100):
            quiet.say(LOG, logging.ERROR, "same", "same")

    threads = [threading.Thread(target=speak) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert heard(caplog) == ["same"]
    assert meters.value("log_lines_held_back_total") == 799
