"""Where the runtime folder is, and whom it belongs to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faceguard.edge.service.places import runtime_folder, runtime_folders
from faceguard.engines.errors import OutputError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A /run that is not there."""
    return tmp_path / "no-run"


@pytest.fixture(autouse=True)
def _usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_is_configured_comes_first(tmp_path):
    folder = tmp_path / "a" / "b"
    assert runtime_folder(folder, {"RUNTIME_DIRECTORY": "/run/x"}) == folder
    assert mode(folder) == 0o755


def test_then_the_first_that_systemd_made(tmp_path, nowhere):
    environment = {"RUNTIME_DIRECTORY": f"{tmp_path}/one:{tmp_path}/two"}
    assert runtime_folder(None, environment, system=nowhere) == tmp_path / "one"
    assert not (tmp_path / "two").exists()


def test_then_run(tmp_path):
    assert runtime_folder(None, {}, system=tmp_path) == tmp_path / "faceguard"
    assert mode(tmp_path / "faceguard") == 0o755


def test_then_the_users_own(tmp_path, nowhere):
    environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert runtime_folder(None, environment, system=nowhere) == tmp_path / "faceguard"
    assert mode(tmp_path / "faceguard") == 0o700


@pytest.mark.parametrize("value", ["", "relative", "/does/not/exist"])
def test_at_last_a_folder_under_tmp(tmp_path, nowhere, value):
    environment = {"XDG_RUNTIME_DIR": value}
    found = runtime_folder(None, environment, system=nowhere, temporary=tmp_path)
    assert found == tmp_path / f"faceguard-{os.geteuid()}"
    assert mode(found) == 0o700
    assert runtime_folder(None, environment, system=nowhere, temporary=tmp_path) == found


def test_anothers_folder_under_tmp_is_refused(tmp_path, nowhere):
    folder = tmp_path / f"faceguard-{os.geteuid()}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    with pytest.raises(OutputError, match="another user"):
        runtime_folder(None, {}, system=nowhere, temporary=tmp_path)
    folder.unlink()
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(OutputError, match="another user"):
        runtime_folder(None, {}, system=nowhere, temporary=tmp_path)


@as_root
def test_a_folder_of_another_user_is_refused_too(tmp_path, nowhere):
    folder = tmp_path / "faceguard-0"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    with pytest.raises(OutputError, match="another user"):
        runtime_folder(None, {}, system=nowhere, temporary=tmp_path)
    os.chown(tmp_path, 65534, 65534)
    assert runtime_folder(None, {"XDG_RUNTIME_DIR": str(tmp_path)}, system=tmp_path) != folder


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no folder"):
        runtime_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be made"):
        runtime_folder(tmp_path / "file" / "below")


def test_the_advice_names_what_named_the_folder(tmp_path, nowhere):
    """And not a key of the configuration, where that has no say."""
    (tmp_path / "file").write_text("")

    def said(configured: Path | None, environment: dict[str, str], **where: Path) -> str:
        with pytest.raises(OutputError) as caught:
            runtime_folder(configured, environment, system=nowhere, **where)
        assert str(caught.value).count("\n") == 0
        return str(caught.value)

    below = tmp_path / "file" / "below"
    assert said(below, {}).endswith("make it, or name another in outputs.status.folder")
    by_systemd = said(None, {"RUNTIME_DIRECTORY": "/proc/1/nope"})
    assert by_systemd.startswith("/proc/1/nope: cannot be made: ")
    assert by_systemd.endswith("name another in RUNTIME_DIRECTORY (systemd: RuntimeDirectory=)")
    own = tmp_path / "own"
    own.mkdir()
    (own / "faceguard").write_text("")
    by_user = said(None, {"XDG_RUNTIME_DIR": str(own)})
    assert by_user.endswith("remove it, or name one of this user's own in XDG_RUNTIME_DIR")
    open_to_all = tmp_path / f"faceguard-{os.geteuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert said(None, {}, temporary=tmp_path).endswith("in XDG_RUNTIME_DIR")


@as_root
def test_a_plain_user_is_told_or_goes_elsewhere(tmp_path):
    """In a process of its own, since root may write anywhere."""
    tmp_path.chmod(0o755)
    (tmp_path / "run" / "faceguard").mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    code = """
import os, sys
from pathlib import Path
from faceguard.edge.service.places import runtime_folder
from faceguard.engines.errors import OutputError
place = Path(sys.argv[1])
for folder in (place, *place.parents):
    folder == Path("/") or folder.chmod(folder.stat().st_mode | 0o711)
os.setuid(65534)
print(runtime_folder(None, {}, system=place / "run", temporary=place / "tmp").name)
try:
    runtime_folder(place / "run")
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    elsewhere, told = done.stdout.splitlines()
    assert elsewhere == "faceguard-65534"
    assert "no permission" in told


def test_where_a_reader_looks(tmp_path):
    assert runtime_folders(tmp_path) == [tmp_path]
    own = tmp_path / "faceguard"
    last = Path(f"/tmp/faceguard-{os.geteuid()}")  # noqa: S108
    assert runtime_folders(None, {"XDG_RUNTIME_DIR": str(tmp_path)}) == [
        Path("/run/faceguard"),
        own,
        last,
    ]
    assert runtime_folders(None, {"RUNTIME_DIRECTORY": "/run/a:/run/b"}) == [Path("/run/a"), last]
    assert not own.exists()
