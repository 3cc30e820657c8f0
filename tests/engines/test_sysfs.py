"""Short files of the kernel: what they say, or why they say nothing; never an exception."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faceguard.engines.sysfs import ask, ask_number, names_in


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"48500\n", ("48500", None)),
        (b" cpu-thermal\n", ("cpu-thermal", None)),
        ("Gehäuse\n".encode(), ("Gehäuse", None)),
        (b"", (None, "empty")),
        (b" \n\n", (None, "empty")),
        (b"9" * 128, ("9" * 128, None)),
        (b"9" * 129, (None, "too long")),
        (b"one\ntwo\n", (None, "no text")),
        (b"\x1b[31mred\n", (None, "no text")),
        (b"\x00\x00", (None, "no text")),
        (b"caf\xe9\n", ("caf\ufffd", None)),
    ],
)
def test_what_a_file_says(tmp_path: Path, content: bytes, answer: tuple[str | None, str | None]):
    (tmp_path / "file").write_bytes(content)
    assert ask(tmp_path / "file") == answer
    assert ask(str(tmp_path / "file")) == answer


def test_errors_are_reasons(tmp_path: Path):
    assert ask(tmp_path / "missing") == (None, "gone")
    (tmp_path / "file").write_text("1")
    assert ask(tmp_path / "file/below") == (None, "gone")
    assert ask(tmp_path) == (None, "failed (EISDIR)")
    (tmp_path / "loop").symlink_to("loop")
    assert ask(tmp_path / "loop") == (None, "failed (ELOOP)")
    assert ask_number(tmp_path / "missing") == (None, "gone")


def test_the_kernels_own_eagain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A FIFO without data, read by one that must not wait."""
    os.mkfifo(tmp_path / "temp")
    keeper = os.open(tmp_path / "temp", os.O_RDWR | os.O_NONBLOCK)
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: opened(path, flags | os.O_NONBLOCK))
    try:
        assert ask_number(tmp_path / "temp") == (None, "busy (EAGAIN)")
        os.write(keeper, b"40000\n")
        assert ask_number(tmp_path / "temp") == (40000, None)
    finally:
        os.close(keeper)


@pytest.mark.parametrize(
    "text", ["hot", "48.5", "0x10", "1_000", "1e3", "٣", "5 6", "-", "--1", "nan"]
)
def test_no_number(tmp_path: Path, text: str):
    (tmp_path / "file").write_text(text)
    assert ask_number(tmp_path / "file") == (None, "no number")


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-3250\n", -3250), ("+7", 7), ("007", 7)])
def test_numbers(tmp_path: Path, text: str, value: float):
    (tmp_path / "file").write_text(text)
    assert ask_number(tmp_path / "file") == (value, None)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_stays_open(tmp_path: Path):
    (tmp_path / "file").write_text("1")
    before = open_files()
    for _ in range(50):
        ask(tmp_path / "file")
        ask(tmp_path)
        ask(tmp_path / "missing")
        names_in(tmp_path)
    assert open_files() == before


def test_names_come_in_the_order_of_their_numbers(tmp_path: Path):
    for name in ("zone10", "zone2", "zone1"):
        (tmp_path / name).touch()
    assert names_in(tmp_path) == ["zone1", "zone2", "zone10"]
    assert names_in(tmp_path / "missing") == []
    (tmp_path / "loop").symlink_to("loop")
    assert names_in(tmp_path / "loop") is None
