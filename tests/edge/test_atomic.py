"""Outputs appear whole or not at all, and what stands there is not lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faceguard.edge import atomic
from faceguard.edge.atomic import Staged
from faceguard.engines.errors import OutputError, OutputExists


@contextmanager
def staged(path: Path, *, force: bool) -> Iterator[Path]:
    """A file in the making, as sinks hold it, committed when the block ends well."""
    with Staged(path, force=force) as file:
        with file.told():
            yield file.part
        file.commit()


def _write(path: Path, data: bytes = b"new", *, force: bool = False) -> None:
    with staged(path, force=force) as part:
        part.write_bytes(data)


def test_the_file_appears_at_the_end(tmp_path):
    path = tmp_path / "a.mp4"
    with staged(path, force=False) as part:
        part.write_bytes(b"half")
        assert part.parent == tmp_path
        assert part.name.startswith(".a.")
        assert part.suffix == ".mp4"
        assert ".part" in part.name
        assert not path.exists()
        part.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


def test_rights_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        _write(tmp_path / "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_nothing(tmp_path, error):
    def broken() -> None:
        with staged(tmp_path / "a.png", force=False) as part:
            part.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        broken()
    assert not list(tmp_path.iterdir())


def test_what_stands_there_is_kept(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExists, match="--force"):
        Staged(path, force=False)
    assert path.read_bytes() == b"mine"
    _write(path, force=True)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_kept(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(atomic.os, "link", _no_links)
    path = tmp_path / "a.png"
    with Staged(path, force=False) as file:
        file.part.write_bytes(b"new")
        path.write_bytes(b"mine")
        with pytest.raises(OutputExists):
            file.commit()
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def _no_links(*_: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_file_system_without_links(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.os, "link", _no_links)
    _write(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


def test_only_one_of_many_writers_wins(tmp_path):
    path = tmp_path / "a.bin"
    gate = threading.Barrier(8)
    won: list[int] = []

    def race(number: int) -> None:
        with Staged(path, force=False) as file:
            file.part.write_bytes(bytes([number]) * 1000)
            gate.wait()
            try:
                file.commit()
            except OutputExists:
                return
            won.append(number)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert path.read_bytes() == bytes(won) * 1000
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_not_what_it_points_to(tmp_path):
    original = tmp_path / "original.png"
    original.write_bytes(b"mine")
    (tmp_path / "a.png").symlink_to(original)
    with pytest.raises(OutputExists):
        _write(tmp_path / "a.png")
    _write(tmp_path / "a.png", force=True)
    assert original.read_bytes() == b"mine"
    assert not (tmp_path / "a.png").is_symlink()


def test_folders_and_pipes_are_not_replaced(tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OutputError, match="folder stands there"):
        Staged(tmp_path / "folder.png", force=True)
    with pytest.raises(OutputError, match="device or pipe"):
        Staged(tmp_path / "pipe.png", force=True)


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path, why in (
        (tmp_path / "none" / "a.png", "folder does not exist"),
        (tmp_path / "file" / "a.png", "is a file and no folder"),
        (Path("/proc/a.png"), "folder does not exist|no permission"),
        (tmp_path / ("n" * 300 + ".png"), "name is too long"),
    ):
        with pytest.raises(OutputError, match=why) as caught:
            _write(path)
        line = str(caught.value)
        assert line.startswith(f"{path}: ")
        assert "; " in line
        assert "\n" not in line


def test_the_longest_name_can_be_written(tmp_path):
    for name in ("n" * 251 + ".png", "ü" * 125 + ".png"):
        _write(tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"new"


def test_no_permission(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o555)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from faceguard.edge.atomic import Staged\n"
        "from faceguard.engines.errors import OutputError\n"
        "if os.geteuid() == 0: os.chmod(sys.argv[1], 0o700); os.seteuid(65534)\n"
        "try: Staged(Path(sys.argv[1]) / 'a.png', force=False)\n"
        "except OutputError as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    ).stdout
    assert "no permission to write there; change its rights" in said


def test_a_disk_that_takes_no_more(tmp_path):
    """The size limit of a process stands for a full disk: the same call fails the same way."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from faceguard.edge.atomic import Staged\n"
        "from faceguard.engines.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try:\n"
        "    with Staged(Path(sys.argv[1]), force=False) as file, file.told():\n"
        "        file.part.write_bytes(bytes(100_000))\n"
        "except OutputError as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.bin")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "grows larger than the file system takes; name another place" in said
    assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    script = " ".join(mount) + ' && exec "$0" -c "$1" "$2"'
    code = (
        "import os, sys; from pathlib import Path\n"
        "from faceguard.edge.atomic import Staged\n"
        "from faceguard.engines.errors import OutputError\n"
        "path = Path(sys.argv[1])\n"
        "try:\n"
        "    with Staged(path, force=False) as file, file.told():\n"
        "        file.part.write_bytes(bytes(1_000_000))\n"
        "except OutputError as error: print(error)\n"
        "print(os.listdir(path.parent))\n"
    )
    ran = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, code, str(tmp_path / "a.bin")],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode and ("unshare" in ran.stderr or "mount" in ran.stderr):
        pytest.skip("a small file system cannot be mounted here")
    assert "no space is left there; free some" in ran.stdout
    assert ran.stdout.endswith("[]\n")


