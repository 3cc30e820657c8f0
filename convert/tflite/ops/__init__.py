"""What each TFLite operation is in ONNX: one function each, found by name.

Settings and formulas are those of TensorFlow Lite's reference kernels
(tensorflow/lite/kernels/internal/reference). Shapes here are in TFLite's order, (N, H, W, C) for
pictures. Each function raises BadModelFile where the operation contradicts itself and UnsupportedOp
where it is sound but not converted; who calls it says which operation that was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.convert.tflite.ops import convolution, elementwise, indices, shapes, stored

if TYPE_CHECKING:
    from faceguard.convert.tflite.ops.table import Converter

__all__ = ["CONVERTERS"]

CONVERTERS: dict[str, Converter] = {
    **stored.CONVERTERS,
    **convolution.CONVERTERS,
    **elementwise.CONVERTERS,
    **shapes.CONVERTERS,
    **indices.CONVERTERS,
}
"""Every operation that can be converted, by its name in TFLite's schema."""
