"""How far the values inside a graph reach on given pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort

from faceguard.convert.graph.tensors import line_of, tensor_types
from faceguard.engines.errors import ConvertError
from faceguard.engines.types import Array

Feeds = Mapping[str, Array]


def largest_values(
    model: onnx.ModelProto, samples: Sequence[Feeds], *, name: str
) -> dict[str, float]:
    """The largest magnitude of each single precision tensor of the main graph, over all samples.

    The graph runs on ONNX Runtime with two reductions at each tensor, so that numbers come out
    and not tensors: it takes hardly more memory than the graph by itself.

    Args:
        model: A graph in single precision.
        samples: What its inputs are fed with, once each.
        name: The model's name, for messages.

    Returns:
        By tensor, inputs and outputs too; infinite where a value is. Empty without samples.

    Raises:
        ConvertError: ONNX Runtime cannot run the graph on a sample.
    """
    if not samples:
        return {}
    types = tensor_types(model)
    floats = [
        output
        for node in model.graph.node
        for output in node.output
        if output in types and types[output].elem == onnx.TensorProto.FLOAT
    ]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    for place, tensor in enumerate(floats):
        for kind in ("Max", "Min"):
            # Without axes and without keepdims: one number, in every opset.
            node = onnx.helper.make_node(
                f"Reduce{kind}", [tensor], [f"\0{kind}{place}"], f"\0{kind}{place}", keepdims=0
            )
            probe.graph.node.append(node)
            probe.graph.output.append(
                onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, [])
            )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    found = dict.fromkeys(floats, 0.0)
    try:
        session = ort.InferenceSession(
            probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for feeds in samples:
            ends = np.abs(np.asarray(session.run(None, dict(feeds)), np.float64)).reshape(-1, 2)
            sizes = dict(zip(floats, ends.max(axis=1), strict=True))
            for tensor, array in feeds.items():
                if array.dtype == np.float32 and array.size:
                    sizes[tensor] = np.abs(array).max()
            for tensor, size in sizes.items():
                # A NaN is as far out of range as can be.
                reach = np.inf if np.isnan(size) else float(size)
                found[tensor] = max(found.get(tensor, 0.0), reach)
    except Exception as error:
        raise ConvertError(
            f"{name}: ONNX Runtime cannot run it on a calibration picture: {line_of(error)}"
        ) from error
    return found
