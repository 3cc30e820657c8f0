"""Setting a power mode with a program that does it, lies, falls back, asks, hangs or may not."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest

from faceguard.edge.heat.modes.nvpmodel import Limits, Switched, asked_mode, set_mode
from faceguard.edge.heat.modes.power_mode import Mode
from faceguard.engines.errors import PowerModeError, RestartNeeded, UsageError
from tests.children import children
from tests.edge.heat.jetson import Board, path_with

# What holds is asked for this long; what does not is told at once.
QUICK = Limits(hold_s=1.0)
PATIENT = Limits(hold_s=60.0)
NOBODY = 65534


def refused(board: Board, name: str = "15W", limits: Limits = QUICK) -> str:
    with pytest.raises(PowerModeError) as caught:
        set_mode(name, board.root, limits)
    line = str(caught.value)
    assert "\n" not in line
    assert line.isascii()
    assert line.isprintable()
    return line


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_it_holds(tmp_path: Path) -> None:
    board = Board(tmp_path)
    done = set_mode("15w", tmp_path, QUICK)
    assert done == Switched(Mode(0, "15W"), before=Mode(1, "25W"))
    assert board.in_force == 0
    assert board.calls[0] == "-m 0"
    # Asked at once, in between, and at the end.
    assert board.calls.count("-q") >= 2
    assert board.calls.count("-m 0") == 1


def test_what_is_in_force_is_not_set_again(tmp_path: Path) -> None:
    board = Board(tmp_path)
    assert set_mode("25W", tmp_path, PATIENT) == Switched(Mode(1, "25W"), Mode(1, "25W"))
    assert board.calls == ["-q"]


def test_what_is_only_noted_is_set_again(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.lay("in_force", "2\n")
    assert set_mode("25W", tmp_path, QUICK).mode == Mode(1, "25W")
    assert board.in_force == 1
    assert "-m 1" in board.calls


def test_the_search_path_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(tmp_path)
    folder = tmp_path / "bin"
    folder.mkdir()
    (board.root / "usr/sbin/nvpmodel").rename(folder / "nvpmodel")
    monkeypatch.setenv("PATH", path_with(folder))
    assert set_mode("15W", tmp_path, QUICK).mode == Mode(0, "15W")


def test_a_mode_that_was_not_known_before(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.lay("var/lib/nvpmodel/status", "")
    assert set_mode("15W", tmp_path, QUICK) == Switched(Mode(0, "15W"), before=None)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("lies", "its status file says 25W; the mode is 25W now"),
        ("notes_only", "nvpmodel -q says 25W"),
        ("forgets", "its status file says 25W"),
        ("mute", "nvpmodel -q says nothing"),
    ],
)
def test_it_exits_0_and_did_not(tmp_path: Path, kind: str, why: str) -> None:
    line = refused(Board(tmp_path, kind=kind), limits=PATIENT)
    assert line.startswith("15W did not hold: ")
    assert why in line
    assert ("run with sudo" if os.geteuid() else "restart the board and try again") in line


def test_it_falls_back_after_a_while(tmp_path: Path) -> None:
    board = Board(tmp_path, kind="falls_back")
    assert refused(board, limits=PATIENT).startswith("15W did not hold: ")
    assert board.in_force == 1


@pytest.mark.parametrize("kind", ["asks", "asks_well"])
def test_a_restart_is_told_and_never_made(tmp_path: Path, kind: str) -> None:
    board = Board(tmp_path, kind=kind)
    with pytest.raises(RestartNeeded) as caught:
        set_mode("7W", tmp_path, PATIENT)
    line = str(caught.value)
    assert "7W needs a restart of the board; nothing was restarted, the mode is 25W now" in line
    assert "sudo nvpmodel -m 3 and answer YES" in line
    assert caught.value.exit_code == 11
    assert not (tmp_path / "restarted").exists()
    assert board.in_force == 1


def test_a_terminal_is_not_asked_either(tmp_path: Path) -> None:
    """Whoever runs us may have YES waiting on standard input; the program must not get it."""
    board = Board(tmp_path, kind="asks")
    read_end, write_end = os.pipe()
    os.write(write_end, b"YES\nYES\n")
    kept = os.dup(0)
    try:
        os.dup2(read_end, 0)
        with pytest.raises(RestartNeeded):
            set_mode("7W", tmp_path, QUICK)
    finally:
        os.dup2(kept, 0)
        for descriptor in (kept, read_end, write_end):
            os.close(descriptor)
    assert not (board.root / "restarted").exists()


def test_a_hang_is_given_up(tmp_path: Path) -> None:
    board = Board(tmp_path, kind="hangs")
    line = refused(board, limits=Limits(switch_s=3.0))
    assert "nvpmodel did not set 15W: no answer within 3 s; the mode is 25W now" in line
    # Killed and reaped: its number names nothing any more.
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_question_that_hangs_is_no_yes(tmp_path: Path) -> None:
    board = Board(tmp_path, kind="deaf")
    line = refused(board, limits=Limits(ask_s=1.0))
    assert "15W did not hold: nvpmodel -q says nothing" in line


def test_not_allowed(tmp_path: Path) -> None:
    line = refused(Board(tmp_path, kind="forbidden"))
    assert "nvpmodel was not allowed to set 15W (the mode is 25W now); run with sudo" in line
    assert line.endswith("sudo $(command -v faceguard) power set 15W")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root to stop being it")
def test_a_user_is_told_of_sudo_whatever_was_said() -> None:
    # Not under pytest's folder, which only root may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        board = Board(Path(folder), kind="lies")
        (board.root / "calls").chmod(0o666)
        os.seteuid(NOBODY)
        try:
            assert "run with sudo" in refused(board)
        finally:
            os.seteuid(0)


def test_a_program_that_may_not_be_started(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.lay("no_shell", "")
    board.lay("usr/sbin/nvpmodel", f"#!{tmp_path}/no_shell\n")
    line = refused(board)
    assert "nvpmodel cannot be run: Permission denied; run with sudo: " in line


def test_a_failure_is_told_on_one_plain_line(tmp_path: Path) -> None:
    line = refused(Board(tmp_path, kind="breaks"))
    assert "nvpmodel did not set 15W (exit code 3: NVPM ERROR: failed to set power ?[31mmode!)" in (
        line
    )
    assert "; the mode is 25W now; " in line


def test_an_unknown_mode_lists_the_names(tmp_path: Path) -> None:
    board = Board(tmp_path)
    with pytest.raises(UsageError, match=r"it has 15W, 25W, MAXN_SUPER, 7W$"):
        set_mode("30W\x1b", tmp_path, QUICK)
    assert board.calls == []


def test_no_modes(tmp_path: Path) -> None:
    with pytest.raises(PowerModeError, match="this machine has no power modes to set"):
        set_mode("15W", tmp_path, QUICK)


def test_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(tmp_path)
    (board.root / "usr/sbin/nvpmodel").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "nvpmodel is not here" in refused(board)


def test_nothing_is_left(tmp_path: Path) -> None:
    board = Board(tmp_path)
    # What tests before this one left behind may end meanwhile.
    threads, files, left = set(threading.enumerate()), open_files(), children()
    set_mode("15W", tmp_path, QUICK)
    board.behave("breaks")
    refused(board, "25W")
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files
    assert children() <= left


def test_asking(tmp_path: Path) -> None:
    board = Board(tmp_path)
    program = str(board.root / "usr/sbin/nvpmodel")
    assert asked_mode(program, 10.0) == "25W"
    assert asked_mode(f"{program}-not", 10.0) is None
