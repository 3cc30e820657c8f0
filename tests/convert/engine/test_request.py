"""What a file is taken for, and what an engine's name follows from."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from faceguard.convert.engine import request as requesting
from faceguard.convert.engine.configured import best_backend, request_for
from faceguard.convert.engine.source import Source
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import InputError, MissingPackage
from faceguard.engines.machine import Gpu, Machine
from faceguard.engines.store import find_file
from faceguard.engines.wanted import Wanted
from tests.convert.engine.asking import ask, model

GPU = Gpu("Orin", (8, 7), 8 << 30, integrated=True)
JETSON = Machine(gpu=GPU, cuda="12.6", tensorrt="10.3.0", l4t="36.4.3")
PC = Machine(gpu=replace(GPU, name="A2000", compute_capability=(8, 6)), tensorrt_rtx="1.7.1")
BARE = Machine(no_gpu="no CUDA driver")


@pytest.fixture
def with_pycuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requesting, "find_spec", lambda _: object())


@pytest.mark.models
def test_a_graph_by_its_name_and_by_its_path_are_two_engines(
    engine_path: Callable[[str], Path],
) -> None:
    """Only the first is fed and judged as a detector, which shapes what stays in FP32."""
    graph = engine_path("yunet")
    named, given = ask(model("yunet")), ask(graph)
    assert named.source.sha256 == given.source.sha256
    assert named.source.name == given.source.name == "yunet"
    assert named.source.entry is not None
    assert given.source.entry is None
    assert named.key != given.key


@pytest.mark.models
@pytest.mark.parametrize("name", ["yunet", "centerface", "blazeface-short"])
def test_a_file_that_the_catalogue_knows_is_that_model(
    engine_path: Callable[[str], Path], name: str, tmp_path: Path
) -> None:
    engine_path(name)
    known = find_file(name)
    copy = tmp_path / f"mine{known.suffix}"
    copy.write_bytes(known.read_bytes())
    source = Source.from_file(copy, "tflite" if known.suffix == ".tflite" else "onnx")
    assert source.name == "mine"
    assert source.entry == read_catalogue().entry(name)
    sides = source.load().graph.input[0].type.tensor_type.shape.dim
    # As exported, CenterFace takes ten pictures of 32x32 and nothing else.
    assert sides[0].dim_value == 1
    copy.write_bytes(known.read_bytes() + b"\0\0")
    assert Source.from_file(copy, source.kind).entry is None


def test_what_is_no_plain_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(InputError, match="not a file"):
            Source.from_file(path, "onnx")


def test_the_best_backend_is_what_the_machine_has() -> None:
    assert best_backend(JETSON) == "tensorrt"
    assert best_backend(PC) == "tensorrt-rtx"
    assert best_backend(replace(PC, tensorrt_rtx=None)) == "onnx"
    assert best_backend(replace(JETSON, gpu=None)) == "onnx"


@pytest.mark.usefixtures("with_pycuda")
def test_an_engine_runs_here_or_elsewhere(small: Path) -> None:
    def on(machine: Machine, backend: str, *targets: str) -> bool:
        return ask(small, machine=machine, backend=backend, targets=targets).runs_here

    assert on(JETSON, "tensorrt")
    assert on(PC, "tensorrt-rtx")
    assert on(PC, "tensorrt-rtx", "sm89", "sm86")
    assert not on(PC, "tensorrt-rtx", "sm89")
    assert not on(replace(PC, gpu=None), "tensorrt-rtx", "sm86")
    assert not on(JETSON, "onnx")


def test_what_is_missing_is_said_before_the_build(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for machine, backend, says in (
        (BARE, "tensorrt", "TensorRT is not installed; on a Jetson, run: sudo apt install"),
        (BARE, "tensorrt-rtx", "TensorRT for RTX is not installed"),
        (replace(JETSON, gpu=None, no_gpu="asleep"), "tensorrt", "no GPU to build for: asleep"),
        (replace(PC, gpu=None, no_gpu="asleep"), "tensorrt-rtx", "--target sm86"),
    ):
        with pytest.raises(MissingPackage, match=says):
            ask(small, machine=machine, backend=backend)
    monkeypatch.setattr(requesting, "find_spec", lambda _: None)
    with pytest.raises(MissingPackage, match="proven on its GPU, which takes pycuda; run: PATH="):
        ask(small, machine=JETSON, backend="tensorrt")
    ask(small, machine=PC, backend="tensorrt-rtx", targets=("sm89",))


@pytest.mark.models
def test_a_line_of_a_configuration(engine_path: Callable[[str], Path]) -> None:
    engine_path("yunet")
    line = request_for(Wanted(model="yunet", shape="1x3x384x640"), BARE)
    assert (line.backend, line.precision) == ("onnx", "fp32")
    assert [str(profile) for profile in line.wanted_profiles.values()] == ["1x3x384x640"]
    open_size = request_for(Wanted(model="yunet"), BARE)
    assert [str(profile) for profile in open_size.wanted_profiles.values()] == [
        "1x3x32x32,1x3x384x640,1x3x640x640"
    ]
    assert line.key != open_size.key
