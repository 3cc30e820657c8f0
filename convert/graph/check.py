"""A graph is looked over before any build: is it sound, and can every TensorRT read it?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx

from faceguard.convert.graph.conditions import Known, reasons
from faceguard.convert.graph.damage import check_damage, damage_told
from faceguard.convert.graph.nodes import label, reads_of, subgraphs, walk
from faceguard.convert.graph.supported import DATA_DEPENDENT, OPS, OPSETS, TYPES
from faceguard.convert.graph.tensors import STANDARD, constants_of, elem_name, line_of, tensor_types
from faceguard.engines.errors import BadModelFile, UnsupportedOp

_SHOWN = 3
_LONGEST = 300
# Protocol buffers end at 2 GiB, and onnx.checker with them.
_MOST_BYTES = 2**31 - 1


@dataclass(frozen=True)
class Problem:
    """One thing in a graph that TensorRT would not read.

    Attributes:
        node: The operation's name, or that of its first output where it has none; of an input or
            weight where the problem is not in an operation; empty for the graph as a whole.
        op: Its kind, or `input`, `weight`, `opset`.
        reason: What is wrong, and where there is something, what to do.
    """

    node: str
    op: str
    reason: str

    def __str__(self) -> str:
        """As it stands in a message: on one line, whatever the graph holds."""
        text = f"{self.op} {self.node!r}: {self.reason}" if self.node else self.reason
        return "".join(letter if letter.isprintable() else "?" for letter in text)[:_LONGEST]


def check_graph(model: onnx.ModelProto, *, name: str) -> None:
    """Refuses what cannot become an engine, before any build.

    Args:
        model: A graph with all its weights in it.
        name: The model's name, for messages.

    Raises:
        BadModelFile: It is no sound graph, or its weights lie in another file.
        UnsupportedOp: It holds what TensorRT 10.3 to 11.4 would not read; the first few are named.
    """
    check_sound(model, name=name)
    with damage_told(name):
        found = problems(model)
    if found:
        raise UnsupportedOp(
            f"{name}: TensorRT cannot read this graph: {first_of(found)}; "
            "--backend onnx makes a graph for the CPU"
        )


def first_of(found: Sequence[Problem]) -> str:
    """The first few problems, and how many there are besides, for messages."""
    more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
    return "; ".join(map(str, found[:_SHOWN])) + more


def check_sound(model: onnx.ModelProto, *, name: str) -> None:
    """Refuses what no runtime could take.

    Args:
        model: A graph with all its weights in it.
        name: The model's name, for messages.

    Raises:
        BadModelFile: It is no sound graph, or its weights lie in another file.
    """
    if not model.graph.node:
        raise BadModelFile(f"{name}: no operation in this graph; export the model again")
    if model.ByteSize() > _MOST_BYTES:
        raise BadModelFile(f"{name}: larger than 2 GiB, more than an ONNX file can hold")
    with damage_told(name):
        check_damage(model, name=name)
        _no_outside_weights(model, name)
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise BadModelFile(f"{name}: no valid graph: {line_of(error)}") from error


def _no_outside_weights(model: onnx.ModelProto, name: str) -> None:
    graphs = [model.graph, *(body for node in walk(model.graph) for body in subgraphs(node))]
    for graph in graphs:
        for weight in graph.initializer:
            if weight.data_location == onnx.TensorProto.EXTERNAL:
                places = {entry.key: entry.value for entry in weight.external_data}
                raise BadModelFile(
                    f"{name}: weight {weight.name!r} lies in another file "
                    f"({places.get('location', 'unnamed')}); "
                    "save the model as one file: onnx.save(onnx.load(FILE), NEW)"
                )


def problems(model: onnx.ModelProto) -> list[Problem]:
    """All that TensorRT 10.3 to 11.4 would not read, in the order of the graph.

    Args:
        model: A graph that onnx.checker takes.
    """
    return [*_versions(model), *_edges(model), *_operations(model)]


def _versions(model: onnx.ModelProto) -> Iterator[Problem]:
    for entry in model.opset_import:
        if entry.domain in STANDARD and entry.version not in OPSETS:
            yield Problem(
                "",
                "opset",
                f"its opset is {entry.version}, TensorRT 10.3 to 11.4 read "
                f"{OPSETS[0]} to {OPSETS[-1]}: export it with opset_version=17",
            )


def _edges(model: onnx.ModelProto) -> Iterator[Problem]:
    for sparse in model.graph.sparse_initializer:
        yield Problem(sparse.values.name, "weight", "is stored sparse; export it as a plain one")
    weights = {weight.name for weight in model.graph.initializer}
    for value in model.graph.input:
        kind = value.type.WhichOneof("value")
        if value.name in weights:
            continue
        if kind != "tensor_type":
            reason = f"is a {str(kind).removesuffix('_type')}, not a tensor"
            yield Problem(value.name, "input", reason)
        elif value.type.tensor_type.elem_type not in TYPES:
            yield Problem(value.name, "input", _bad_type(value.type.tensor_type.elem_type))


def _operations(model: onnx.ModelProto) -> Iterator[Problem]:
    try:
        types = tensor_types(model)
    except onnx.shape_inference.InferenceError:
        types = {}
    known = Known(constants_of(model.graph), frozenset(_settled(model.graph)), types)
    functions = {(function.domain, function.name) for function in model.functions}
    for node in walk(model.graph):
        if node.domain not in STANDARD:
            yield _foreign(node, functions)
            continue
        # Whatever does not depend on the input is computed before TensorRT sees it.
        if node.output and all(name in known.settled for name in node.output if name):
            if node.op_type == "Constant":
                yield from (Problem(label(node), node.op_type, why) for why in reasons(node, known))
            continue
        if node.op_type in DATA_DEPENDENT:
            yield Problem(
                label(node),
                node.op_type,
                "the shape of its output depends on the picture; cut the graph before it",
            )
        elif node.op_type not in OPS:
            yield Problem(label(node), node.op_type, "TensorRT does not know this operation")
        else:
            for why in reasons(node, known):
                yield Problem(label(node), node.op_type, why)
        yield from _types(node, known)


def _foreign(node: onnx.NodeProto, functions: set[tuple[str, str]]) -> Problem:
    if (node.domain, node.op_type) in functions:
        why = "is a function of this model; inline it first: onnx.inliner.inline_local_functions"
    else:
        why = f"is of the domain {node.domain}, not of the ONNX standard; export without it"
    return Problem(label(node), node.op_type, why)


def _types(node: onnx.NodeProto, known: Known) -> Iterator[Problem]:
    """The first tensor of an operation that has a type TensorRT does not take."""
    for name in node.input:
        weight = known.constants.get(name)
        if weight is not None and weight.data_type not in TYPES:
            why = f"its weight {name!r} {_bad_type(weight.data_type)}"
            yield Problem(label(node), node.op_type, why)
            return
    for name in node.output:
        kind = known.types.get(name)
        if kind is not None and kind.elem and kind.elem not in TYPES:
            yield Problem(label(node), node.op_type, f"its output {name!r} {_bad_type(kind.elem)}")
            return


def _bad_type(elem: int) -> str:
    if elem == onnx.TensorProto.UNDEFINED:
        return "has no type"
    if elem == onnx.TensorProto.DOUBLE:
        return "is DOUBLE; export the model in single precision"
    return f"is {elem_name(elem)}, which TensorRT does not take"


def _settled(graph: onnx.GraphProto) -> set[str]:
    """The tensors that are the same for every input, so that folding makes them constants."""
    found = {weight.name for weight in graph.initializer}
    for node in graph.node:
        random = node.op_type.startswith(_RANDOM)
        if node.domain in STANDARD and not random and reads_of(node) <= found:
            found |= {name for name in node.output if name}
    return found


_RANDOM = ("Random", "Multinomial", "Bernoulli")
