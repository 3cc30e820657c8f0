"""Small graphs and pictures for the tests of engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from faceguard.engines.errors import ModelMissing
from faceguard.engines.store import find_file
from faceguard.engines.types import U8, Array

ConstantEngine = Callable[..., Path]


@pytest.fixture
def constant_engine(tmp_path: Path) -> ConstantEngine:
    """Writes a graph that takes a float picture of any size and always says the same."""

    def write(outputs: Mapping[str, Array], *, channels_last: bool = False) -> Path:
        shape = [1, "h", "w", 3] if channels_last else [1, 3, "h", "w"]
        graph = helper.make_graph(
            [helper.make_node("Identity", [f"{name}_value"], [name]) for name in outputs],
            "constant",
            [helper.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(value.shape))
                for name, value in outputs.items()
            ],
            [numpy_helper.from_array(value, f"{name}_value") for name, value in outputs.items()],
        )
        path = tmp_path / "constant.onnx"
        opsets = [helper.make_opsetid("", 17)]
        path.write_bytes(
            helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
        )
        return path

    return write


@pytest.fixture(scope="session")
def astronaut() -> U8:
    """The sample picture: one face, 512x512, B, G, R."""
    try:
        path = find_file("astronaut")
    except ModelMissing as error:
        pytest.skip(str(error))
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return np.asarray(pixels, np.uint8)
