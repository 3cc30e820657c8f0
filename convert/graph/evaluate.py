"""Operations over constants are computed, in the runtime that is our reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime as ort

from faceguard.convert.graph.nodes import reads_of
from faceguard.convert.graph.tensors import TensorType, array_of
from faceguard.engines.types import Array


def may_trap(
    node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto], types: Mapping[str, TensorType]
) -> bool:
    """Whether it divides whole numbers by 0, or by -1, which the smallest of them does not stand.

    The processor stops the whole program at that, and no runtime looks before. A divisor that is
    computed in this round is looked at in the next.
    """
    if node.op_type not in ("Div", "Mod"):
        return False
    kind = types.get(node.output[0])
    if kind is not None and kind.elem in _FLOATS:
        return False
    divisor = stored.get(node.input[1])
    if divisor is None or divisor.data_type not in _WHOLE:
        return True
    return bool(np.any(array_of(divisor).astype(np.float64) <= 0))


_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
_WHOLE = tuple(
    getattr(onnx.TensorProto, f"{sign}INT{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)
)


def evaluate(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> dict[str, Array]:
    """Runs operations over constants, in the runtime that is our reference.

    All at once where that goes; else one by one, and what the runtime cannot run (a type that it
    has no kernel for) stays in the graph.
    """
    found = _run(model, nodes)
    if found is not None:
        return found
    stored = {weight.name for weight in model.graph.initializer}
    found = {}
    for node in nodes:
        if {*node.input} - {""} <= stored:
            found |= _run(model, [node]) or {}
    return found


def _run(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> dict[str, Array] | None:
    made = {name for node in nodes for name in node.output if name}
    inside = {name for node in nodes for name in node.input}
    # What only these operations read need not come out.
    outside = [node for node in model.graph.node if not {*node.output} - {""} <= made]
    wanted = sorted(made & {name for node in outside for name in reads_of(node)})
    if not wanted:
        return {}
    part = onnx.ModelProto(ir_version=max(min(model.ir_version, 10), 4))
    part.opset_import.extend(model.opset_import)
    part.graph.name = "constants"
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(item for item in model.graph.initializer if item.name in inside)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(
            part.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        values = session.run(wanted, {})
    except Exception:  # noqa: BLE001 - ONNX Runtime's errors have no common class of their own
        return None
    return {name: np.asarray(value) for name, value in zip(wanted, values, strict=True)}
