"""FP16: a graph in single precision becomes one in half precision, where that is safe.

An own pass over the graph and not `onnxconverter_common.float16`, whose traps lie where they
hurt: see docs/decisions/precision.md. Weights are rounded once, to the nearest.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from faceguard.convert.graph.fold import drop_unused, replace_nodes, store_constants
from faceguard.convert.graph.nodes import captured, subgraphs
from faceguard.convert.graph.tensors import array_of, copy_of, plain_inputs, tensor_types
from faceguard.convert.precision.policy import (
    SET_BY_ATTRIBUTE,
    TAKES_ANY_TYPE,
    Kept,
    shape_values,
    slots_of,
    why_single,
)
from faceguard.convert.precision.ranges import Feeds, largest_values

_FLOAT = onnx.TensorProto.FLOAT
_HALF = onnx.TensorProto.FLOAT16
_SUFFIX: dict[int, str] = {_FLOAT: "fp32", _HALF: "fp16"}


@dataclass(frozen=True)
class Half:
    """A graph in half precision.

    Attributes:
        model: The graph; inputs and outputs are what they were.
        kept: The layers that stay in single precision, in the order of the graph.
    """

    model: onnx.ModelProto
    kept: list[Kept]


def to_half(model: onnx.ModelProto, samples: Sequence[Feeds], *, name: str = "model") -> Half:
    """Casts a graph to half precision.

    A layer stays in single precision where a weight of it is over 65504 or too small, where a
    value that it takes or gives reaches more than a fourth of 65504 on the samples, where it adds
    up many values, is steep, or computes a shape. What is in half precision already stays so.

    Args:
        model: A checked graph, best a folded one; it is not changed.
        samples: What its inputs are fed with, once each; without any only weights are looked at.
        name: The model's name, for messages.

    Returns:
        A graph in which every operation has a name; the same arguments give the same bytes.

    Raises:
        ConvertError: ONNX Runtime cannot run the graph on a sample.
    """
    made = copy_of(model)
    graph = made.graph
    inputs = plain_inputs(graph)
    del graph.input[:]
    graph.input.extend(inputs)
    name_nodes(graph)
    store_constants(graph)
    return _Caster(made, largest_values(made, samples, name=name)).cast()


def name_nodes(graph: onnx.GraphProto) -> None:
    """Gives each operation a name of its own, after its first output."""
    taken: set[str] = set()
    for node in graph.node:
        wanted = node.name or next((item for item in node.output if item), node.op_type)
        node.name = unused(wanted, taken)


def unused(wanted: str, taken: set[str]) -> str:
    """The name, with underscores where it is taken; it is taken from then on."""
    while wanted in taken:
        wanted += "_"
    taken.add(wanted)
    return wanted


class _Caster:
    """One pass over one graph."""

    def __init__(self, model: onnx.ModelProto, reach: dict[str, float]) -> None:
        self._model = model
        self._graph = model.graph
        self._reach = reach
        types = tensor_types(model)
        self._floats = {tensor for tensor, kind in types.items() if kind.elem == _FLOAT}
        self._weights = {weight.name: weight for weight in self._graph.initializer}
        self._outputs = {value.name for value in self._graph.output}
        self._opset = max(
            (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
            default=1,
        )
        self._taken = {
            tensor for node in self._graph.node for tensor in (*node.input, *node.output)
        }
        self._taken |= self._weights.keys() | self._outputs
        self._taken |= {value.name for value in self._graph.input}
        self._names = {node.name for node in self._graph.node}
        # In which type each tensor is made, and under which name it is to be had in the other.
        self._made = dict.fromkeys(self._floats, _FLOAT)
        self._other: dict[tuple[str, int], str] = {}
        self._wanted: dict[str, set[int]] = {}

    def cast(self) -> Half:
        graph = self._graph
        from_shapes = shape_values(graph)
        nodes = [*graph.node]
        kept: list[Kept] = []
        order: list[onnx.NodeProto] = []
        for node in nodes:
            if not self._floats & ({*node.input, *node.output} | captured(node)):
                order.append(node)
                continue
            half = node.op_type not in SET_BY_ATTRIBUTE
            if half:
                why = why_single(node, self._weights, self._reach, from_shapes)
                slots = slots_of(node, self._opset)
                half = why is None and any((*slots.inputs, *slots.outputs))
                if why is not None:
                    kept.append(why)
                elif not half:
                    reason = "takes single precision only, by the ONNX standard"
                    kept.append(Kept(node.name, node.op_type, reason))
            order.extend(self._placed(node, half=half))
        replace_nodes(graph, order)
        self._store_weights()
        # Types of tensors in between are no longer what was said of them.
        del graph.value_info[:]
        drop_unused(graph)
        return Half(self._model, kept)

    def _placed(self, node: onnx.NodeProto, *, half: bool) -> list[onnx.NodeProto]:
        """The operation with casts before it and, at the graph's outputs, after it."""
        slots = slots_of(node, self._opset)
        before: list[onnx.NodeProto] = []
        for place, tensor in enumerate(node.input):
            if tensor not in self._floats or node.op_type in TAKES_ANY_TYPE:
                continue
            wanted = _HALF if half and slots.inputs[place] else _FLOAT
            node.input[place] = self._as(tensor, wanted, before)
        renamed = {
            tensor: self._as(tensor, _FLOAT, before)
            for tensor in sorted(captured(node) & self._floats)
        }
        for body in subgraphs(node):
            _rename_inside(body, renamed)
        after: list[onnx.NodeProto] = []
        for place, tensor in enumerate(node.output):
            if half and tensor in self._floats and slots.outputs[place]:
                self._made[tensor] = _HALF
                if tensor in self._outputs:
                    node.output[place] = self._new(tensor, _HALF)
                    after.append(self._cast(node.output[place], tensor, _FLOAT))
                    self._other[tensor, _HALF] = node.output[place]
                    self._made[tensor] = _FLOAT
        return [*before, node, *after]

    def _as(self, tensor: str, wanted: int, before: list[onnx.NodeProto]) -> str:
        """The tensor's name in the type that is wanted, casting it where nobody did before."""
        if tensor in self._weights:
            self._wanted.setdefault(tensor, set()).add(wanted)
            if wanted == _FLOAT:
                return tensor
            if (tensor, wanted) not in self._other:
                self._other[tensor, wanted] = self._new(tensor, wanted)
            return self._other[tensor, wanted]
        if self._made[tensor] == wanted:
            return tensor
        if (tensor, wanted) not in self._other:
            target = self._new(tensor, wanted)
            before.append(self._cast(tensor, target, wanted))
            self._other[tensor, wanted] = target
        return self._other[tensor, wanted]

    def _new(self, tensor: str, wanted: int) -> str:
        return unused(f"{tensor}_{_SUFFIX[wanted]}", self._taken)

    def _cast(self, source: str, target: str, to: int) -> onnx.NodeProto:
        name = unused(f"{target}_cast", self._names)
        return onnx.helper.make_node("Cast", [source], [target], name, to=to)

    def _store_weights(self) -> None:
        """Rounds the weights that half precision layers read."""
        for weight in [*self._graph.initializer]:
            target = self._other.get((weight.name, _HALF))
            if target is None:
                continue
            values = array_of(weight).astype(np.float32)
            finite = np.isfinite(values)
            # Between 65504 and 65520 rounding to the nearest would give infinity on some machines.
            limit = np.finfo(np.float16).max
            rounded = np.where(finite, np.clip(values, -limit, limit), values).astype(np.float16)
            half = onnx.numpy_helper.from_array(rounded, target)
            if _FLOAT in self._wanted[weight.name] or weight.name in self._outputs:
                self._graph.initializer.append(half)
            else:
                weight.CopyFrom(half)


def _rename_inside(graph: onnx.GraphProto, renamed: dict[str, str]) -> None:
    """Renames what a body reads from outside; what it makes itself keeps its name."""
    own = {value.name for value in graph.input} | {item.name for item in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    outer = {name: to for name, to in renamed.items() if name not in own}
    for node in graph.node:
        _rename(node.input, outer)
        for body in subgraphs(node):
            _rename_inside(body, outer)
    for value in graph.output:
        value.name = outer.get(value.name, value.name)


def _rename(names: MutableSequence[str], renamed: dict[str, str]) -> None:
    for place, name in enumerate(names):
        names[place] = renamed.get(name, name)
