"""Integers with a scale and a zero point: each means scale * (integer - zero point).

(Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", 2018; TensorFlow Lite's 8-bit quantization specification.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from faceguard.convert.tflite.schema import Quantization
    from faceguard.engines.types import F32, Array


def meaning(values: Array, quantization: Quantization) -> F32:
    """The numbers that stored integers mean, as near as single precision comes.

    Args:
        values: Integers, at most 32 bits each.
        quantization: Their scale; one along an axis fits that axis.

    Returns:
        An array of the same shape.
    """
    shape = [1] * values.ndim
    if quantization.axis is not None:
        shape[quantization.axis] = -1
    # Single precision holds differences of 8 bits as they are, and in a fraction of the memory.
    numbers: F32 = values.astype(np.float32 if values.itemsize == 1 else np.float64)
    numbers -= quantization.zero.reshape(shape)
    numbers *= quantization.scale.reshape(shape)
    return numbers.astype(np.float32, copy=False)


def parameters(quantization: Quantization, dtype: np.dtype[np.generic]) -> tuple[Array, Array]:
    """Scale and zero point as QuantizeLinear and DequantizeLinear take them.

    Args:
        quantization: The scale; without an axis, single numbers come out.
        dtype: The stored integers' type.

    Returns:
        FLOAT32 scales, and zero points of that type.
    """
    scale, zero = quantization.scale.astype(np.float32), quantization.zero.astype(dtype)
    if quantization.axis is None:
        return scale.reshape(()), zero.reshape(())
    return scale, zero
