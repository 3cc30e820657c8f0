"""Under which conditions TensorRT reads an operation: which settings and inputs it refuses.

Source: the column "Restrictions" of onnx-tensorrt's operator tables, and what its changelog says
came after 10.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from faceguard.convert.graph.nodes import attribute_of, int_of, text_of
from faceguard.convert.graph.tensors import TensorType, array_of, number_of

_MOST_TOPK = 3840
_POOLED_RANKS = (4, 5)


@dataclass(frozen=True)
class Known:
    """What is known of the graph around an operation.

    Attributes:
        constants: Stored tensors by name.
        settled: Names of tensors that do not depend on any input's values.
        types: Types and shapes by name.
    """

    constants: dict[str, onnx.TensorProto]
    settled: frozenset[str]
    types: dict[str, TensorType]


def reasons(node: onnx.NodeProto, known: Known) -> Iterator[str]:
    """Why TensorRT would not read this operation, which it has in its table."""
    for condition in _CONDITIONS.get(node.op_type, ()):
        yield from condition(node, known)


def _resize(node: onnx.NodeProto, _known: Known) -> Iterator[str]:
    mode = text_of(node, "mode", "nearest")
    if mode not in ("nearest", "linear"):
        yield f"mode {mode}; it resizes by nearest or linear only"
    transform = text_of(node, "coordinate_transformation_mode", "half_pixel")
    if transform not in _TRANSFORMS:
        yield f"coordinate_transformation_mode {transform}; it takes {', '.join(_TRANSFORMS)}"
    nearest = text_of(node, "nearest_mode", "round_prefer_floor")
    if mode == "nearest" and nearest not in _NEAREST:
        yield f"nearest_mode {nearest}; it takes {', '.join(_NEAREST)}"
    if int_of(node, "antialias", 0):
        yield "antialias is set, which it cannot"
    policy = text_of(node, "keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        yield f"keep_aspect_ratio_policy {policy}; it can only stretch"
    axes = attribute_of(node, "axes")
    if isinstance(axes, list) and axes != list(range(len(axes))):
        yield f"axes {axes}; they must be all axes in order"


_TRANSFORMS = (
    "half_pixel",
    "pytorch_half_pixel",
    "tf_half_pixel_for_nn",
    "asymmetric",
    "align_corners",
)
_NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")


def _pooled(node: onnx.NodeProto, known: Known) -> Iterator[str]:
    shape = known.types.get(node.input[0], _UNKNOWN).shape
    if shape is not None and len(shape) not in _POOLED_RANKS:
        yield f"pools a tensor of {len(shape)} axes; it pools in 2 or 3 dimensions only"
    dilations = attribute_of(node, "dilations")
    if isinstance(dilations, list) and any(step != 1 for step in dilations):
        yield f"dilations {dilations}; they must be 1"


_UNKNOWN = TensorType(0, None)


def _one_output(node: onnx.NodeProto, _known: Known) -> Iterator[str]:
    extra = [name for name in node.output[1:] if name]
    if extra:
        yield f"gives a second output {extra[0]!r}, which it does not make"


def _not_training(node: onnx.NodeProto, known: Known) -> Iterator[str]:
    training = bool(int_of(node, "training_mode", 0))
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
        given = known.constants.get(node.input[2])
        training = given is None or bool(array_of(given).any())
    if training:
        yield "is in training mode; export the model in evaluation mode"


def _settled(position: int, what: str) -> Condition:
    """An input whose value must be known when the engine is built."""

    def condition(node: onnx.NodeProto, known: Known) -> Iterator[str]:
        if len(node.input) > position and node.input[position]:
            name = node.input[position]
            if name not in known.settled:
                yield f"its {what} ({name!r}) is computed from the input; it must be a constant"

    return condition


def _absent(position: int, what: str, since: str) -> Condition:
    def condition(node: onnx.NodeProto, _known: Known) -> Iterator[str]:
        if len(node.input) > position and node.input[position]:
            yield f"takes {what} as an input, which TensorRT reads from {since} on only"

    return condition


def _zero_layout(node: onnx.NodeProto, _known: Known) -> Iterator[str]:
    if int_of(node, "layout", 0):
        yield "layout 1; it takes layout 0 only"
    if int_of(node, "input_forget", 0):
        yield "input_forget is set, which it cannot"


def _grid_sample(node: onnx.NodeProto, known: Known) -> Iterator[str]:
    shape = known.types.get(node.input[0], _UNKNOWN).shape
    if shape is not None and len(shape) != 4:
        yield f"samples a tensor of {len(shape)} axes; it takes 4"


def _scatter_nd(node: onnx.NodeProto, _known: Known) -> Iterator[str]:
    reduction = text_of(node, "reduction", "none")
    if reduction != "none":
        yield f"reduction {reduction}; it takes none only"


def _top_k(node: onnx.NodeProto, known: Known) -> Iterator[str]:
    if not int_of(node, "sorted", 1):
        yield "sorted is 0; it gives sorted values only"
    count = number_of(known.constants.get(node.input[1])) if len(node.input) > 1 else None
    count = int_of(node, "k", 1) if count is None else count
    if count >= _MOST_TOPK:
        yield f"asks for the {count:g} largest; it gives fewer than {_MOST_TOPK}"


def _eye_like(node: onnx.NodeProto, known: Known) -> Iterator[str]:
    if known.types.get(node.input[0], _UNKNOWN).fixed is None:
        yield "the shape of its input is open; it must be fixed"


def _constant(node: onnx.NodeProto, _known: Known) -> Iterator[str]:
    for attribute in node.attribute:
        if attribute.name in ("sparse_value", "value_string", "value_strings"):
            yield f"holds a {attribute.name}, which it does not read"


def _zero_point(node: onnx.NodeProto, known: Known) -> Iterator[str]:
    if len(node.input) < 3 or not node.input[2]:
        if node.op_type == "QuantizeLinear" and not int_of(node, "output_dtype", 0):
            yield "has no zero point, so it makes UINT8; it makes INT8 only"
        return
    given = known.constants.get(node.input[2])
    if given is None:
        yield f"its zero point ({node.input[2]!r}) is no constant"
    elif given.data_type == onnx.TensorProto.UINT8:
        yield "quantizes to UINT8; it takes INT8 with a zero point of 0"
    elif np.any(array_of(given) != 0):
        yield "its zero point is not 0; quantize symmetrically"


Condition = Callable[[onnx.NodeProto, Known], Iterator[str]]

_AXES = (_settled(1, "axes"),)
_REDUCTIONS = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"
_CONDITIONS: dict[str, tuple[Condition, ...]] = {
    "AveragePool": (_pooled,),
    "BatchNormalization": (_not_training, _one_output),
    "Constant": (_constant,),
    "CumSum": (_settled(1, "axis"),),
    "DequantizeLinear": (_zero_point,),
    "Dropout": (_not_training,),
    "EyeLike": (_eye_like,),
    "GRU": (_zero_layout,),
    "GridSample": (_grid_sample,),
    "LSTM": (_zero_layout,),
    "LayerNormalization": (_one_output,),
    "LpPool": (_pooled,),
    "MaxPool": (_pooled, _one_output),
    "OneHot": (_settled(1, "depth"),),
    "Pad": (_absent(3, "axes", "10.4"),),
    "QuantizeLinear": (_zero_point,),
    "RNN": (_zero_layout,),
    "Resize": (_resize,),
    "ScatterND": (_scatter_nd,),
    "Squeeze": _AXES,
    "TopK": (_top_k,),
    "Unsqueeze": _AXES,
    **{f"Reduce{kind}": _AXES for kind in _REDUCTIONS.split()},
}
