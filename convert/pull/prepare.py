"""A source file becomes the graph that a runtime loads.

ONNX graphs come with the picture size that their author exported. The convolutional detectors
here run at any size, so height and width are opened; TFLite files and frozen TensorFlow graphs are
converted. A network that enlarges gets an input for tiles. The answer is the same bytes each time
for the same source and the same packages. Whoever changes the graphs made here raises
`faceguard.engines.store.PREPARER` by one.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.convert.onnx_bytes import parsed, serialized
from faceguard.engines.errors import BadModelFile, ConvertError

if TYPE_CHECKING:
    import onnx

    from faceguard.engines.catalogue import Enlarging

_NEEDS = {".onnx": ("onnx",), ".tflite": ("onnx", "tflite"), ".pb": ("onnx",)}
_COLOURS = 3


def prepare(source: Path, *, name: str, enlarging: Enlarging | None = None) -> bytes:
    """Makes the graph that the runtime loads.

    Args:
        source: A `.onnx`, `.tflite` or `.pb` file.
        name: The model's name in the catalogue, for messages.
        enlarging: What it does where it is a super-resolution network.

    Returns:
        A serialized ONNX model, checked by onnx.checker.

    Raises:
        BadModelFile: The file is truncated, damaged or no model.
        UnsupportedOp: It holds an operation that the converter does not know.
        ConvertError: Its suffix is not known, it has no picture as input, does not enlarge as the
            catalogue says, or a package is missing.
    """
    needs = _NEEDS.get(source.suffix)
    if needs is None:
        known = ", ".join(_NEEDS)
        raise ConvertError(f"{name}: cannot prepare {source}; only {known} are known")
    missing = [package for package in needs if find_spec(package) is None]
    if missing:
        raise ConvertError(
            f"{name}: preparing it needs the package {' and '.join(missing)}: "
            "pip install 'faceguard-edge[convert]'"
        )
    data = source.read_bytes()
    if source.suffix == ".tflite":
        from faceguard.convert.tflite import convert_tflite

        model = convert_tflite(data, name=name)
    elif source.suffix == ".pb":
        from faceguard.convert.frozen import convert_frozen

        model = convert_frozen(data, name=name)
    elif enlarging is not None:
        model = parsed(data, name=name)
    else:
        model = make_dynamic(data, name=name)
    if enlarging is not None:
        model = _for_tiles(model, enlarging, name)
    return _serialize(model, source, name)


def rewrite(data: bytes, *, name: str) -> bytes:
    """Makes the second graph of a model that the catalogue calls rewritten.

    Args:
        data: What `prepare` made.
        name: The model's name, for messages.

    Returns:
        A serialized ONNX model that gives the same, checked by onnx.checker.

    Raises:
        ConvertError: Nothing in it can be rewritten.
    """
    from faceguard.convert.graph.winograd import rewritten

    return _serialize(rewritten(parsed(data, name=name), name=name), Path(f"{name}.onnx"), name)


def make_dynamic(data: bytes, *, name: str) -> onnx.ModelProto:
    """Opens height and width of a graph that was exported for one picture size.

    Args:
        data: A serialized ONNX model with one float picture as input, (N, 3, H, W) or (N, H, W, 3).
        name: The model's name, for messages.

    Returns:
        The same graph with a batch of 1, symbolic height and width at the input, outputs whose
        axes are open where they follow from these, and no weights listed as inputs.

    Raises:
        BadModelFile: The bytes are no ONNX model, or its shapes contradict one another.
        ConvertError: The graph has not exactly one picture as input.
    """
    import onnx

    model = parsed(data, name=name)
    graph = model.graph
    _drop_idle_weights(graph)
    if len(graph.input) != 1:
        names = [node.name for node in graph.input]
        raise ConvertError(f"{name}: takes {len(names)} inputs {names}; one picture is expected")
    _open_picture(graph.input[0], name)
    # What was inferred for the old size would now be a contradiction.
    del graph.value_info[:]
    ranks = [len(output.type.tensor_type.shape.dim) for output in graph.output]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise BadModelFile(f"{name}: its shapes do not fit: {_line(error)}") from error
    for output, found, rank in zip(graph.output, inferred.graph.output, ranks, strict=True):
        output.CopyFrom(found)
        shape = output.type.tensor_type.shape
        if not shape.dim:  # a reshape by numbers computed in the graph: only the rank is sure
            shape.dim.extend([onnx.TensorShapeProto.Dimension() for _ in range(rank)])
        for axis, side in enumerate(shape.dim):
            if not side.HasField("dim_value"):
                side.dim_param = f"{output.name}_{axis}"
    return model


def _for_tiles(model: onnx.ModelProto, enlarging: Enlarging, name: str) -> onnx.ModelProto:
    from faceguard.convert.graph.picture_graph import open_tiles
    from faceguard.convert.graph.prelu import shorten_prelu
    from faceguard.convert.graph.wide_tail import widen_tail

    channels = 1 if enlarging.colours == "luma" else _COLOURS
    made = open_tiles(model, scale=enlarging.scale, channels=channels, name=name)
    shorten_prelu(made.graph)
    widen_tail(made.graph)
    return made


def _drop_idle_weights(graph: onnx.GraphProto) -> None:
    """Takes weights off the list of inputs, and those that no operation reads off the graph."""
    weights = {weight.name for weight in graph.initializer}
    read = {name for node in graph.node for name in node.input}
    read |= {output.name for output in graph.output}
    inputs = [node for node in graph.input if node.name not in weights]
    kept = [weight for weight in graph.initializer if weight.name in read]
    del graph.input[:]
    graph.input.extend(inputs)
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _open_picture(picture: onnx.ValueInfoProto, name: str) -> None:
    """Sets the batch to 1 and gives height and width names instead of numbers."""
    sides = picture.type.tensor_type.shape.dim
    if len(sides) == 4 and sides[1].dim_value == _COLOURS:
        height, width = 2, 3
    elif len(sides) == 4 and sides[3].dim_value == _COLOURS:
        height, width = 1, 2
    else:
        shape = "x".join(str(side.dim_value or side.dim_param or "?") for side in sides)
        raise ConvertError(
            f"{name}: input {picture.name!r} is {shape or 'a scalar'}, "
            "not a picture of 3 colours (N, 3, H, W) or (N, H, W, 3)"
        )
    sides[0].dim_value = 1
    sides[height].dim_param = "height"
    sides[width].dim_param = "width"


def _serialize(model: onnx.ModelProto, source: Path, name: str) -> bytes:
    import onnx

    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise BadModelFile(f"{name}: {source} is no valid graph: {_line(error)}") from error
    return serialized(model)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
