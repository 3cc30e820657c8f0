"""How much a network has to multiply, counted from its graph as direct convolution would do it."""

from __future__ import annotations

import math
from pathlib import Path

import onnx

from benchmarks.parts.upscale_peer import weights
from faceguard.convert.frozen import convert_frozen
from faceguard.convert.graph.picture_graph import open_tiles
from faceguard.engines.catalogue import read_catalogue


def exported(name: str, folder: Path) -> Path:
    """Writes a catalogue's network as its authors left it, but for the order of axes.

    Args:
        name: Its name; its file is here.
        folder: Where to write.
    """
    entry = read_catalogue().entry(name)
    if entry.enlarging is None:
        raise ValueError(f"{name} does not enlarge")
    channels = 1 if entry.enlarging.colours == "luma" else 3
    plain = convert_frozen(weights(name).read_bytes(), name=name)
    path = folder / f"{name}.onnx"
    onnx.save(open_tiles(plain, scale=entry.enlarging.scale, channels=channels, name=name), path)
    return path


def multiplications(path: Path, width: int, height: int) -> int:
    """Multiplications (each with an addition) of all convolutions and matrix products of a graph.

    A graph that was rewritten to need fewer is not what to give here: the arithmetic that is
    compared is that of the network, not that of a way to compute it.

    Args:
        path: A graph with one input, float32 (N, C, height, width).
        width: Of the picture.
        height: Of the picture.

    Raises:
        ValueError: The size of a tensor cannot be told, or an operation that multiplies is unknown.
    """
    model = onnx.load(str(path))
    sides = model.graph.input[0].type.tensor_type.shape.dim
    for dim, side in zip((sides[0], sides[2], sides[3]), (1, height, width), strict=True):
        dim.dim_value = side
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = model.graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
            used = (node.input[0], node.input[1], node.output[0])
            total += _of(node.op_type, *(_known(shapes, name) for name in used))
        elif node.op_type in ("FusedConv", "Einsum", "ConvInteger", "QLinearConv", "If", "Loop"):
            raise ValueError(f"{path.name}: what {node.op_type} multiplies is not counted")
    return total


def _of(kind: str, one: tuple[int, ...], other: tuple[int, ...], out: tuple[int, ...]) -> int:
    if kind == "Conv":  # weights: (outputs, inputs / group, rows, columns), at each place of `out`
        return math.prod(other) * math.prod(out[2:]) * out[0]
    if kind == "ConvTranspose":  # weights: (inputs, outputs / group, ...), at each place of `one`
        return math.prod(other) * math.prod(one[2:]) * one[0]
    return math.prod(out) * one[-1]


def _known(shapes: dict[str, tuple[int, ...]], name: str) -> tuple[int, ...]:
    shape = shapes.get(name)
    if not shape or 0 in shape:
        raise ValueError(f"the size of {name} cannot be told")
    return shape
