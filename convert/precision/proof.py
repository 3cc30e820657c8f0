"""Proof that a graph, or a built engine, is in the precision that was asked for.

Converters exist that were asked for FP16, wrote FP32 and said nothing; so what came out is looked
at, and not what was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import onnx

from faceguard.convert.graph.nodes import attribute_of, label, subgraphs, walk
from faceguard.convert.graph.tensors import (
    STANDARD,
    WEIGHTED,
    bits_of,
    constants_of,
    elements_of,
    plain_inputs,
    tensor_types,
    type_of,
)
from faceguard.convert.precision.engine_proof import EngineProof, prove_engine_layers
from faceguard.convert.precision.policy import Kept, names_of
from faceguard.engines.errors import ProofFailed
from faceguard.engines.spec import Precision

__all__ = [
    "EngineProof",
    "PrecisionProof",
    "Stored",
    "prove",
    "prove_engine_layers",
    "type_name",
    "unquantized",
]

_SHOWN = 3
_NAMES = {"FLOAT": "fp32", "FLOAT16": "fp16", "BFLOAT16": "bf16", "DOUBLE": "fp64"}


@dataclass(frozen=True)
class Stored:
    """Weights of one type.

    Attributes:
        count: How many elements.
        bytes: What they take.
    """

    count: int
    bytes: int


@dataclass(frozen=True)
class PrecisionProof:
    """What a graph holds and computes in.

    Attributes:
        precision: What was asked for.
        weights: Stored elements by type, such as `fp16`.
        layers: For each kind of weighted layer, how many compute in each type.
        io: The types of inputs and outputs by name.
        kept: The weighted layers that compute in another type than was asked for, as allowed.
    """

    precision: Precision
    weights: dict[str, Stored]
    layers: dict[str, dict[str, int]]
    io: dict[str, str]
    kept: list[str]


def prove(
    model: onnx.ModelProto,
    precision: Precision,
    kept: Iterable[Kept | str] = (),
    *,
    name: str = "model",
) -> PrecisionProof:
    """Counts the types of all weights and weighted layers.

    Args:
        model: The graph that the engine is built from.
        precision: What was asked for.
        kept: Layers that may compute in single precision, or their names; see `Half.kept`.
        name: The model's name, for messages.

    Returns:
        The counts, for the manifest.

    Raises:
        ProofFailed: Some weighted layers compute in another type and are not in `kept`, or none
            computes in the type that was asked for.
    """
    allowed = names_of(kept)
    layers: dict[str, dict[str, int]] = {}
    excused: list[str] = []
    wrong: list[str] = []
    for node, computed in _computed(model):
        counts = layers.setdefault(node.op_type, {})
        counts[computed] = counts.get(computed, 0) + 1
        if computed == precision:
            continue
        if label(node) in allowed:
            excused.append(label(node))
        else:
            wrong.append(f"{node.op_type} {label(node)!r} in {computed}")
    if wrong:
        raise ProofFailed(_failure(name, precision, wrong, "layers"))
    if layers and not any(precision in counts for counts in layers.values()):
        raise ProofFailed(
            f"{name}: {precision} was asked for, but no layer can compute in it "
            f"({', '.join(excused[:_SHOWN])}); take another precision; nothing was published"
        )
    values = [*plain_inputs(model.graph), *model.graph.output]
    return PrecisionProof(
        precision,
        _stored(model.graph),
        {op: dict(sorted(counts.items())) for op, counts in sorted(layers.items())},
        {value.name: type_name(type_of(value).elem) for value in values},
        excused,
    )


def unquantized(model: onnx.ModelProto) -> list[Kept]:
    """The weighted layers of a graph that do not compute in bytes, where others do."""
    return [
        Kept(label(node), node.op_type, "is not quantized in the source")
        for node, computed in _computed(model)
        if computed != "int8"
    ]


def _failure(name: str, precision: Precision, wrong: list[str], what: str) -> str:
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return (
        f"{name}: {precision} was asked for, but {len(wrong)} {what} compute otherwise: "
        f"{', '.join(wrong[:_SHOWN])}{more}; nothing was published"
    )


def type_name(elem: int) -> str:
    """A type of ONNX as reports write it: fp32, fp16, int8."""
    name = str(onnx.TensorProto.DataType.Name(elem))
    return _NAMES.get(name, name.lower())


def _stored(graph: onnx.GraphProto) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    graphs = [graph, *(body for node in walk(graph) for body in subgraphs(node))]
    for part in graphs:
        for weight in constants_of(part).values():
            name = type_name(weight.data_type)
            before = found.get(name, Stored(0, 0))
            count = elements_of(weight)
            size = count * bits_of(weight.data_type) // 8
            found[name] = Stored(before.count + count, before.bytes + size)
    return dict(sorted(found.items()))


def _computed(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    """Each weighted layer with the type that it computes in."""
    types = {name: kind.elem for name, kind in tensor_types(model).items()}
    for graph in (model.graph, *(body for node in walk(model.graph) for body in subgraphs(node))):
        makers = {name: node for node in graph.node for name in node.output}
        for weight in graph.initializer:
            types.setdefault(weight.name, weight.data_type)
        for node in graph.node:
            if node.op_type in WEIGHTED and node.domain in STANDARD:
                yield node, _type_of_layer(node, makers, types)


def _type_of_layer(
    node: onnx.NodeProto, makers: dict[str, onnx.NodeProto], types: dict[str, int]
) -> str:
    """INT8 where both factors come from bytes, else the type that both factors have."""
    factors = node.input[:2]
    if all(_from_bytes(makers.get(factor), makers, types) for factor in factors):
        return "int8"
    found = {types.get(factor, 0) for factor in (*factors, *node.output)}
    found.discard(0)
    if len(found) == 1:
        return type_name(found.pop())
    return "a type that cannot be known" if not found else "mixed types"


def _from_bytes(
    maker: onnx.NodeProto | None, makers: dict[str, onnx.NodeProto], types: dict[str, int]
) -> bool:
    if maker is None or maker.op_type != "DequantizeLinear":
        return False
    source = maker.input[0]
    if types.get(source) == onnx.TensorProto.INT8:
        return True
    before = makers.get(source)
    if before is None or before.op_type != "QuantizeLinear":
        return False
    # The zero point says what the steps are stored in.
    point = before.input[2] if len(before.input) > 2 else ""
    output = attribute_of(before, "output_dtype", types.get(point, 0))
    return output == onnx.TensorProto.INT8
