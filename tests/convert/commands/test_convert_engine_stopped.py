"""Ctrl-C, SIGTERM and the end of patience: a plain word, an exit code, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import helper

from tests.convert.builds.conftest import marked, save_graph, wait_until
from tests.convert.commands.conftest import SCRIPTS, program
from tests.convert.engine.asking import names, needs_rtx

RTX = ("--backend", "tensorrt-rtx", "--target", "sm86")


@pytest.fixture(scope="module")
def long_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many different convolutions that building them takes a second or more."""
    layers = 250
    random = np.random.default_rng(0)
    nodes, weights, channels, before = [], {}, 8, "x"
    for layer in range(layers):
        wider = 8 if layer == layers - 1 else 8 + layer * 7 % 64
        values = random.standard_normal((wider, channels, 3, 3)) / np.sqrt(channels * 9)
        weights[f"weight{layer}"] = values.astype(np.float16)
        after = "y" if layer == layers - 1 else f"conv{layer}"
        nodes.append(helper.make_node("Conv", [before, f"weight{layer}"], [after], pads=[1] * 4))
        channels, before = wider, after
    return save_graph(
        tmp_path_factory.mktemp("graphs") / "long.onnx", nodes, (1, 8, 8, 8), **weights
    )


def start(graph: Path, mark: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(SCRIPTS / "convert-engine"), "--onnx", str(graph), *RTX, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FACEGUARD_TEST_MARK": mark},
    )


@needs_rtx
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped")],
)
@pytest.mark.parametrize("building", [False, True])
def test_a_signal_ends_it_cleanly(
    store: Path, long_graph: Path, number: int, code: int, word: str, building: bool
) -> None:
    mark = f"{store}-{word}"
    child = start(long_graph, mark)
    try:
        assert child.stderr is not None
        assert "preparing the fp16 graph" in child.stderr.readline()
        if building:
            wait_until(lambda: len(marked(mark)) > 1, "the process that builds")
            time.sleep(0.3)
        child.send_signal(number)
        out, error = child.communicate(timeout=30)
    finally:
        child.kill()
        child.communicate()
    assert (child.returncode, out) == (code, "")
    assert error.splitlines()[-1] == f"convert-engine: {word}"
    assert "Traceback" not in error
    wait_until(lambda: not marked(mark), "its child process goes with it")
    assert names(store) == set()


@needs_rtx
def test_a_build_that_takes_too_long(store: Path, small: Path) -> None:
    ended = program("convert-engine", "--onnx", small, *RTX, "--timeout", "0.01")
    assert (ended.code, ended.out) == (6, "")
    assert ended.error == (
        "convert-engine: small: not built within 0.01 s, and stopped; "
        "allow more with --timeout SECONDS"
    )
    assert names(store) == set()


@needs_rtx
def test_a_target_that_nobody_builds_for(store: Path, small: Path) -> None:
    ended = program(
        "convert-engine", "--onnx", small, "--backend", "tensorrt-rtx", "--target", "sm99"
    )
    assert (ended.code, ended.out) == (2, "")
    assert "does not build for sm99; it knows " in ended.error
    assert names(store) == set()


def test_proof_and_memory_have_exit_codes_of_their_own(
    store: Path, small: Path, tmp_path: Path
) -> None:
    ended = program("convert-engine", "--onnx", small, "--backend", "onnx", "--memory-limit", "10M")
    assert (ended.code, ended.out) == (8, "")
    assert "is free under --memory-limit 10 MB; raise it to at least " in ended.error
    enough = ended.error.rpartition("at least ")[2].replace(" ", "")
    again = program(
        "convert-engine", "--onnx", small, "--backend", "onnx", "--memory-limit", enough
    )
    assert again.code == 0, again.err


@pytest.mark.models
def test_an_engine_that_is_refused(store: Path, pictures: Path, engine_path) -> None:
    engine_path("blazeface-short")
    for path in pictures.iterdir():
        path.unlink()
    cv2.imwrite(str(pictures / "night.png"), np.zeros((128, 128, 3), np.uint8))
    words = ("--model", "blazeface-short", "--backend", "onnx", "--int8", "--calibration", pictures)
    ended = program("convert-engine", *words)
    assert (ended.code, ended.out) == (9, "")
    assert "pictures to --calibration, or take --fp16" in ended.error
    assert names(store) == set()
