"""Which operations may compute in half precision, and why the others may not.

Half precision (IEEE 754 binary16) ends at 65504, holds eleven binary digits down to 6.1e-5 and
fewer and fewer below, and makes everything under 3e-8 a zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from faceguard.convert.graph.nodes import reads_of, subgraphs
from faceguard.convert.graph.tensors import STANDARD, WEIGHTED, array_of

LARGEST = 65504.0
SMALLEST_NORMAL = 2.0**-14
SAFETY = 4.0
"""Pictures reach further than the golden ones do: a value may go to a fourth of the limit."""

# They add up many values or take differences of nearly equal ones, and there is little to gain:
# they are a small part of a network's work.
_SUMS = frozenset(
    """
    CumSum Einsum GlobalAveragePool GlobalLpPool GroupNormalization InstanceNormalization LRN
    LayerNormalization LogSoftmax LpNormalization LpPool MeanVarianceNormalization ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSum ReduceSumSquare Softmax
    """.split()  # noqa: SIM905 - a table, not code
)
_STEEP = frozenset(["Pow", "Sqrt", "Reciprocal", "Exp", "Log"])

# Their outputs' types are set by an attribute or by another input: they stay what they are.
SET_BY_ATTRIBUTE = frozenset(
    """
    Bernoulli Cast CastLike ConstantOfShape DequantizeLinear EyeLike Multinomial QuantizeLinear
    RandomNormal RandomNormalLike RandomUniform RandomUniformLike Shape Size
    """.split()  # noqa: SIM905 - a table, not code
)


TAKES_ANY_TYPE = frozenset(["Cast", "Shape", "Size"])
"""They take what they are given, so that nothing is cast for them."""


@dataclass(frozen=True)
class Kept:
    """A layer that stays in single precision.

    Attributes:
        node: The operation's name.
        op: Its kind.
        reason: Why, for people.
        value: The number that decided, where one did.
    """

    node: str
    op: str
    reason: str
    value: float | None = None

    def __str__(self) -> str:
        """As it stands in a report."""
        return f"{self.op} {self.node!r}: {self.reason}"


def names_of(kept: Iterable[Kept | str]) -> frozenset[str]:
    """The names of kept layers."""
    return frozenset(item if isinstance(item, str) else item.node for item in kept)


def why_single(
    node: onnx.NodeProto,
    weights: Mapping[str, onnx.TensorProto],
    reach: Mapping[str, float],
    shape_values: frozenset[str],
) -> Kept | None:
    """Why an operation must stay in single precision; None where it need not.

    Args:
        node: An operation that handles single precision values.
        weights: The graph's stored tensors by name.
        reach: The largest magnitude of each tensor on the golden pictures.
        shape_values: Tensors that follow from shapes alone.
    """
    if next(subgraphs(node), None) is not None:
        return Kept(node.name, node.op_type, "has a body of its own")
    if node.domain not in STANDARD:
        return Kept(node.name, node.op_type, f"is of the domain {node.domain}")
    if node.output and all(name in shape_values for name in node.output if name):
        return Kept(node.name, node.op_type, "computes a shape, which must be exact")
    for name in (*node.input, *node.output):
        value = reach.get(name, 0.0)
        if value > LARGEST / SAFETY:
            return Kept(
                node.name, node.op_type, f"reaches {value:.2g} on the golden pictures", value
            )
    for name in dict.fromkeys(node.input):
        found = _bad_weight(node, weights[name]) if name in weights else None
        if found is not None:
            return found
    if node.op_type in _SUMS:
        return Kept(node.name, node.op_type, "adds up many values")
    if node.op_type in _STEEP:
        return Kept(node.name, node.op_type, "is steep: small errors of its input grow")
    return None


def _bad_weight(node: onnx.NodeProto, weight: onnx.TensorProto) -> Kept | None:
    if weight.data_type != onnx.TensorProto.FLOAT:
        return None
    sizes = np.abs(array_of(weight)).ravel()
    sizes = sizes[sizes > 0]
    # Infinity stays infinity in half precision.
    largest = float(sizes[np.isfinite(sizes)].max(initial=0.0))
    if largest > LARGEST:
        return Kept(node.name, node.op_type, f"weight {largest:.2g} is over 65504", largest)
    # Among the weights of a layer a tiny one is lost in the sum. Where all are tiny, or where one
    # divides, a digit lost is a digit lost of the result: an epsilon would become 0.
    divides = node.op_type in ("Div", "BatchNormalization") and len(sizes) > 0
    small = float(sizes.min(initial=np.inf)) if divides else largest
    if 0 < small < SMALLEST_NORMAL:
        what = "weight" if node.op_type in WEIGHTED else "constant"
        reason = f"{what} {small:.2g} is under 6.1e-05, where half precision loses digits"
        return Kept(node.name, node.op_type, reason, small)
    return None


def shape_values(graph: onnx.GraphProto) -> frozenset[str]:
    """The tensors that follow from shapes and constants alone."""
    constants = {weight.name for weight in graph.initializer}
    found: set[str] = set()
    for node in graph.node:
        starts = node.op_type in ("Shape", "Size") and node.domain in STANDARD
        reads = reads_of(node)
        if starts or (reads and reads <= constants | found and reads & found):
            found |= {*node.output} - {""}
    return frozenset(found)


@dataclass(frozen=True)
class Slots:
    """Which inputs and outputs of an operation the standard allows in half precision."""

    inputs: tuple[bool, ...]
    outputs: tuple[bool, ...]


def slots_of(node: onnx.NodeProto, opset: int) -> Slots:
    """Looks an operation up in the standard.

    Args:
        node: An operation; one that the standard does not know has no such slots.
        opset: The version of the standard that the graph uses.
    """
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return Slots((False,) * len(node.input), (False,) * len(node.output))
    halves = {
        constraint.type_param_str
        for constraint in schema.type_constraints
        if "tensor(float16)" in constraint.allowed_type_strs
    }
    inputs = list(_allowed(schema.inputs, len(node.input), halves))
    if node.op_type == "Resize" and len(inputs) > 1:
        inputs[1] = False  # the region, which TensorRT wants as it is
    return Slots(tuple(inputs), tuple(_allowed(schema.outputs, len(node.output), halves)))


def _allowed(
    formal: Sequence[onnx.defs.OpSchema.FormalParameter], count: int, halves: set[str]
) -> Iterator[bool]:
    for place in range(count):
        # The last one may stand for any number of inputs.
        yield bool(formal) and formal[min(place, len(formal) - 1)].type_str in halves
