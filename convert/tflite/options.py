"""The settings of an operation, read from the table that its kind has in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tflite

from faceguard.convert.tflite.schema import Options
from faceguard.engines.errors import BadModelFile

if TYPE_CHECKING:
    from collections.abc import Callable


def _conv(table: Any) -> Options:  # noqa: ANN401
    return Options(
        activation=table.FusedActivationFunction(),
        padding=table.Padding(),
        strides=(table.StrideH(), table.StrideW()),
        dilations=(table.DilationHFactor(), table.DilationWFactor()),
    )


def _pool(table: Any) -> Options:  # noqa: ANN401
    return Options(
        activation=table.FusedActivationFunction(),
        padding=table.Padding(),
        strides=(table.StrideH(), table.StrideW()),
        kernel=(table.FilterHeight(), table.FilterWidth()),
    )


def _fused(table: Any) -> Options:  # noqa: ANN401
    return Options(activation=table.FusedActivationFunction())


def _concatenation(table: Any) -> Options:  # noqa: ANN401
    return Options(activation=table.FusedActivationFunction(), axis=table.Axis())


def _axis(table: Any) -> Options:  # noqa: ANN401
    return Options(axis=table.Axis())


def _leak(table: Any) -> Options:  # noqa: ANN401
    return Options(alpha=table.Alpha())


def _resize(table: Any) -> Options:  # noqa: ANN401
    return Options(align_corners=table.AlignCorners(), half_pixel_centers=table.HalfPixelCenters())


def _blocks(table: Any) -> Options:  # noqa: ANN401
    return Options(block_size=table.BlockSize())


_OPTIONS: dict[str, tuple[str, Callable[[Any], Options]]] = {
    "CONV_2D": ("Conv2DOptions", _conv),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", _conv),
    "MAX_POOL_2D": ("Pool2DOptions", _pool),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _pool),
    "ADD": ("AddOptions", _fused),
    "SUB": ("SubOptions", _fused),
    "MUL": ("MulOptions", _fused),
    "DIV": ("DivOptions", _fused),
    "LEAKY_RELU": ("LeakyReluOptions", _leak),
    "PACK": ("PackOptions", _axis),
    "UNPACK": ("UnpackOptions", _axis),
    "CONCATENATION": ("ConcatenationOptions", _concatenation),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _resize),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", _blocks),
}
"""The operations that cannot be understood without their settings."""


def read_options(index: int, kind: str, table: Any) -> Options:  # noqa: ANN401
    """Reads the settings of an operation.

    Args:
        index: The operation's place, for messages.
        kind: Its name in the schema.
        table: The operation in the file.

    Raises:
        BadModelFile: It cannot be understood without settings, and has none or those of another.
    """
    wanted = _OPTIONS.get(kind)
    if wanted is None:
        return Options()
    name, read = wanted
    union = table.BuiltinOptions()
    if union is None or table.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, name):
        raise BadModelFile(f"op {index} {kind} lacks its settings")
    options = getattr(tflite, name)()
    options.Init(union.Bytes, union.Pos)
    return read(options)
