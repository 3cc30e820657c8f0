"""The constants of a frozen graph: stored tensors opened, quantized weights made floating point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

from faceguard.convert.frozen import messages
from faceguard.convert.frozen.reader import read_shape
from faceguard.engines.errors import BadModelFile, UnsupportedOp

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.convert.frozen.schema import TensorBytes
    from faceguard.engines.types import F32, Array

FLOAT = 1
# TensorFlow's DataType -> how numpy holds it, and which field lists its values.
_KINDS: dict[int, tuple[str, np.dtype[Any], str]] = {
    FLOAT: ("float32", np.dtype("<f4"), "float_val"),
    3: ("int32", np.dtype("<i4"), "int_val"),
    4: ("uint8", np.dtype("u1"), "int_val"),
    6: ("int8", np.dtype("i1"), "int_val"),
    9: ("int64", np.dtype("<i8"), "int64_val"),
    11: ("qint8", np.dtype("i1"), "int_val"),
    12: ("quint8", np.dtype("u1"), "int_val"),
    19: ("float16", np.dtype("<f2"), "half_val"),
}

# Listed numbers take up to 16 times their place in the file; large tensors are stored as bytes.
_MAX_LISTED = 1 << 23


def open_tensor(stored: TensorBytes, spend: Callable[[int], None]) -> Array:
    """Opens a stored tensor.

    Args:
        stored: A serialized TensorProto.
        spend: Called with a number of bytes before they are claimed beyond the file's own; raises
            BadModelFile where that is too much.

    Returns:
        Its elements; read-only where they lie in the file as they are.

    Raises:
        BadModelFile: It is damaged, or holds more or other values than its shape asks for.
        UnsupportedOp: It is of a type that is not read.
    """
    part, sides = _open(stored)
    if part.dtype not in _KINDS:
        raise UnsupportedOp(f"its tensor has elements of type {part.dtype}, which is not read")
    name, dtype, field = _KINDS[part.dtype]
    elements = math.prod(sides)
    if part.tensor_content:
        if len(part.tensor_content) != elements * dtype.itemsize:
            raise BadModelFile(
                f"its tensor stores {len(part.tensor_content)} bytes, "
                f"{name} {list(sides)} takes {elements * dtype.itemsize}"
            )
        return np.frombuffer(part.tensor_content, dtype).reshape(sides)
    values = getattr(part, field)
    if len(values) > _MAX_LISTED:
        raise BadModelFile(f"its tensor lists {len(values)} values, more than {_MAX_LISTED}")
    if len(values) > elements:
        raise BadModelFile(f"its tensor lists {len(values)} values for {list(sides)}")
    spend(elements * dtype.itemsize)
    return _spread(values, elements, dtype).reshape(sides)


def stored_sides(stored: TensorBytes) -> tuple[int, ...]:
    """The shape of a stored tensor.

    Raises:
        BadModelFile: It is damaged.
    """
    return _open(stored)[1]


def dequantize(array: Array, lowest: float, highest: float, mode: str, *, narrow: bool) -> F32:
    """Turns quantized weights into floating point, as TensorFlow's Dequantize does on a CPU.

    MIN_FIRST cuts the range into as many steps as there are codes and moves it so that zero is
    one of them; MIN_COMBINED spreads the codes from end to end; SCALED has zero at code 0. (The
    formulas are those of tensorflow/core/kernels/dequantize_op.cc and quantization_utils.h.)

    Args:
        array: Codes, uint8 or int8.
        lowest: What the range begins with.
        highest: What the range ends with.
        mode: MIN_FIRST, MIN_COMBINED or SCALED.
        narrow: SCALED only: the lowest code is never used.

    Returns:
        Weights of the same shape.

    Raises:
        BadModelFile: The range is empty or not finite.
        UnsupportedOp: The codes are of another type, or the mode is not known.
    """
    if array.dtype not in (np.uint8, np.int8):
        raise UnsupportedOp(f"quantized weights of {array.dtype}; only 8 bits are converted")
    if not (math.isfinite(lowest) and math.isfinite(highest) and lowest <= highest):
        raise BadModelFile(f"its range is {lowest} to {highest}")
    first, last = (0, 255) if array.dtype == np.uint8 else (-128, 127)
    codes = 255
    if mode == "MIN_FIRST":
        # TensorFlow computes this range_scale in double, and rounds the weights only.
        step = (highest - lowest) * ((codes + 1) / codes) / (codes + 1)
        start = lowest if step == 0 else float(np.rint(lowest / step)) * step
        start -= first * step
    elif mode == "MIN_COMBINED":
        step = (highest - lowest) / codes
        start = lowest - first * step
    elif mode == "SCALED":
        step = highest / last
        if first < 0:
            step = max(step, lowest / (first + narrow))
        start = 0.0
    else:
        raise UnsupportedOp(f"the mode {mode} is not converted")
    made: F32 = array.astype(np.float32)
    made *= np.float32(step)
    made += np.float32(start)
    return made


def _open(stored: TensorBytes) -> tuple[Any, tuple[int, ...]]:
    try:
        part = messages.TensorProto.FromString(stored.data)
        sides = read_shape(part.tensor_shape).sides
    except DecodeError as error:
        raise BadModelFile("its tensor is damaged") from error
    if sides is None or min(sides, default=0) < 0:
        raise BadModelFile("its tensor has no definite shape")
    return part, sides


def _spread(values: Any, elements: int, dtype: np.dtype[Any]) -> Array:  # noqa: ANN401
    """The listed values; the last one again for all that the list leaves out."""
    if dtype.kind == "f" and dtype.itemsize == 4:
        head = np.fromiter(values, dtype, len(values))
    else:
        numbers = np.fromiter(values, np.int64, len(values))
        # Half precision is listed as the numbers that its bits make.
        stored: np.dtype[Any] = np.dtype("<u2") if dtype.kind == "f" else dtype
        lowest, highest = int(np.iinfo(stored).min), int(np.iinfo(stored).max)
        if len(numbers) and not lowest <= numbers.min() <= numbers.max() <= highest:
            raise BadModelFile(f"its tensor lists a value that is no {dtype.name}")
        head = numbers.astype(stored).view(dtype)
    if len(head) == elements:
        return head
    made = np.empty(elements, dtype)
    made[: len(head)] = head
    made[len(head) :] = head[-1] if len(head) else 0
    return made
