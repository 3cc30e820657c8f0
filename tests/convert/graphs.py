"""Small graphs, and the runtime that says what a graph gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
node = helper.make_node


def value(name: str, shape: Sequence[int | str | None] | None, elem: int = FLOAT):
    return helper.make_tensor_value_info(name, elem, shape)


def weight(name: str, values: object, dtype: object = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[onnx.TensorProto] = (),
    *,
    opset: int = 17,
) -> onnx.ModelProto:
    made = helper.make_model(
        helper.make_graph(nodes, "small", inputs, outputs, weights),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    made.ir_version = 8
    return made


def conv(name: str, source: str, target: str, rng: np.random.Generator, sides: Sequence[int]):
    """A convolution (outputs, inputs, height, width) that keeps the picture's size."""
    kernel = rng.normal(0, 1 / np.sqrt(np.prod(sides[1:])), sides)
    weights = [
        weight(f"{name}.weight", kernel),
        weight(f"{name}.bias", rng.normal(0, 0.1, sides[0])),
    ]
    pads = [sides[2] // 2, sides[3] // 2] * 2
    made = node("Conv", [source, *(item.name for item in weights)], [target], name, pads=pads)
    return made, weights


def network(*, height: int | str = 16, width: int | str = 16) -> onnx.ModelProto:
    """Two convolutions with an activation, a sum and a second output."""
    rng = np.random.default_rng(11)
    first, first_weights = conv("first", "picture", "a", rng, (8, 3, 3, 3))
    second, second_weights = conv("second", "b", "c", rng, (8, 8, 3, 3))
    return graph(
        [
            first,
            node("Relu", ["a"], ["b"], "relu"),
            second,
            node("Add", ["b", "c"], ["sum"], "add"),
        ],
        [value("picture", [1, 3, height, width])],
        [value("sum", [1, 8, height, width])],
        [*first_weights, *second_weights],
    )


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a graph gives, without any optimization of the runtime's own."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def noise(shape: Sequence[int], seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-scale, scale, shape).astype(np.float32)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [item.op_type for item in model.graph.node]


def sides(item: onnx.ValueInfoProto) -> list[int | str]:
    return [side.dim_value or side.dim_param for side in item.type.tensor_type.shape.dim]


def difference(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> float:
    """The largest difference, relative to the largest value of the same output."""
    assert ours.keys() == theirs.keys()
    return max(
        float(np.abs(ours[name].astype(np.float64) - theirs[name]).max())
        / max(1e-12, float(np.abs(theirs[name]).max()))
        for name in theirs
    )