def test_errors_of_other_files_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError), staged(tmp_path / "a", force=False):
        (tmp_path / "model.onnx").read_bytes()
    with pytest.raises(BrokenPipeError), staged(tmp_path / "a", force=False):
        raise BrokenPipeError(errno.EPIPE, "reader is gone")
    assert not list(tmp_path.iterdir())


_WRITER = (
    "import sys; from pathlib import Path; from faceguard.edge.atomic import Staged\n"
    "file = Staged(Path(sys.argv[1]), force=True); file.part.write_bytes(b'half')\n"
    "print(file.part, flush=True); sys.stdin.read()\n"
)


def _writer(path: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_run_left_is_cleared_and_a_running_one_is_left_alone(tmp_path):
    path = tmp_path / "a.mp4"
    dead, left = _writer(path)
    alive, used = _writer(path)
    other_dead, others = _writer(tmp_path / "b.mp4")
    for process in (dead, other_dead):
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert left.exists()
    assert used.exists()
    try:
        _write(path)
        assert not left.exists()
        assert used.exists()
        assert others.exists(), "another target's"
    finally:
        alive.send_signal(signal.SIGKILL)
        alive.communicate()
    assert path.read_bytes() == b"new"


def test_a_file_in_use_by_an_unknown_process_is_left_alone(tmp_path):
    """As from a container whose process numbers mean nothing here."""
    with Staged(tmp_path / "a.mp4", force=False) as file:
        moved = file.part.with_name(".a.4194304-0123abcd.part.mp4")
        file.part.rename(moved)
        atomic._leftovers.cache_clear()
        _write(tmp_path / "a.mp4")
        assert moved.exists()
    atomic._leftovers.cache_clear()
    _write(tmp_path / "a.mp4", force=True)
    assert not moved.exists()


def test_what_stands_there_is_replaced_only_by_force(tmp_path):
    _write(tmp_path / "a.json", b"{}")
    assert (tmp_path / "a.json").read_bytes() == b"{}"
    with pytest.raises(OutputExists):
        _write(tmp_path / "a.json", b"[]")
    _write(tmp_path / "a.json", b"[]", force=True)
    assert (tmp_path / "a.json").read_bytes() == b"[]"


def test_paths_are_told_on_one_line(tmp_path):
    with pytest.raises(OutputError) as caught:
        _write(tmp_path / "no\nfolder" / "a.png")
    assert "no\\nfolder" in str(caught.value)
