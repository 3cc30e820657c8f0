"""Events are whole lines of JSON without pixels, whatever happens to the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.config.outputs import EventsOutput
from faceguard.edge.events import Event
from faceguard.edge.outputs.events import EventsLog, as_line
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.waiting import open_files, until


@pytest.fixture
def opened(tmp_path, meters):
    """Makes event logs, and ends them."""
    logs = []

    def make(path: Path, keep_mb: float = 1.0) -> EventsLog:
        log = EventsLog(EventsOutput(path=path, keep_mb=keep_mb), "front", meters, Quiet(meters))
        logs.append(log)
        log.start()
        return log

    yield make
    for log in logs:
        log.close()


def lines(path: Path) -> list[dict]:
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_a_line_of_json():
    event = Event("face-appears", {"track": 3, "box": [1, 2, 3, 4], "score": 0.5}, 7, 1.9e9)
    line = as_line(event, "front")
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "time": "2030-03-17T17:46:40.000Z",
        "at_ns": 7,
        "camera": "front",
        "kind": "face-appears",
        "track": 3,
        "box": [1, 2, 3, 4],
        "score": 0.5,
    }


def test_what_is_no_number_is_null():
    fields = {"a": float("nan"), "b": float("inf"), "c": [1.0, float("-inf")]}
    told = json.loads(as_line(Event("level", fields, 1, float("nan")), "front"))
    assert (told["a"], told["b"], told["c"], told["time"]) == (None, None, [1.0, None], None)


def test_a_field_cannot_take_the_place_of_the_time_or_kind():
    told = json.loads(as_line(Event("level", {"kind": "x", "camera": "y"}, 1, 0.0), "front"))
    assert (told["kind"], told["camera"]) == ("level", "front")


@pytest.mark.parametrize(
    "value",
    [
        b"\x00\x01",
        bytearray(4),
        memoryview(b"1234"),
        np.zeros((4, 4), np.uint8),
        np.zeros(4),
        np.uint8(4),
        [[1, 2], [3, 4]],
        [b"1"],
        ["AAAA"],
        list(range(1000)),
        {"pixels": 1},
        Path("picture.jpg"),
        object(),
    ],
)
def test_pixels_are_refused_before_anything_is_written(value, opened, tmp_path, meters):
    with pytest.raises(TypeError):
        as_line(Event("face-appears", {"picture": value}), "front")
    log = opened(tmp_path / "events.jsonl")
    log.offer(Event("face-appears", {"picture": value}))
    log.offer(Event("stopping"))
    until(lambda: lines(tmp_path / "events.jsonl"), missing=FileNotFoundError)
    assert [line["kind"] for line in lines(tmp_path / "events.jsonl")] == ["stopping"]
    assert meters.value("output_dropped_total", output="events") == 1
    assert meters.value("output_failures_total", output="events") == 0


def test_a_long_text_is_cut():
    assert len(as_line(Event("level", {"reason": "x" * 10_000}), "front")) < 1000


FIELD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.floats(), max_size=8),
)


@given(st.dictionaries(st.text(), FIELD, max_size=6), st.text(), st.floats(), st.integers())
def test_any_event_is_one_line_that_strict_json_reads(fields, kind, wall_s, at_ns):
    line = as_line(Event(kind, fields, at_ns, wall_s), "front")
    assert line.count(b"\n") == 1

    def refuse(name):
        raise AssertionError(name)

    assert json.loads(line, parse_constant=refuse)["kind"] == kind


def test_events_are_appended_in_their_order(opened, tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"kind":"before"}\n')
    log = opened(path)
    for number in range(100):
        log.offer(Event("level", {"level": number}))
    until(lambda: len(lines(path)) == 101)
    assert [line["level"] for line in lines(path)[1:]] == list(range(100))


def test_a_new_file_is_not_for_everybody(opened, tmp_path):
    path = tmp_path / "events.jsonl"
    opened(path).offer(Event("started"))
    until(path.exists)
    assert path.stat().st_mode & 0o027 == 0


def test_a_half_line_of_a_power_cut_is_ended_first(opened, tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"kind":"whole"}\n{"kind":"ha')
    opened(path).offer(Event("started"))
    until(lambda: path.read_text().count("\n") == 3)
    assert json.loads(path.read_text().splitlines()[2])["kind"] == "started"


def test_beyond_its_size_the_file_is_put_aside(opened, tmp_path):
    path, aside = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    log = opened(path, keep_mb=0.002)
    for number in range(100):
        log.offer(Event("level", {"level": number}))
    log.finish()
    assert log.join(10)
    assert path.stat().st_size <= 2000
    assert aside.stat().st_size <= 2000
    numbers = [line["level"] for line in lines(aside) + lines(path)]
    assert numbers == list(range(numbers[0], 100))
    assert sorted(tmp_path.iterdir()) == [path, aside]


def test_a_file_that_is_moved_away_is_made_anew(opened, tmp_path):
    path, moved = tmp_path / "events.jsonl", tmp_path / "events.old"
    log = opened(path)
    log.offer(Event("started"))
    until(lambda: lines(path), missing=FileNotFoundError)
    path.rename(moved)
    until(path.exists)
    log.offer(Event("stopping"))
    until(lambda: lines(path))
    assert [line["kind"] for line in lines(moved)] == ["started"]
    assert [line["kind"] for line in lines(path)] == ["stopping"]


def test_a_full_disk_leaves_whole_lines_and_goes_on_when_there_is_room(small_disk, opened, meters):
    path, filler = small_disk / "events.jsonl", small_disk / "filler"
    log = opened(path, keep_mb=10)
    with filler.open("wb") as file:
        file.write(b"x" * 236_000)
    number = 0

    def failed():
        nonlocal number
        log.offer(Event("level", {"number": number, "reason": "x" * 400}))
        number += 1
        return meters.value("output_failures_total", output="events") > 0

    until(failed)
    assert lines(path)
    filler.unlink()
    before = len(lines(path))

    def grew():
        log.offer(Event("level"))
        return len(lines(path)) > before

    until(grew)
    assert meters.value("output_up", output="events") == 1


def test_a_pipe_without_a_reader_holds_nobody(opened, tmp_path, meters):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    log = opened(path)
    log.offer(Event("started"))
    until(lambda: meters.value("output_failures_total", output="events") > 0)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:

        def came():
            log.offer(Event("stopping"))
            try:
                return os.read(reader, 10_000)
            except BlockingIOError:
                return b""

        assert json.loads(until(came).splitlines()[0])["kind"] == "stopping"
    finally:
        os.close(reader)


def test_a_folder_that_is_not_there_is_made(opened, tmp_path):
    path = tmp_path / "some" / "where" / "events.jsonl"
    opened(path).offer(Event("started"))
    until(lambda: lines(path), missing=FileNotFoundError)


def test_a_folder_that_cannot_be_made_is_one_line_in_the_log(opened, tmp_path, meters, caplog):
    (tmp_path / "nowhere").write_text("a file")
    opened(tmp_path / "nowhere" / "events.jsonl").offer(Event("started"))
    until(lambda: meters.value("output_failures_total", output="events") > 0)
    until(lambda: caplog.records)
    (said,) = {record.getMessage() for record in caplog.records}
    assert "events.jsonl: cannot be written: File exists" in said
    assert "\n" not in said


def test_a_link_is_not_followed(opened, tmp_path, meters, caplog):
    (tmp_path / "outside").write_text("half a line")
    (tmp_path / "events.jsonl").symlink_to(tmp_path / "outside")
    opened(tmp_path / "events.jsonl").offer(Event("started"))
    until(lambda: meters.value("output_failures_total", output="events") and caplog.records)
    assert "it is a link, which is not followed" in caplog.records[0].getMessage()
    assert (tmp_path / "outside").read_text() == "half a line"


def test_a_link_that_takes_the_file_s_place_is_not_followed(opened, tmp_path, meters):
    path, moved = tmp_path / "events.jsonl", tmp_path / "events.old"
    log = opened(path)
    log.offer(Event("started"))
    until(lambda: lines(path), missing=FileNotFoundError)
    path.rename(moved)
    path.symlink_to(moved)
    until(lambda: meters.value("output_failures_total", output="events"))
    log.offer(Event("stopping"))
    log.finish()
    assert log.join(10)
    assert len(lines(moved)) == 1


def test_nothing_is_left_after_the_end(tmp_path, meters):
    files, threads = open_files(), threading.active_count()
    for _ in range(20):
        settings = EventsOutput(path=tmp_path / "events.jsonl")
        with EventsLog(settings, "front", meters, Quiet(meters)) as log:
            log.start()
            log.offer(Event("started"))
    assert open_files() == files
    assert threading.active_count() == threads
    assert len(lines(tmp_path / "events.jsonl")) == 20


TO_STDOUT = """
import sys, time
from pathlib import Path
from faceguard.edge.config.outputs import EventsOutput
from faceguard.edge.events import Event
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.events import EventsLog
from faceguard.edge.service.quiet import Quiet
meters = Meters()
log = EventsLog(EventsOutput(path=Path("-")), "front", meters, Quiet(meters))
log.start()
begun = time.monotonic()
while time.monotonic() < begun + 60 and meters.value("output_failures_total", output="events") == 0:
    log.offer(Event("level"))
    time.sleep(0.001)
log.finish()
assert log.join(10)
sys.stderr.write("failed and contained" if time.monotonic() < begun + 60 else "never failed")
"""


def test_standard_output_may_break_off():
    with subprocess.Popen(
        [sys.executable, "-c", TO_STDOUT], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert json.loads(child.stdout.readline())["kind"] == "level"
        child.stdout.close()
        assert b"failed and contained" in child.stderr.read()
        assert child.wait(30) == 0


def test_standard_output_that_nobody_reads_holds_nobody():
    with subprocess.Popen(
        [sys.executable, "-c", TO_STDOUT], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        said = child.stderr.read()
        assert b"failed and contained" in said
        assert child.wait(30) == 0
        *whole, last = child.stdout.read().split(b"\n")
        assert last == b""
        assert all(json.loads(line)["kind"] == "level" for line in whole)
