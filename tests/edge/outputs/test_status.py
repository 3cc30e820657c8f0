"""The status file is always whole, holds no secret, and tells whether its writer lives."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.outputs import status_words
from faceguard.edge.outputs.status import Life, Status, StatusFile, names_in, read_status
from faceguard.edge.outputs.status_words import told, troubles
from faceguard.engines.errors import InputError, OutputError

STATE = {"pid": os.getpid(), "camera": {"state": "up"}, "size": [1280, 720]}


def test_what_is_written_is_read(tmp_path):
    with StatusFile(tmp_path, "front") as file:
        file.write(STATE)
        found = read_status(tmp_path, "front")
        assert found.life is Life.WELL
        assert found.name == "front"
        assert {key: found.state[key] for key in STATE} == STATE
        assert 0 <= found.age_s < 5
        assert names_in(tmp_path) == ["front"]
        path = tmp_path / "front.json"
        assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == []
    assert read_status(tmp_path, "front") is None


def test_the_end_may_come_before_the_first_write(tmp_path):
    StatusFile(tmp_path, "front").close()


def test_what_is_no_number_is_null(tmp_path):
    with StatusFile(tmp_path, "front") as file:
        file.write({**STATE, "rate": float("nan"), "heat": {"cpu": float("inf")}})
        found = read_status(tmp_path, "front")
    assert (found.state["rate"], found.state["heat"]) == (None, {"cpu": None})


@pytest.mark.parametrize("value", [b"\xff\xd8", np.zeros(3), list(range(1000)), object(), {1: b""}])
def test_no_pixel_gets_in(tmp_path, value):
    with StatusFile(tmp_path, "front") as file:
        file.write(STATE)
        with pytest.raises(TypeError):
            file.write({**STATE, "picture": value})
        assert read_status(tmp_path, "front").state["size"] == [1280, 720]


def test_a_reader_always_finds_a_whole_file(tmp_path):
    stop = threading.Event()
    with StatusFile(tmp_path, "front") as file:
        file.write(STATE)

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                file.write({**STATE, "notes": ["x" * (number % 500)] * 60})

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(500):
                assert read_status(tmp_path, "front").state["pid"] == os.getpid()
        finally:
            stop.set()
            writer.join()


def test_a_link_in_its_way_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".front.json.part").symlink_to(victim)
    (tmp_path / "front.json").symlink_to(victim)
    with StatusFile(tmp_path, "front") as file:
        file.write(STATE)
        assert not (tmp_path / "front.json").is_symlink()
    assert victim.read_text() == "mine"


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    with StatusFile(tmp_path / "gone", "front") as file, pytest.raises(OutputError) as refused:
        file.write(STATE)
    assert "outputs.status.folder" in str(refused.value)
    assert "\n" not in str(refused.value)


def fill(path):
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_full_disk_leaves_the_last_status_whole(small_disk):
    with StatusFile(small_disk, "front") as file:
        file.write(STATE)
        fill(small_disk / "filler")
        with pytest.raises(OutputError, match="No space"):
            file.write(STATE)
        assert read_status(small_disk, "front").state["pid"] == os.getpid()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\xff", '"x"'])
def test_another_s_file_is_told(tmp_path, text):
    (tmp_path / "front.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="no status file"):
        read_status(tmp_path, "front")


WRITES = """
import os, sys, time
from contextlib import suppress
from pathlib import Path
from faceguard.edge.outputs import status_words
from faceguard.edge.outputs.status import StatusFile
StatusFile(Path(sys.argv[1]), "front").write({"pid": os.getpid()})
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process that has written its status, and now hangs."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path)], stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        yield child
        child.kill()


def test_a_killed_writer_is_gone_at_once(tmp_path, writer):
    assert read_status(tmp_path, "front").life is Life.WELL
    writer.kill()
    writer.wait()
    found = read_status(tmp_path, "front")
    assert found.life is Life.GONE
    assert "did not end as it should" in told(found)


def test_a_zombie_is_gone(tmp_path, writer):
    writer.kill()
    os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOWAIT)
    assert read_status(tmp_path, "front").life is Life.GONE


def altered(folder: Path, **changes) -> Status:
    path = folder / "front.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return read_status(folder, "front")


def test_one_that_hangs_is_silent(tmp_path, writer):
    writer.send_signal(signal.SIGSTOP)
    found = altered(tmp_path, written_ns=time.monotonic_ns() - 7_500_000_000)
    assert found.life is Life.SILENT
    assert 7 < found.age_s < 60
    assert any("said nothing for" in one for one in troubles(found))


def test_another_process_with_the_number_is_not_it(tmp_path, writer):
    assert altered(tmp_path, pid=os.getpid()).life is Life.GONE


def test_a_status_from_before_the_machine_started_is_old(tmp_path, writer):
    found = altered(tmp_path, written_ns=time.monotonic_ns() + 10**12)
    assert (found.life, found.age_s) == (Life.GONE, None)
    assert "not running" in told(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
# Words that mean something to whoever tells, at whatever depth.
SOURCE = Path(status_words.__file__).read_text()
KEYS = st.sampled_from(sorted(set(re.findall(r'"([a-z_0-9]+)"', SOURCE)))) | st.text()
PART = JSON | st.dictionaries(KEYS, JSON, max_size=6)


@given(st.dictionaries(KEYS, PART), st.sampled_from(Life), st.none() | st.floats())
def test_whatever_another_version_wrote_is_told_without_failing(state, life, age_s):
    status = Status("front", state, life, age_s)
    assert told(status).startswith("front: ")
    assert all(isinstance(one, str) for one in troubles(status))
