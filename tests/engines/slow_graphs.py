"""A network that takes minutes for a picture, and next to nothing for a single pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

SIDE_PX = 256
"""A picture of this size takes a minute and more on one core."""

_CHANNELS = 64
_LAYERS = 1500


def write_slow(path: Path, *, scale: int = 2) -> Path:
    """Of EDSR's kind (Lim et al., 2017): many convolutions of 64 channels, and larger at the end.

    Args:
        path: The file.
        scale: Each side grows by this; B, G, R in and out, of any size.
    """
    rng = np.random.default_rng(5)

    def weights(name: str, gives: int, takes: int) -> onnx.TensorProto:
        drawn = rng.normal(0, 1 / np.sqrt(9 * takes), (gives, takes, 3, 3))
        return numpy_helper.from_array(drawn.astype(np.float32), name)

    shared = [
        weights("first", _CHANNELS, 3),
        weights("inner", _CHANNELS, _CHANNELS),
        weights("last", 3 * scale**2, _CHANNELS),
    ]
    pads = [1] * 4
    nodes = [helper.make_node("Conv", ["in", "first"], ["c0"], pads=pads)]
    for place in range(_LAYERS):
        given, gives = f"c{place}", f"c{place + 1}"
        nodes += [
            helper.make_node("Conv", [given, "inner"], [f"k{place}"], pads=pads),
            helper.make_node("Tanh", [f"k{place}"], [gives]),
        ]
    nodes += [
        helper.make_node("Conv", [f"c{_LAYERS}", "last"], ["wide"], pads=pads),
        helper.make_node("DepthToSpace", ["wide"], ["out"], blocksize=scale),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("in", kind, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("out", kind, ["n", 3, "H", "W"])],
        shared,
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
