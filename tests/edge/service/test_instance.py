"""One instance a camera and a name, whatever becomes of the first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from faceguard.edge.service.instance import OneInstance
from faceguard.engines.errors import AlreadyRunning, OutputError
from tests.edge.service.left import descriptors

HOLD = """
import sys
from contextlib import suppress
from pathlib import Path
from faceguard.edge.service.instance import OneInstance
with OneInstance(sys.argv[1], sys.argv[2], Path(sys.argv[3])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(identity: str, name: str, folder: Path) -> subprocess.Popen[str]:
    """Another process that holds a camera until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, identity, name, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_one_is_refused_until_the_first_is_killed(tmp_path):
    with hold("v4l2-abc", "front", tmp_path) as first:
        with pytest.raises(AlreadyRunning) as caught:
            OneInstance("v4l2-abc", "back", tmp_path, shown="/dev/video0")
        assert caught.value.exit_code == 10
        assert str(caught.value) == (
            f"/dev/video0 is used by faceguard with process id {first.pid}; "
            f"stop it: systemctl stop faceguard, or kill {first.pid}"
        )
        with pytest.raises(AlreadyRunning, match="the name 'front' is used"):
            OneInstance("v4l2-def", "front", tmp_path)
        # What was refused holds nothing: neither the other camera nor the other name.
        with OneInstance("v4l2-def", "back", tmp_path):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert len(list(tmp_path.iterdir())) == 4
        with OneInstance("v4l2-abc", "front", tmp_path):
            assert f"{os.getpid()}\n" in {path.read_text() for path in tmp_path.iterdir()}


def test_an_orderly_end_frees_it(tmp_path):
    with OneInstance("csi-0", "front", tmp_path), pytest.raises(AlreadyRunning):
        OneInstance("csi-0", "back", tmp_path)
    held = OneInstance("csi-0", "front", tmp_path)
    held.close()
    held.close()
    with OneInstance("csi-0", "front", tmp_path):
        pass


def test_without_an_identity_only_the_name_counts(tmp_path):
    with OneInstance(None, "one", tmp_path), OneInstance(None, "two", tmp_path):
        with pytest.raises(AlreadyRunning):
            OneInstance(None, "one", tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"name-one.lock", "name-two.lock"}


def test_an_identity_never_tells_an_address_or_leaves_the_folder(tmp_path):
    address = "rtsp://user:secret@192.0.2.7/../../live"
    with OneInstance(address, "front", tmp_path):
        assert not any("192" in path.name for path in tmp_path.iterdir())
        with pytest.raises(AlreadyRunning) as caught:
            OneInstance(address, "back", tmp_path)
    assert "192" not in str(caught.value)
    assert "this camera" in str(caught.value)


def test_a_file_removed_under_its_holder_does_not_confuse_the_next(tmp_path):
    """Someone cleaned up: the next one makes a new file and holds that one."""
    with OneInstance(None, "front", tmp_path):
        (tmp_path / "name-front.lock").unlink()
        with (
            OneInstance(None, "front", tmp_path),
            pytest.raises(AlreadyRunning),
        ):
            OneInstance(None, "front", tmp_path)


def test_a_lock_without_a_number(tmp_path):
    with OneInstance(None, "front", tmp_path):
        (tmp_path / "name-front.lock").write_text("")
        with pytest.raises(AlreadyRunning, match="by another faceguard"):
            OneInstance(None, "front", tmp_path)


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="cannot be opened"):
        OneInstance(None, "front", tmp_path / "missing")
    (tmp_path / "name-front.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="cannot be opened"):
        OneInstance(None, "front", tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_still_locks(small_disk):
    (small_disk / "name-front.lock").touch()
    (small_disk / "filler").write_bytes(bytes(220 * 1024))
    with (small_disk / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(bytes(512))
    with OneInstance(None, "front", small_disk), pytest.raises(AlreadyRunning, match="another"):
        OneInstance(None, "front", small_disk)


def test_no_descriptor_is_left_and_none_is_inherited(tmp_path):
    before = descriptors()
    with OneInstance("csi-0", "front", tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
        for _ in range(10):
            with pytest.raises(AlreadyRunning):
                OneInstance("csi-0", "front", tmp_path)
    try:
        with OneInstance("csi-0", "front", tmp_path):
            pass
    finally:
        child.kill()
        child.wait()
    assert descriptors() == before
