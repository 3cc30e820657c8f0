"""Graphs to build, and processes to watch."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from faceguard.convert.build.progress import Silence
from faceguard.convert.build.request import BuildRequest
from faceguard.convert.precision.half import to_half

PATIENCE_S = 30.0


class Recorder(Silence):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.phases: list[tuple[str, str | None, int]] = []
        self.steps: list[tuple[str, int]] = []
        self.finished: list[str] = []
        self.ticks = 0

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def phase_start(self, name: str, parent: str | None, steps: int) -> None:
        self.phases.append((name, parent, steps))

    def step(self, name: str, step: int) -> None:
        self.steps.append((name, step))

    def phase_finish(self, name: str) -> None:
        self.finished.append(name)

    def tick(self) -> None:
        self.ticks += 1


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="session")
def rtx() -> None:
    """Skips where TensorRT for RTX is not installed."""
    if importlib.util.find_spec("tensorrt_rtx_bindings") is None:
        pytest.skip("TensorRT for RTX is not here; there are wheels for x86-64 only")


def rtx_request(graph: Path, out: Path, **more: Any) -> BuildRequest:
    """For a GPU that need not be here."""
    return BuildRequest(graph, out, "tensorrt-rtx", **{"targets": ("sm86",), **more})


def save_graph(
    path: Path, nodes: list[onnx.NodeProto], shape: Sequence[int | str], **weights: np.ndarray
) -> Path:
    """Writes a graph from `x` to `y`, both float16 of this shape."""
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT16, shape) for n in ("x", "y")]
    made = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], made)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("other", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def small_graph(tmp_path: Path) -> Path:
    return save_graph(
        tmp_path / "small.onnx", [helper.make_node("Relu", ["x"], ["y"])], (1, 8, 16, 16)
    )


@pytest.fixture
def open_graph(tmp_path: Path) -> Path:
    """Height and width are open."""
    node = helper.make_node("Relu", ["x"], ["y"])
    return save_graph(tmp_path / "open.onnx", [node], (1, 8, "height", "width"))


@pytest.fixture(scope="session")
def long_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many different convolutions that building them takes a second or more."""
    layers = 400
    random = np.random.default_rng(0)
    nodes, weights, channels, before = [], {}, 8, "x"
    for layer in range(layers):
        wider = 8 if layer == layers - 1 else 8 + layer * 7 % 64
        values = random.standard_normal((wider, channels, 3, 3)).astype(np.float16)
        weights[f"weight{layer}"] = values
        after = "y" if layer == layers - 1 else f"relu{layer}"
        nodes += [
            helper.make_node("Conv", [before, f"weight{layer}"], [f"conv{layer}"], pads=[1] * 4),
            helper.make_node("Relu", [f"conv{layer}"], [after]),
        ]
        channels, before = wider, after
    return save_graph(
        tmp_path_factory.mktemp("graphs") / "long.onnx", nodes, (1, 8, 32, 32), **weights
    )


@pytest.fixture(scope="session")
def half_precision(
    engine_path: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Gives a model of the catalogue in float16, with float32 at its ends."""
    folder = tmp_path_factory.mktemp("half")

    def cast(name: str) -> Path:
        made = folder / f"{name}.onnx"
        if not made.exists():
            onnx.save(to_half(onnx.load(engine_path(name)), []).model, made)
        return made

    return cast


def marked(mark: str) -> list[int]:
    """The processes, zombies apart, in whose environment this mark stands."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if mark.encode() in environment:
                found.append(int(folder.name))
    return found


def zombies() -> list[int]:
    """Children of this process that are dead and not reaped."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == os.getpid():
                found.append(int(folder.name))
    return found


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Waits for something that must come; fails where it does not."""
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, f"still waiting: {what}"
        time.sleep(0.01)
