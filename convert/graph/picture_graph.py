"""An enlarging network takes tiles: (N, C, H, W), any number of them, of any size.

TensorFlow keeps colours last, so a converted graph begins with a Transpose. Whoever cuts tiles lays
them out anyway, and does it once: the Transpose goes, weights and results stay.
"""

from __future__ import annotations

import onnx

from faceguard.convert.graph.fold import fold, replace_nodes
from faceguard.convert.graph.nodes import attribute_of
from faceguard.convert.graph.tensors import (
    Side,
    copy_of,
    line_of,
    plain_inputs,
    set_shape,
    tensor_types,
    text_of_shape,
    type_of,
)
from faceguard.engines.errors import BadModelFile, ConvertError

_CHANNELS_FIRST = [0, 3, 1, 2]
# Shapes are proved with numbers that no axis has by chance.
_BATCH, _HEIGHT, _WIDTH = 2, 11, 7


def open_tiles(model: onnx.ModelProto, *, scale: int, channels: int, name: str) -> onnx.ModelProto:
    """Gives an enlarging network an input for tiles.

    Args:
        model: A graph with one picture as input, (N, H, W, C) or (N, C, H, W), float32, and one
            output (N, C, scale * H, scale * W); not changed.
        scale: Each side grows by this.
        channels: 1 for luma, 3 for colours.
        name: The model's name, for messages.

    Returns:
        The same network with the input (N, C, H, W) and the output (N, C, scale * H, scale * W),
        all but C open; both keep their names.

    Raises:
        BadModelFile: Its shapes contradict one another.
        ConvertError: It takes or gives something else.
    """
    made = copy_of(model)
    graph = made.graph
    pictures = plain_inputs(graph)
    if len(pictures) != 1 or len(graph.output) != 1:
        raise ConvertError(
            f"{name}: {len(pictures)} inputs and {len(graph.output)} outputs; "
            "a picture in and a larger one out are expected"
        )
    del graph.input[:]
    graph.input.extend(pictures)
    _channels_first(graph, channels, name)
    set_shape(graph.input[0], ["batch", channels, "height", "width"])
    # What was inferred for other axes would now be a contradiction.
    del graph.value_info[:]
    set_shape(graph.output[0], ["batch", channels, f"{scale}*height", f"{scale}*width"])
    _check_output(made, scale, channels, name)
    return fold(made)


def _channels_first(graph: onnx.GraphProto, channels: int, name: str) -> None:
    """Takes the Transpose after an input of colours last off the graph."""
    picture = graph.input[0]
    kind = type_of(picture)
    shape = kind.shape or ()
    if kind.elem != onnx.TensorProto.FLOAT or len(shape) != 4 or channels not in shape[1::2]:
        raise ConvertError(
            f"{name}: input {picture.name!r} is {text_of_shape(shape)}, "
            f"not a float picture of {channels} channels"
        )
    if shape[1] == channels:
        return
    readers = [node for node in graph.node if picture.name in node.input]
    turned = {node.output[0] for node in readers if _turns(node)}
    if len(turned) < len(readers) or turned & {value.name for value in graph.output}:
        raise ConvertError(
            f"{name}: input {picture.name!r} has its channels last and is read so; "
            "export the network with channels first"
        )
    kept = [node for node in graph.node if node.output[0] not in turned]
    for node in kept:
        for place, read in enumerate(node.input):
            if read in turned:
                node.input[place] = picture.name
    replace_nodes(graph, kept)


def _turns(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and attribute_of(node, "perm") == _CHANNELS_FIRST


def _check_output(model: onnx.ModelProto, scale: int, channels: int, name: str) -> None:
    """Works the output's shape out for a batch of pictures of one size."""
    output = model.graph.output[0]
    given: tuple[Side, ...] = (_BATCH, channels, _HEIGHT, _WIDTH)
    try:
        types = tensor_types(model, strict=True, inputs={model.graph.input[0].name: given})
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise BadModelFile(f"{name}: its shapes do not fit: {line_of(error)}") from error
    have = types[output.name].shape or ()
    if have != (_BATCH, channels, scale * _HEIGHT, scale * _WIDTH):
        raise ConvertError(
            f"{name}: of {text_of_shape(given)} it makes {text_of_shape(have)}; "
            f"{scale} times the height and width are expected"
        )
