"""The peer's process: what it says when it cannot, and that it always ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.parts import peers, upscale_peer
from benchmarks.parts.processes import tree
from benchmarks.parts.upscale_peer import DnnSuperres, PeerFailed

PICTURE = np.random.default_rng(1).integers(0, 256, (12, 20, 3), np.uint8)


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return upscale_peer.environment(lambda line: None)
    except peers.NotHere as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def nothing_left():
    before = set(tree(os.getpid()))
    yield
    assert set(tree(os.getpid())) <= before


def child_of_ours(before: set[int]) -> int:
    (pid,) = set(tree(os.getpid())) - before
    return pid


def test_a_python_without_the_peer_is_one_line() -> None:
    with pytest.raises(PeerFailed, match="dnn_superres") as caught:
        DnnSuperres(Path(sys.executable), threads=1)
    assert "\n" not in str(caught.value)


def test_no_python_at_all_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="cannot be started"):
        DnnSuperres(tmp_path / "python", threads=1)


def test_a_model_that_it_cannot_read_is_one_line_and_it_goes_on(
    python: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pb"
    bad.write_bytes(b"no graph")
    with DnnSuperres(python, threads=1) as peer:
        assert peer.opencv.startswith("4.10")
        with pytest.raises(PeerFailed, match="OpenCV") as caught:
            peer.load("bad", bad, "espcn", 2)
        assert "\n" not in str(caught.value)
        with pytest.raises(PeerFailed, match=r"4\.10|OpenCV"):
            peer.load("missing", tmp_path / "missing.pb", "espcn", 2)


def test_one_that_is_killed_is_told_and_stays_closed(python: Path) -> None:
    before = set(tree(os.getpid()))
    with DnnSuperres(python, threads=1) as peer:
        os.kill(child_of_ours(before), signal.SIGKILL)
        with pytest.raises(PeerFailed):
            peer.enlarge("none", PICTURE)
        peer.close()
        with pytest.raises(PeerFailed, match="closed"):
            peer.timed("none", PICTURE)


def test_one_that_hangs_is_ended(python: Path) -> None:
    before = set(tree(os.getpid()))
    with DnnSuperres(python, threads=1) as peer:
        peer.limit_s = 0.5
        os.kill(child_of_ours(before), signal.SIGSTOP)
        with pytest.raises(PeerFailed):
            peer.enlarge("none", PICTURE)
