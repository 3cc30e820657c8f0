"""A BatchNormalization after a convolution moves into the convolution's weights.

With fixed statistics it is a factor and an offset for each channel (Ioffe and Szegedy 2015,
algorithm 2), and so is what a convolution can do itself: the same in exact arithmetic.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx

from faceguard.convert.graph.nodes import attribute_of, int_of, reads_of
from faceguard.convert.graph.tensors import STANDARD, array_of

F64 = npt.NDArray[np.float64]
_EPSILON = 1e-5


def fuse_normalizations(graph: onnx.GraphProto) -> None:
    """Fuses each BatchNormalization that alone reads a Conv or ConvTranspose.

    Args:
        graph: Its weights in single precision; changed in place. New weights stand at the end,
            named after the normalization's output.
    """
    weights = {weight.name: weight for weight in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in reads_of(node):
            readers[name] = readers.get(name, 0) + 1
    outputs = {value.name for value in graph.output}
    gone = set()
    for place, node in enumerate(graph.node):
        if node.op_type != "BatchNormalization" or node.domain not in STANDARD:
            continue
        maker = makers.get(node.input[0])
        if maker is None or maker.op_type not in ("Conv", "ConvTranspose"):
            continue
        if readers.get(node.input[0]) != 1 or node.input[0] in outputs:
            continue
        made = _fused(maker, node, weights)
        if made is None:
            continue
        weight, bias = made
        graph.initializer.extend([weight, bias])
        source = maker.input[0]
        del maker.input[:]
        maker.input.extend([source, weight.name, bias.name])
        maker.output[0] = node.output[0]
        makers[node.output[0]] = maker
        weights |= {weight.name: weight, bias.name: bias}
        gone.add(place)
    for place in sorted(gone, reverse=True):
        del graph.node[place]


def _fused(
    conv: onnx.NodeProto, norm: onnx.NodeProto, weights: dict[str, onnx.TensorProto]
) -> tuple[onnx.TensorProto, onnx.TensorProto] | None:
    """The convolution's new weights and offsets; None where this pair cannot be fused."""
    if any(norm.output[1:]) or int_of(norm, "training_mode", 0):
        return None
    given = [weights.get(name) for name in (*norm.input[1:5], *conv.input[1:3])]
    parts = [item for item in given if item is not None]
    if len(parts) < len(given) or any(part.data_type != onnx.TensorProto.FLOAT for part in parts):
        return None
    # A weight that is no number is one here, too.
    with np.errstate(all="ignore"):
        scale, offset, mean, variance, kernel, *bias = (
            array_of(part).astype(np.float64) for part in parts
        )
    before = bias[0] if bias else np.zeros_like(mean)
    channels = {item.shape for item in (scale, offset, mean, variance, before)}
    if len(channels) != 1 or mean.ndim != 1 or kernel.ndim < 2:
        return None
    epsilon = attribute_of(norm, "epsilon", _EPSILON)
    # A variance below zero gives no number; what then comes out is not fused.
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + (epsilon if isinstance(epsilon, float) else _EPSILON))
        new_kernel = _scaled(conv, kernel, factor)
        new_bias = (before - mean) * factor + offset
    if new_kernel is None or not (_fits(new_kernel) and _fits(new_bias)):
        return None
    name = norm.output[0]
    return _stored(new_kernel, f"{name}.weight", weights), _stored(
        new_bias, f"{name}.bias", weights
    )


def _scaled(conv: onnx.NodeProto, kernel: F64, factor: F64) -> F64 | None:
    """The kernel with each output channel multiplied."""
    tail = (1,) * (kernel.ndim - 2)
    if conv.op_type == "Conv":
        if kernel.shape[0] != len(factor):
            return None
        return kernel * factor.reshape(-1, 1, *tail)
    # (inputs, outputs of a group, ...): the groups divide the inputs.
    groups = int_of(conv, "group", 1)
    if kernel.shape[1] * groups != len(factor) or kernel.shape[0] % groups:
        return None
    split = kernel.reshape(groups, -1, *kernel.shape[1:])
    return (split * factor.reshape(groups, 1, -1, *tail)).reshape(kernel.shape)


def _fits(values: F64) -> bool:
    """Whether single precision holds them; what is no number is left to whoever runs the graph."""
    return bool(np.all(np.abs(values) <= np.finfo(np.float32).max))


def _stored(values: F64, name: str, weights: dict[str, onnx.TensorProto]) -> onnx.TensorProto:
    while name in weights:
        name += "_"
    return onnx.numpy_helper.from_array(values.astype(np.float32), name)
