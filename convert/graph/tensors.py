"""What can be known of a graph's tensors without running it: types, shapes, who reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from faceguard.convert.graph.nodes import subgraphs, walk
from faceguard.engines.spec import Shape

STANDARD = ("", "ai.onnx")
"""The two spellings of the standard's own domain."""

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""The operations whose speed and size a precision is about."""

# Shape inference reads the values of small weights (the target of a Reshape, the axes of a
# Squeeze); of the large ones it needs type and shape only, and they are not copied for it.
_SMALL_ELEMENTS = 4096

Side = int | str | None


@dataclass(frozen=True)
class TensorType:
    """Type and shape of one tensor.

    Attributes:
        elem: A member of onnx.TensorProto.DataType; 0 where it is not known.
        shape: A number, a symbol or None for each axis; None where not even the rank is known.
    """

    elem: int
    shape: tuple[Side, ...] | None

    @property
    def fixed(self) -> Shape | None:
        """The shape where every side of it is a number."""
        if self.shape is None:
            return None
        sides = [side for side in self.shape if isinstance(side, int)]
        return tuple(sides) if len(sides) == len(self.shape) else None

    @property
    def nbytes(self) -> int | None:
        """Its size in memory; None where the shape or the type is open."""
        shape = self.fixed
        if shape is None or not self.elem:
            return None
        elements = 1
        for side in shape:
            elements *= side
        return elements * bits_of(self.elem) // 8


def bits_of(elem: int) -> int:
    """How many bits an element takes in memory; strings count as a pointer."""
    if elem in _SMALL_BITS:
        return _SMALL_BITS[elem]
    try:
        return 8 * int(onnx.helper.tensor_dtype_to_np_dtype(elem).itemsize)
    except (KeyError, ValueError):
        return 64


_SMALL_BITS: dict[int, int] = {
    getattr(onnx.TensorProto, name): bits
    for name, bits in {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}.items()
    if hasattr(onnx.TensorProto, name)
}


def elem_name(elem: int) -> str:
    """What ONNX calls an element type; its number where it is none of its own."""
    if elem not in onnx.TensorProto.DataType.values():
        return f"type {elem}"
    return str(onnx.TensorProto.DataType.Name(elem))


def text_of_shape(sides: Iterable[Side]) -> str:
    """A shape as messages write it: 1x3x640x640, with a question mark for what is open."""
    return "x".join("?" if side is None else str(side) for side in sides) or "one number"


def type_of(value: onnx.ValueInfoProto) -> TensorType:
    """What a graph says of an input, output or value in between."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return TensorType(tensor.elem_type, None)
    return TensorType(tensor.elem_type, tuple(map(_side, tensor.shape.dim)))


def _side(side: onnx.TensorShapeProto.Dimension) -> Side:
    if side.HasField("dim_value"):
        return int(side.dim_value)
    return str(side.dim_param) or None


def tensor_types(
    model: onnx.ModelProto,
    *,
    strict: bool = False,
    inputs: Mapping[str, tuple[Side, ...]] | None = None,
) -> dict[str, TensorType]:
    """Infers types and shapes of every tensor of the main graph.

    Args:
        model: Any graph; it is not changed, and its large weights are not copied.
        strict: Whether a contradiction is an error or leaves tensors open.
        inputs: Shapes to assume at inputs in place of what the graph says.

    Returns:
        By name; tensors of which nothing is known are left out.

    Raises:
        onnx.shape_inference.InferenceError: With `strict`, the shapes contradict one another.
    """
    light = _without_large_weights(model)
    _hide_ends(light.graph)
    for value in light.graph.input:
        if inputs is not None and value.name in inputs:
            set_shape(value, inputs[value.name])
    if inputs is not None:
        # What was inferred for other shapes would be taken for true.
        del light.graph.value_info[:]
        for value in light.graph.output:
            loosen(value)
    inferred = onnx.shape_inference.infer_shapes(
        light, check_type=strict, strict_mode=strict, data_prop=True
    )
    graph = inferred.graph
    found = {value.name: type_of(value) for value in graph.value_info}
    found |= {value.name: type_of(value) for value in [*graph.output, *graph.input]}
    for weight in model.graph.initializer:
        found[weight.name] = TensorType(weight.data_type, tuple(weight.dims))
    return found


