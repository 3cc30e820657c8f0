"""Requests for small graphs, and what is seen of a store."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from faceguard.convert.engine.make import Made, make_engine
from faceguard.convert.engine.request import Request
from faceguard.convert.engine.source import Source
from faceguard.engines.errors import ModelMissing
from faceguard.engines.machine import Machine, read_machine
from tests.convert import graphs

RTX = {"backend": "tensorrt-rtx", "targets": ("sm86",)}


def has_rtx() -> bool:
    return importlib.util.find_spec("tensorrt_rtx_bindings") is not None


needs_rtx = pytest.mark.skipif(
    not has_rtx(), reason="TensorRT for RTX is not here; there are wheels for x86-64 only"
)


@functools.cache
def machine() -> Machine:
    return read_machine()


def ask(source: Source | Path, **more: Any) -> Request:
    """A request; for ONNX Runtime in single precision unless told otherwise."""
    if isinstance(source, Path):
        source = Source.from_file(source, "onnx")
    return Request(
        **{"source": source, "backend": "onnx", "precision": "fp32", "machine": machine(), **more}
    )


def model(name: str) -> Source:
    try:
        return Source.from_name(name)
    except ModelMissing as error:
        pytest.skip(str(error))


def make(request: Request) -> Made:
    return make_engine(request, say=lambda _: None, quiet=True)


def save(folder: Path, made: onnx.ModelProto, name: str = "small") -> Path:
    path = folder / f"{name}.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def far_reaching() -> onnx.ModelProto:
    """Three convolutions, of which the second holds a weight that half precision does not."""
    rng = np.random.default_rng(5)
    nodes, weights = [], []
    for place, (source, target) in enumerate((("x", "a"), ("a", "b"), ("b", "y"))):
        node, more = graphs.conv(f"conv{place}", source, target, rng, (3, 3, 3, 3))
        nodes.append(node)
        weights += more
    values = onnx.numpy_helper.to_array(weights[2]).copy()
    values[0, 0, 0, 0] = 1e5
    weights[2].CopyFrom(onnx.numpy_helper.from_array(values, weights[2].name))
    ends = [graphs.value(name, [1, 3, 16, 16]) for name in ("x", "y")]
    return graphs.graph(nodes, ends[:1], ends[1:], weights)


def names(folder: Path) -> set[str]:
    """All that lies in a folder, but for the locks, which stay."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in found if not name.startswith(".locks")}
