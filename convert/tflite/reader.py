"""Reading a TFLite file that may be damaged or made to do harm.

The Python reader of flatbuffers follows offsets wherever they lead: it never asks whether an index
lies within its vector, and a length may claim four billion entries. Everything that it gives is
therefore checked here, once, and leaves as the plain records of `schema`; what it throws on the
way is caught in one place.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import tflite

from faceguard.convert.tflite.options import read_options
from faceguard.convert.tflite.schema import (
    DTYPES,
    Level,
    Model,
    Operator,
    Quantization,
    Sparsity,
    Tensor,
)
from faceguard.engines.errors import BadModelFile

if TYPE_CHECKING:
    import numpy.typing as npt

    from faceguard.engines.types import U8

_IDENTIFIER = b"TFL3"
_VERSION = 3
_MAX_ENTRIES = 1 << 14
_MAX_RANK = 8
_SCALED = {"INT8": (-128, 127), "UINT8": (0, 255), "INT32": (-(1 << 31), (1 << 31) - 1)}
# Sound files store each vector once. Entries of a forged one may all point at the same long one,
# so that a small file would be read a thousand times over.
_MAX_READ_FACTOR = 4


def _names(numbers: Any) -> dict[int, str]:  # noqa: ANN401  the schema package has no types
    return {value: key for key, value in vars(numbers).items() if isinstance(value, int)}


_OPS = _names(tflite.BuiltinOperator)
_KINDS = _names(tflite.TensorType)


def read_model(data: bytes) -> Model:
    """Reads a TFLite file.

    Args:
        data: The whole file.

    Returns:
        Its main graph. Each index in it has been checked, and each constant has the size that its
        shape asks for.

    Raises:
        BadModelFile: It is no TFLite file, or a truncated or damaged one.
    """
    if data[4:8] != _IDENTIFIER:
        raise BadModelFile(f"no 'TFL3' at byte 4 of {len(data)} bytes")
    try:
        return _Reader(data).model()
    except (struct.error, IndexError, ValueError, TypeError, OverflowError) as error:
        why = " ".join(str(error).split())[:200]
        raise BadModelFile(f"it ends early, or an offset leads nowhere ({why})") from error


class _Reader:
    """One reading of one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MAX_READ_FACTOR * len(data)
        self._model: Any = tflite.Model.GetRootAs(data, 0)
        self._buffers = 0

    def model(self) -> Model:
        """Reads the graph; raises what struct, numpy and flatbuffers raise, or BadModelFile."""
        version = self._model.Version()
        if version != _VERSION:
            raise BadModelFile(f"schema version {version}; only {_VERSION} is known")
        if self._model.SubgraphsLength() < 1:
            raise BadModelFile("there is no graph in it")
        # Further graphs are the bodies of control flow, which no supported operation has.
        graph = self._model.Subgraphs(0)
        self._buffers = self._count(self._model.BuffersLength(), "buffers")
        codes = self._count(self._model.OperatorCodesLength(), "operator codes")
        kinds = [self._kind(self._model.OperatorCodes(index)) for index in range(codes)]
        count = self._count(graph.TensorsLength(), "tensors")
        tensors = tuple(self._tensor(index, graph.Tensors(index)) for index in range(count))
        operators = tuple(
            self._operator(index, graph.Operators(index), kinds, count)
            for index in range(self._count(graph.OperatorsLength(), "operations"))
        )
        inputs = self._indices(graph.InputsAsNumpy(), count, "the graph's inputs")
        outputs = self._indices(graph.OutputsAsNumpy(), count, "the graph's outputs")
        if not operators or not inputs or not outputs:
            raise BadModelFile("its graph lacks operations, inputs or outputs")
        return Model(len(self._data), tensors, operators, inputs, outputs)

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise BadModelFile("its parts lie over one another")

    def _count(self, length: int, what: str) -> int:
        if length > _MAX_ENTRIES:
            raise BadModelFile(f"{length} {what}, more than {_MAX_ENTRIES}")
        self._spend(4 * length)
        return length

    def _numbers(self, vector: Any) -> tuple[int, ...]:  # noqa: ANN401
        return tuple(self._vector(vector).tolist())

    def _vector(self, vector: Any) -> npt.NDArray[Any]:  # noqa: ANN401
        """A vector of numbers; the schema package gives 0 for one that is not there."""
        if not isinstance(vector, np.ndarray):
            return np.zeros(0, np.int64)
        self._spend(vector.nbytes)
        return vector

    def _indices(
        self,
        vector: Any,  # noqa: ANN401
        count: int,
        what: str,
        lowest: int = 0,
    ) -> tuple[int, ...]:
        numbers = self._numbers(vector)
        for number in numbers:
            if not lowest <= number < count:
                raise BadModelFile(f"{what} name tensor {number} of {count}")
        return numbers

    def _kind(self, code: Any) -> str:  # noqa: ANN401
        # Files from before 2020 have the number only in the older, narrower field.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return _OPS.get(number, f"of number {number}")

    def _tensor(self, index: int, table: Any) -> Tensor:  # noqa: ANN401
        name = table.Name() or b""
        self._spend(len(name))
        shape = self._numbers(table.ShapeAsNumpy())
        kind = _KINDS.get(table.Type(), f"type {table.Type()}")
        sparse = table.Sparsity()
        tensor = Tensor(
            index,
            name.decode("utf-8"),
            shape,
            kind,
            self._bytes(index, table.Buffer()),
            None if sparse is None else self._sparsity(sparse),
            self._quantization(table.Quantization(), kind),
        )
        if len(shape) > _MAX_RANK or min(shape, default=0) < 0:
            raise BadModelFile(f"{tensor} has the shape {list(shape)[:9]}")
        _check_axis(tensor)
        dtype = DTYPES.get(kind)
        if tensor.data is not None and dtype is not None:
            want = tensor.elements * dtype.itemsize
            have = tensor.data.size
            if have % dtype.itemsize or (tensor.sparsity is None and have != want):
                raise BadModelFile(
                    f"{tensor} stores {have} bytes, {kind} {list(shape)} takes {want}"
                )
        return tensor

    def _bytes(self, index: int, number: int) -> U8 | None:
        if number >= self._buffers:
            raise BadModelFile(f"tensor {index} has buffer {number} of {self._buffers}")
        if number == 0:  # by the schema, always the empty one
            return None
        buffer = self._model.Buffers(number)
        if buffer.Offset() > 1:
            raise BadModelFile(
                f"tensor {index} is stored behind the tables, as in files past 2 GB; "
                "such files are not read"
            )
        stored: U8 | int = buffer.DataAsNumpy()
        return stored if isinstance(stored, np.ndarray) and stored.size else None

    def _quantization(self, table: Any, kind: str) -> Quantization | None:  # noqa: ANN401
        """Only that of integers; other kinds may carry ranges seen in training."""
        if table is None or kind not in _SCALED or table.DetailsType():
            return None
        scale, zero = self._vector(table.ScaleAsNumpy()), self._vector(table.ZeroPointAsNumpy())
        if not len(scale):
            return None
        if not len(zero):
            zero = np.broadcast_to(np.int64(0), len(scale))
        lowest, highest = _SCALED[kind]
        if (
            len(zero) != len(scale)
            or not 0 <= float(scale.min()) <= float(scale.max()) < np.inf
            or not lowest <= int(zero.min()) <= int(zero.max()) <= highest
        ):
            raise BadModelFile(f"{len(scale)} scales and {len(zero)} zero points of {kind}")
        axis = None if len(scale) == 1 else table.QuantizedDimension()
        return Quantization(scale, zero, axis)

    def _sparsity(self, table: Any) -> Sparsity:  # noqa: ANN401
        levels = table.DimMetadataLength()
        if levels > 2 * _MAX_RANK:
            raise BadModelFile(f"a sparse tensor of {levels} levels")
        return Sparsity(
            self._numbers(table.TraversalOrderAsNumpy()),
            self._numbers(table.BlockMapAsNumpy()),
            tuple(self._level(table.DimMetadata(index)) for index in range(levels)),
        )

    def _level(self, table: Any) -> Level:  # noqa: ANN401
        if table.Format() == tflite.DimensionType.DENSE:
            return Level(dense_size=table.DenseSize())
        if table.Format() != tflite.DimensionType.SPARSE_CSR:
            raise BadModelFile(f"a sparse level of format {table.Format()}")
        return Level(
            0,
            self._index_vector(table.ArraySegmentsType(), table.ArraySegments()),
            self._index_vector(table.ArrayIndicesType(), table.ArrayIndices()),
        )

    def _index_vector(self, kind: int, union: Any) -> npt.NDArray[np.integer]:  # noqa: ANN401
        classes = {
            tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
            tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
            tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
        }
        if kind not in classes or union is None:
            raise BadModelFile(f"a sparse level without its indices (kind {kind})")
        vector = classes[kind]()
        vector.Init(union.Bytes, union.Pos)
        values: npt.NDArray[np.integer] | int = vector.ValuesAsNumpy()
        if not isinstance(values, np.ndarray):
            return np.zeros(0, np.int32)
        self._spend(values.nbytes)
        return values

    def _operator(self, index: int, table: Any, kinds: list[str], count: int) -> Operator:  # noqa: ANN401
        code = table.OpcodeIndex()
        if code >= len(kinds):
            raise BadModelFile(f"op {index} has code {code} of {len(kinds)}")
        kind = kinds[code]
        inputs = self._indices(table.InputsAsNumpy(), count, f"op {index}'s inputs", lowest=-1)
        outputs = self._indices(table.OutputsAsNumpy(), count, f"op {index}'s outputs")
        return Operator(index, kind, inputs, outputs, read_options(index, kind, table))


def _check_axis(tensor: Tensor) -> None:
    """Scales along an axis are as many as the axis is long."""
    quantization = tensor.quantization
    if quantization is None or quantization.axis is None:
        return
    axis, count = quantization.axis, len(quantization.scale)
    if not 0 <= axis < len(tensor.shape) or tensor.shape[axis] != count:
        raise BadModelFile(f"{tensor} has {count} scales along axis {axis}")
