"""What can be computed beforehand is, and what nobody needs goes.

An own pass and not ONNX Runtime's offline optimizer: that one writes to a file, adds names that
change from version to version, and folds without a limit on size.
"""

from __future__ import annotations

from collections.abc import Collection, MutableSequence
from math import prod

import numpy as np
import onnx

from faceguard.convert.graph.evaluate import evaluate, may_trap
from faceguard.convert.graph.fuse import fuse_normalizations
from faceguard.convert.graph.nodes import int_of, reads_of, subgraphs
from faceguard.convert.graph.tensors import (
    STANDARD,
    TensorType,
    array_of,
    constant_value,
    copy_of,
    plain_inputs,
    set_shape,
    tensor_types,
    type_of,
)
from faceguard.engines.types import Array

# A folded tensor may take this much, or as much as the constants that it is made from: a zero
# repeated to a picture's size stays an operation.
_FREE_BYTES = 64 << 10
# Each round, shapes become known by what the one before folded; real graphs settle in three.
_MOST_ROUNDS = 16

# Drawn anew at each run, or the very thing that says a weight is quantized.
_NEVER_FOLDED = """
    Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike
    QuantizeLinear DequantizeLinear DynamicQuantizeLinear Constant
    """


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """Makes a graph smaller that gives the same.

    Constants are computed, shapes that are known become constants, Identity and Dropout and
    whatever no output needs go, and a BatchNormalization after a convolution moves into its
    weights. Only operations of the standard come out; those that nothing happens to keep their
    names and order, and inputs and outputs keep theirs.

    Args:
        model: A checked graph; it is not changed.

    Returns:
        The graph, with weights no longer listed as inputs. The same graph gives the same bytes.
    """
    made = copy_of(model)
    graph = made.graph
    inputs = plain_inputs(graph)
    del graph.input[:]
    graph.input.extend(inputs)
    store_constants(graph)
    for _ in range(_MOST_ROUNDS):
        _drop_pass_through(graph)
        drop_unused(graph)
        if not _fold_once(made):
            break
    fuse_normalizations(graph)
    drop_unused(graph)
    _tell_shapes(made)
    return made


def store_constants(graph: onnx.GraphProto) -> None:
    """Turns Constant operations into weights, so that there is one kind of constant only."""
    kept = []
    for node in graph.node:
        value = None
        if node.op_type == "Constant" and node.domain in STANDARD:
            value = constant_value(node)
        if value is None:
            kept.append(node)
        else:
            graph.initializer.append(value)
    replace_nodes(graph, kept)


def replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Gives a graph these operations, which may be some of its own."""
    # The list may hold nodes of this very graph, which clearing it would empty.
    copies = []
    for node in nodes:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        copies.append(copied)
    del graph.node[:]
    graph.node.extend(copies)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Removes operations and weights that no output needs, and what is said of their tensors."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & {*node.output}:
            kept.append(node)
            needed |= reads_of(node)
    if len(kept) < len(graph.node):
        replace_nodes(graph, kept[::-1])
    weights = [weight for weight in graph.initializer if weight.name in needed]
    if len(weights) < len(graph.initializer):
        # Popped from the end, so that the large ones that stay are not copied.
        for place in range(len(graph.initializer) - 1, -1, -1):
            if graph.initializer[place].name not in needed:
                del graph.initializer[place]
    made = needed | {value.name for value in graph.input}
    for place in range(len(graph.value_info) - 1, -1, -1):
        if graph.value_info[place].name not in made:
            del graph.value_info[place]


def _passes_through(node: onnx.NodeProto, weights: dict[str, onnx.TensorProto]) -> bool:
    if node.domain not in STANDARD:
        return False
    if node.op_type == "Identity":
        return True
    if node.op_type != "Dropout" or any(node.output[1:]):
        return False
    if len(node.input) > 2 and node.input[2]:
        given = weights.get(node.input[2])
        return given is not None and not array_of(given).any()
    return True


def _drop_pass_through(graph: onnx.GraphProto) -> None:
    """Operations that give what they take go; names of inputs, outputs and weights stay."""
    weights = {weight.name: weight for weight in graph.initializer}
    outputs = {value.name for value in graph.output}
    fixed = outputs | weights.keys() | {value.name for value in graph.input}
    # A body of If or Loop reads by name what lies outside of it.
    fixed |= {name for node in graph.node for name in reads_of(node) - {*node.input}}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        if not _passes_through(node, weights):
            kept.append(node)
            continue
        source = renamed.get(node.input[0], node.input[0])
        target = node.output[0]
        if target not in fixed:
            renamed[target] = source
        elif source not in fixed:
            # The operation before gives the output itself.
            for other in kept:
                _rename(other.output, {source: target})
                _rename(other.input, {source: target})
            renamed = {key: target if to == source else to for key, to in renamed.items()}
            renamed[source] = target
            fixed.add(source)
        else:
            kept.append(node)
    for node in kept:
        _rename(node.input, renamed)
    if len(kept) < len(graph.node):
        replace_nodes(graph, kept)


def _rename(names: MutableSequence[str], renamed: dict[str, str]) -> None:
    for place, name in enumerate(names):
        if name in renamed:
            names[place] = renamed[name]


def _fold_once(model: onnx.ModelProto) -> bool:
    """Computes what can be computed now; whether anything was."""
    graph = model.graph
    try:
        types = tensor_types(model)
    except onnx.shape_inference.InferenceError:
        types = {}
    stored = {weight.name: weight for weight in graph.initializer}
    bytes_of = {
        weight.name: TensorType(weight.data_type, tuple(weight.dims)).nbytes or 0
        for weight in graph.initializer
    }
    outputs = {value.name for value in graph.output}
    computed: dict[str, Array] = {}
    chosen: list[onnx.NodeProto] = []
    for node in graph.node:
        if outputs & {*node.output}:
            continue
        shape = _known_shape(node, types)
        if shape is not None:
            computed[node.output[0]] = shape
            continue
        if not _foldable(node, bytes_of.keys()) or may_trap(node, stored, types):
            continue
        limit = max(_FREE_BYTES, sum(bytes_of[name] for name in {*node.input} if name))
        sizes = {name: _bytes(types.get(name), limit) for name in node.output if name}
        if sum(sizes.values()) <= limit:
            chosen.append(node)
            bytes_of |= sizes
    computed |= evaluate(model, chosen)
    if not computed:
        return False
    # What was computed on the way, and nobody else reads, goes with `drop_unused`.
    kept = [node for node in graph.node if not {*node.output} - {""} <= computed.keys()]
    replace_nodes(graph, kept)
    for name, value in computed.items():
        graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    return True


def _bytes(kind: TensorType | None, limit: int) -> int:
    """A tensor's size; more than the limit where it is not known."""
    size = None if kind is None else kind.nbytes
    return limit + 1 if size is None else size


def _foldable(node: onnx.NodeProto, constants: Collection[str]) -> bool:
    return (
        node.domain in STANDARD
        and node.op_type not in _NEVER_FOLDED.split()
        and next(subgraphs(node), None) is None
        and all(not name or name in constants for name in node.input)
    )


def _known_shape(node: onnx.NodeProto, types: dict[str, TensorType]) -> Array | None:
    """What Shape or Size give where the shape is known without running the graph."""
    if node.domain not in STANDARD or node.op_type not in ("Shape", "Size"):
        return None
    kind = types.get(node.input[0])
    if kind is None or kind.shape is None:
        return None
    if node.op_type == "Size":
        shape = kind.fixed
        count = None if shape is None else prod(shape)
        return None if count is None or count >= 2**63 else np.asarray(count, np.int64)
    part = kind.shape[int_of(node, "start", 0) : int_of(node, "end", len(kind.shape))]
    if not all(isinstance(side, int) for side in part):
        return None
    return np.asarray(part, np.int64)


def _tell_shapes(model: onnx.ModelProto) -> None:
    """Sides of outputs that folding made known are written down; sides of values in between go."""
    graph = model.graph
    del graph.value_info[:]
    try:
        types = tensor_types(model)
    except onnx.shape_inference.InferenceError:
        return
    for value in graph.output:
        said = type_of(value).shape
        found = types[value.name].shape if value.name in types else None
        if said is None or found is None or len(said) != len(found):
            continue
        pairs = zip(said, found, strict=True)
        set_shape(value, [new if isinstance(new, int) else old for old, new in pairs])
