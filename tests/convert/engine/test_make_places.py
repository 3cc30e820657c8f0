"""A place that cannot be written is one clear error, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faceguard.convert.engine.dry_run import rehearse
from faceguard.engines.errors import OutputError, OutputExists
from tests.convert.engine.asking import ask, make, names, needs_rtx

# Root may go anywhere. Without these two capabilities the bits of a file count for it, too.
_NO_ROOT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
_NO_ROOT += ["--inh-caps=-dac_override,-dac_read_search"]


def refused(small: Path, out: Path, **more: object) -> str:
    """What the user is told; the same by a dry run, which writes nothing at all."""
    with pytest.raises(OutputError) as told:
        make(ask(small, out=out, **more))
    assert "\n" not in str(told.value)
    assert not isinstance(told.value, OutputExists)
    return str(told.value)


def test_a_folder_that_is_missing(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "none" / "mine.onnx"
    assert "its folder does not exist; make the folder first" in refused(small, out)
    with pytest.raises(OutputError, match="its folder does not exist"):
        rehearse(ask(small, out=out), say=lambda _: None)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("taken", ["mine.onnx", "mine.onnx.json"])
def test_a_folder_at_the_place(small: Path, tmp_path: Path, taken: str, force: bool) -> None:
    own = tmp_path / "own"
    (own / taken / "deep").mkdir(parents=True)
    told = refused(small, own / "mine.onnx", force=force)
    assert told == f"{own / taken}: a folder stands there; name another file with -o"
    assert names(own) == {taken, f"{taken}/deep"}


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_plain_file_is_never_replaced(small: Path, tmp_path: Path, force: bool) -> None:
    """As root, --force with -o /dev/null would cost the machine its /dev/null."""
    pipe = tmp_path / "own" / "mine.onnx"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    assert "no plain file stands there; name another" in refused(small, pipe, force=force)
    assert pipe.is_fifo()
    assert names(pipe.parent) == {"mine.onnx"}


def test_a_folder_where_nobody_writes(small: Path) -> None:
    # Not even root makes a file there.
    told = refused(small, Path("/proc/mine.onnx"))
    assert told.startswith("/proc: cannot be written (")
    assert told.endswith("make it writable, or name another file with -o")


def test_a_file_for_a_folder(small: Path) -> None:
    assert "cannot be written (Not a directory)" in refused(small, small / "mine.onnx")


def test_a_name_that_is_too_long(small: Path, tmp_path: Path) -> None:
    assert "(File name too long)" in refused(small, tmp_path / f"{'a' * 300}.onnx")


def test_a_store_where_nobody_writes(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGUARD_ENGINES", "/proc/engines")
    with pytest.raises(OutputError, match=r"/proc/engines: .*, or set FACEGUARD_ENGINES to a fol"):
        make(ask(small))


def test_a_store_that_is_a_file(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FACEGUARD_ENGINES", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="/file: cannot be written"):
        make(ask(small))
    assert (tmp_path / "file").read_text() == ""


def command(small: Path, *options: str) -> list[str]:
    made = [sys.executable, "-m", "faceguard.edge.cli", "convert-engine", "--onnx", str(small)]
    return [*made, "--quiet", *(options or ("--backend", "onnx"))]


def bounded(small: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as someone to whom a folder can be closed."""
    before: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may go anywhere, and setpriv is not here to change that")
        before = _NO_ROOT
    return subprocess.run(
        [*before, *command(small, *options)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_closed_folders(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(mode)
    monkeypatch.setenv("FACEGUARD_ENGINES", str(closed / "engines"))
    try:
        for options in (["-o", str(closed / "mine.onnx")], []):
            ended = bounded(small, "--backend", "onnx", *options)
            assert ended.returncode == 5, ended.stderr
            assert "cannot be written (Permission denied); make it writable" in ended.stderr
            assert ended.stderr.count("\n") == 1
        if mode == 0:
            for option in ("--golden", "--calibration"):
                more = ["--int8"] if option == "--calibration" else []
                ended = bounded(small, "--backend", "onnx", *more, option, str(closed / "x"))
                assert ended.returncode == 1, ended.stderr
                assert "cannot be read: Permission denied" in ended.stderr
                assert ended.stderr.count("\n") == 1
    finally:
        closed.chmod(0o755)
    assert names(closed) == set()


_FULL = 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && "$@"; echo $?; ls -A "$PLACE"'


def on_small_disk(place: Path, size: str, words: list[str]) -> tuple[str, str, list[str]]:
    """The exit code, what was said, and what is left on the disk."""
    place.mkdir()
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _FULL, size, str(place), *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PLACE": str(place)},
    )
    said = ended.stderr
    if "unshare" in said or "mount" in said:
        pytest.skip(f"a small disk cannot be mounted here: {said.strip()}")
    code, *left = ended.stdout.splitlines()
    return code, said, left


# The prepared graph, the engine or the manifest does not fit any more.
@pytest.mark.parametrize("size", ["4k", "8k", "12k"])
def test_a_full_disk(small: Path, tmp_path: Path, size: str) -> None:
    place = tmp_path / "disk"
    words = command(small, "--backend", "onnx", "-o", str(place / "mine.onnx"))
    code, said, left = on_small_disk(place, size, words)
    assert (code, left) == ("5", [])
    assert said.endswith(f"{place}: the disk is full; free some space and try again\n")
    assert said.count("\n") == 1


@needs_rtx
def test_a_disk_that_is_full_when_the_engine_comes(small: Path, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    options = ["--backend", "tensorrt-rtx", "--target", "sm86", "-o", str(place / "mine.engine")]
    code, said, left = on_small_disk(place, "64k", command(small, *options))
    assert (code, left) == ("5", [])
    assert "cannot be written" in said
    assert ".faceguard-drafts" not in said
    assert said.count("\n") == 1
