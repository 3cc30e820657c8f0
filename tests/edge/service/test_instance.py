"""One instance a camera and a name, whatever becomes of the first."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from faceguard.edge.service.instance import OneInstance
from faceguard.engines.errors import AlreadyRunning, OutputError
from tests.edge.service.left import descriptors
from tests.edge.service.sandbox import UNIX_SOCKETS, forbidding

# Cameras are locked machine-wide, and other runs of these tests may be under way.
OURS = f"{os.getpid()}-{time.monotonic_ns()}"
CAMERA, OTHER_CAMERA = f"v4l2-{OURS}", f"csi-{OURS}"

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
    with hold(CAMERA, "front", tmp_path) as first:
        with pytest.raises(AlreadyRunning) as caught:
            OneInstance(CAMERA, "back", tmp_path, shown="/dev/video0")
        assert caught.value.exit_code == 10
        assert str(caught.value) == (
            f"/dev/video0 is used by faceguard with process id {first.pid}; "
            f"stop it: kill {first.pid}, "
            f"or stop its unit, which this names: systemctl status {first.pid}"
        )
        with pytest.raises(AlreadyRunning, match="the name 'front' is used"):
            OneInstance(OTHER_CAMERA, "front", tmp_path)
        # What was refused holds nothing: neither the other camera nor the other name.
        with OneInstance(OTHER_CAMERA, "back", tmp_path):
            pass
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert len(list(tmp_path.iterdir())) == 4
        with OneInstance(CAMERA, "front", tmp_path):
            assert f"{os.getpid()}\n" in {path.read_text() for path in tmp_path.iterdir()}


def test_an_orderly_end_frees_it(tmp_path):
    with OneInstance(CAMERA, "front", tmp_path), pytest.raises(AlreadyRunning):
        OneInstance(CAMERA, "back", tmp_path)
    held = OneInstance(CAMERA, "front", tmp_path)
    held.close()
    held.close()
    with OneInstance(CAMERA, "front", tmp_path):
        pass


def test_without_an_identity_only_the_name_counts(tmp_path):
    with OneInstance(None, "one", tmp_path), OneInstance(None, "two", tmp_path):
        with pytest.raises(AlreadyRunning):
            OneInstance(None, "one", tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"name-one.lock", "name-two.lock"}


def test_an_identity_never_tells_an_address_or_leaves_the_folder(tmp_path):
    address = f"rtsp://user:secret@192.0.2.7/../../{OURS}"
    with OneInstance(address, "front", tmp_path):
        assert not any("192.0" in path.name for path in tmp_path.iterdir())
        with pytest.raises(AlreadyRunning) as caught:
            OneInstance(address, "back", tmp_path)
    assert "192.0" not in str(caught.value)
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
        with pytest.raises(AlreadyRunning, match="by another faceguard; find it: pgrep"):
            OneInstance(None, "front", tmp_path)


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"cannot be opened: .* in RUNTIME_DIRECTORY$"):
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
    with OneInstance(CAMERA, "front", tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
        for _ in range(10):
            with pytest.raises(AlreadyRunning):
                OneInstance(CAMERA, "front", tmp_path)
    try:
        with OneInstance(CAMERA, "front", tmp_path):
            pass
    finally:
        child.kill()
        child.wait()
    assert descriptors() == before


def test_units_with_folders_of_their_own_do_not_share_a_camera(tmp_path):
    """RuntimeDirectory=faceguard/%i gives each instance a folder that no other looks into."""
    mine, others = tmp_path / "front", tmp_path / "back"
    mine.mkdir()
    others.mkdir()
    with hold(CAMERA, "front", mine) as first:
        with pytest.raises(AlreadyRunning, match=f"with process id {first.pid};"):
            OneInstance(CAMERA, "back", others)
        assert list(others.iterdir()) == []
        first.kill()
        first.wait(10)
        with OneInstance(CAMERA, "back", others):
            pass


def test_a_folder_that_is_removed_frees_no_camera(tmp_path):
    """As systemd does with a shared RuntimeDirectory when one of its units stops."""
    folder = tmp_path / "faceguard"
    folder.mkdir()
    with hold(CAMERA, "front", folder) as first:
        shutil.rmtree(folder)
        folder.mkdir()
        with pytest.raises(AlreadyRunning, match=f"with process id {first.pid};"):
            OneInstance(CAMERA, "back", folder)
        first.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network name space")
def test_a_unit_with_a_network_of_its_own_is_refused_by_the_file(tmp_path):
    code = """
import ctypes, sys
from pathlib import Path
from faceguard.edge.service.instance import OneInstance
from faceguard.engines.errors import AlreadyRunning
assert ctypes.CDLL(None).unshare(0x40000000) == 0, "CLONE_NEWNET"
try:
    OneInstance(sys.argv[1], "back", Path(sys.argv[2]))
except AlreadyRunning as error:
    print(error)
"""
    with OneInstance(CAMERA, "front", tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", code, CAMERA, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    if "CLONE_NEWNET" in done.stderr:
        pytest.skip("no network name spaces here")
    assert f"with process id {os.getpid()};" in done.stdout, done.stderr


def test_a_camera_that_comes_later_is_known_by_its_link_too(tmp_path):
    """A by-id link that is not there yet names nothing but itself."""
    link, device = tmp_path / "by-id", tmp_path / f"video-{OURS}"

    def identity() -> str:
        return os.path.realpath(link)

    with (
        OneInstance(identity(), "front", tmp_path) as by_link,
        OneInstance(str(device), "back", tmp_path) as by_device,
    ):
        link.symlink_to(device)
        with pytest.raises(AlreadyRunning, match="/dev/video0 is used"):
            by_link.follow(identity(), shown="/dev/video0")
        # It still holds what it held.
        with pytest.raises(AlreadyRunning):
            OneInstance(str(link), "side", tmp_path)
        by_device.close()
        by_link.follow(identity())
        with pytest.raises(AlreadyRunning):
            OneInstance(str(device), "back", tmp_path)
        with OneInstance(str(link), "side", tmp_path):
            pass


def test_following_the_same_camera_does_nothing_and_none_lets_it_go(tmp_path):
    before = descriptors()
    with OneInstance(CAMERA, "front", tmp_path) as held:
        during = descriptors()
        for _ in range(10):
            held.follow(CAMERA)
        assert descriptors() == during
        held.follow(None)
        with OneInstance(CAMERA, "back", tmp_path):
            pass
    assert descriptors() == before


def test_however_often_one_asks_it_is_refused_and_freed_at_the_end(tmp_path):
    """A service that is started again and again: at last the kernel says no more who holds it."""
    mine = tmp_path / "front"
    mine.mkdir()
    with hold(CAMERA, "front", mine) as first:
        told = set()
        for _ in range(300):
            with pytest.raises(AlreadyRunning) as caught:
                OneInstance(CAMERA, "back", tmp_path)
            told.add("another faceguard" in str(caught.value))
        assert told == {False, True}
        first.kill()
        first.wait(10)
        with OneInstance(CAMERA, "back", tmp_path):
            pass


def test_a_sandbox_without_sockets_is_told(tmp_path):
    code = """
import sys
from pathlib import Path
from faceguard.edge.service.instance import OneInstance
from faceguard.engines.errors import OutputError
try:
    OneInstance(sys.argv[1], "front", Path(sys.argv[2]), shown="CSI sensor 0")
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", forbidding(UNIX_SOCKETS) + code, CAMERA, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == (
        "CSI sensor 0: cannot be reserved by a socket: Address family not supported by protocol; "
        "let the sandbox allow AF_UNIX (systemd: RestrictAddressFamilies=)\n"
    ), done.stderr