def _without_large_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    light = onnx.ModelProto(ir_version=max(model.ir_version, 4))
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph = light.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.value_info.extend(model.graph.value_info)
    graph.output.extend(model.graph.output)
    weights = {weight.name for weight in model.graph.initializer}
    graph.input.extend(value for value in model.graph.input if value.name not in weights)
    for weight in model.graph.initializer:
        if elements_of(weight) <= _SMALL_ELEMENTS:
            graph.initializer.append(weight)
        else:
            graph.input.append(
                onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
            )
    return light


def _hide_ends(graph: onnx.GraphProto) -> None:
    """Keeps shape inference from writing out a long Range, number by number.

    A limit of 2**31, from a damaged file or a huge picture, would take all memory. Where the three
    numbers are stored and the Range is short, its length is known; else it counts as open, until
    folding has stored them.
    """
    if not any(node.op_type == "Range" for node in walk(graph)):
        return
    constants = constants_of(graph)
    kept = []
    for node in graph.node:
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        for body in subgraphs(copied):
            _hide_ends(body)
        if node.op_type == "Range" and node.domain in STANDARD and _may_be_long(node, constants):
            # The values of an Abs are not followed, its type is.
            hidden = f"{node.input[1]}/end of {node.output[0]}"
            kept.append(onnx.helper.make_node("Abs", [node.input[1]], [hidden]))
            copied.input[1] = hidden
        kept.append(copied)
    del graph.node[:]
    graph.node.extend(kept)


def _may_be_long(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    ends = [number_of(constants.get(name)) for name in node.input]
    if len(ends) != 3:
        return True
    start, limit, step = ends
    if start is None or limit is None or not step:
        return True
    return not abs(limit - start) <= abs(step) * _SMALL_ELEMENTS


def elements_of(weight: onnx.TensorProto) -> int:
    """How many elements a stored tensor has."""
    count = 1
    for side in weight.dims:
        count *= int(side)
    return count


def set_shape(value: onnx.ValueInfoProto, shape: Iterable[Side]) -> None:
    """Gives an input or output this shape; None leaves an axis open and nameless."""
    dims = value.type.tensor_type.shape.dim
    del dims[:]
    value.type.tensor_type.shape.SetInParent()
    for side in shape:
        if isinstance(side, int):
            dims.add().dim_value = side
        elif side is None:
            dims.add()
        else:
            dims.add().dim_param = side


def loosen(value: onnx.ValueInfoProto) -> None:
    """Forgets the names of open axes, so that inference may find numbers for them."""
    kind = type_of(value)
    if kind.shape is not None:
        set_shape(value, [side if isinstance(side, int) else None for side in kind.shape])


def plain_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that a caller feeds: older files list the weights among them."""
    weights = {weight.name for weight in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def array_of(weight: onnx.TensorProto) -> npt.NDArray[np.generic]:
    """A stored tensor's values."""
    values: npt.NDArray[np.generic] = onnx.numpy_helper.to_array(weight)
    return values


def number_of(weight: onnx.TensorProto | None) -> float | None:
    """The number that a stored tensor holds; None where it holds none, or several."""
    if weight is None or elements_of(weight) != 1:
        return None
    values = array_of(weight)
    return float(values.ravel()[0]) if values.dtype.kind in "iufb" else None


def constants_of(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """All stored tensors by name: weights, and the values of Constant operations."""
    found = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.domain in STANDARD:
            value = constant_value(node)
            if value is not None:
                found[node.output[0]] = value
    return found


def constant_value(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """What a Constant operation holds; None for texts and sparse tensors."""
    name = node.output[0]
    for attribute in node.attribute:
        kind = attribute.name
        if kind == "value":
            tensor = onnx.TensorProto()
            tensor.CopyFrom(attribute.t)
            tensor.name = name
            return tensor
        if kind in ("value_float", "value_floats"):
            floats = onnx.helper.get_attribute_value(attribute)
            return onnx.numpy_helper.from_array(np.asarray(floats, np.float32), name)
        if kind in ("value_int", "value_ints"):
            ints = onnx.helper.get_attribute_value(attribute)
            return onnx.numpy_helper.from_array(np.asarray(ints, np.int64), name)
    return None


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that can be changed."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def line_of(error: Exception) -> str:
    """An error of onnx's in one line of reasonable length."""
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
