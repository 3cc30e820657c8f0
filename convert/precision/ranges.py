"""How far the values inside a graph reach on given pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort

from faceguard.convert.graph.tensors import line_of, tensor_types
from faceguard.engines.errors import ConvertError, FaceguardError
from faceguard.engines.onnx import keep_nothing
from faceguard.engines.types import Array

Feeds = Mapping[str, Array]


def largest_values(
    model: onnx.ModelProto, samples: Sequence[Feeds], *, name: str
) -> dict[str, float]:
    """The largest magnitude of each single precision tensor of the main graph, over all samples.

    The graph runs on ONNX Runtime with two reductions at each tensor, so that numbers come out
    and not tensors. They stand right behind the operation that makes it, and operations run in the
    order in which they stand; ONNX Runtime's usual order would keep all tensors until the end
    (CenterFace at 512x512: 300 MB in place of 80).

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
    if not floats:
        return {}  # in half precision throughout
    probe = _probed(model, floats)
    options = ort.SessionOptions()
    options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    options.log_severity_level = 4
    keep_nothing(options)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
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
    except FaceguardError:
        raise  # a picture that cannot be read
    except Exception as error:
        raise ConvertError(
            f"{name}: ONNX Runtime cannot run it on a calibration picture: {line_of(error)}"
        ) from error
    return found


def _probed(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """The graph with the largest and the smallest value of each of these tensors as its outputs."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.node[:]
    del probe.graph.output[:]
    places = {tensor: place for place, tensor in enumerate(tensors)}
    ends: dict[int, list[onnx.ValueInfoProto]] = {}
    for node in model.graph.node:
        probe.graph.node.append(node)
        for tensor in node.output:
            place = places.get(tensor)
            if place is None:
                continue
            for kind in ("Max", "Min"):
                # Without axes and without keepdims: one number, in every opset.
                name = f"\0{kind}{place}"
                probe.graph.node.append(
                    onnx.helper.make_node(f"Reduce{kind}", [tensor], [name], name, keepdims=0)
                )
                end = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [])
                ends.setdefault(place, []).append(end)
    for place in sorted(ends):
        probe.graph.output.extend(ends[place])
    return probe
