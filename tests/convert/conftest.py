"""Small TFLite files, made here so that the converter is tested where no model is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema


@dataclass
class TinyModel:
    """A TFLite graph under construction; tensors are named by the numbers that `add` gives."""

    tensors: list[schema.TensorT] = field(default_factory=list)
    buffers: list[schema.BufferT] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[schema.OperatorT] = field(default_factory=list)
    codes: list[schema.OperatorCodeT] = field(default_factory=list)

    def add(
        self,
        shape: Sequence[int],
        values: np.ndarray | None = None,
        *,
        kind: str = "FLOAT32",
        sparsity: schema.SparsityParametersT | None = None,
    ) -> int:
        """A tensor, constant where values are given."""
        number = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.buffers.append(buffer)
            number = len(self.buffers) - 1
        tensor = schema.TensorT()
        tensor.shape = list(shape)
        tensor.type = getattr(schema.TensorType, kind)
        tensor.buffer = number
        tensor.name = f"t{len(self.tensors)}"
        tensor.sparsity = sparsity
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def op(
        self, kind: str, inputs: list[int], outputs: list[int], settings: str = "", **values: object
    ) -> None:
        """An operation; `settings` names its options table without the ending."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.codes)
        operator.inputs = inputs
        operator.outputs = outputs
        if settings:
            options = getattr(schema, f"{settings}OptionsT")()
            for name, value in values.items():
                assert hasattr(options, name), f"{settings} has no setting {name}"
                setattr(options, name, value)
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, f"{settings}Options")
            operator.builtinOptions = options
        self.codes.append(code)
        self.operators.append(operator)

    def build(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The file's bytes."""
        graph = schema.SubGraphT()
        graph.tensors = self.tensors
        graph.operators = self.operators
        graph.inputs = inputs
        graph.outputs = outputs
        model = schema.ModelT()
        model.version = 3
        model.operatorCodes = self.codes
        model.subgraphs = [graph]
        model.buffers = self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


@pytest.fixture(scope="session")
def tiny_model() -> Callable[[], TinyModel]:
    """Gives a new, empty model."""
    return TinyModel


@pytest.fixture(scope="session")
def tiny_file() -> bytes:
    """A network with one layer of most kinds: half precision, sparse and dense weights."""
    model = TinyModel()
    rng = np.random.default_rng(7)

    def half(*shape: int) -> int:
        stored = model.add(shape, rng.normal(size=shape).astype(np.float16), kind="FLOAT16")
        made = model.add(shape)
        model.op("DEQUANTIZE", [stored], [made], "Dequantize")
        return made

    picture = model.add([1, 9, 9, 3])
    padded = model.add([1, 10, 10, 3])
    amounts = model.add([4, 2], np.array([[0, 0], [0, 1], [1, 0], [0, 0]], np.int32), kind="INT32")
    model.op("PAD", [picture, amounts], [padded], "Pad")
    first = model.add([1, 5, 5, 8])
    model.op(
        "CONV_2D",
        [padded, half(8, 3, 3, 3), half(8)],
        [first],
        "Conv2D",
        padding=0,
        strideH=2,
        strideW=2,
        fusedActivationFunction=1,
    )
    second = model.add([1, 5, 5, 8])
    model.op(
        "DEPTHWISE_CONV_2D",
        [first, half(1, 3, 3, 8), half(8)],
        [second],
        "DepthwiseConv2D",
        padding=0,
        strideH=1,
        strideW=1,
        depthMultiplier=1,
    )
    summed = model.add([1, 5, 5, 8])
    model.op("ADD", [first, second], [summed], "Add", fusedActivationFunction=3)
    pooled = model.add([1, 3, 3, 8])
    model.op(
        "MAX_POOL_2D",
        [summed],
        [pooled],
        "Pool2D",
        padding=0,
        strideH=2,
        strideW=2,
        filterHeight=2,
        filterWidth=2,
    )
    size = model.add([2], np.array([5, 5], np.int32), kind="INT32")
    grown = model.add([1, 5, 5, 8])
    model.op("RESIZE_BILINEAR", [pooled, size], [grown], "ResizeBilinear", halfPixelCenters=True)
    joined = model.add([1, 5, 5, 16])
    model.op("CONCATENATION", [grown, summed], [joined], "Concatenation", axis=3)
    spread = model.add([1, 10, 10, 4])
    model.op("DEPTH_TO_SPACE", [joined], [spread], "DepthToSpace", blockSize=2)
    thin = model.add([1, 10, 10, 2])
    sparse = model.add(
        [2, 1, 1, 4],
        np.array([0.5, -2.0, 1.5], np.float32),
        sparsity=rows_of_sparse([0, 2, 3], [0, 3, 1], [2, 1, 1]),
    )
    dense = model.add([2, 1, 1, 4])
    model.op("DENSIFY", [sparse], [dense], "Densify")
    model.op("CONV_2D", [spread, dense, half(2)], [thin], "Conv2D", padding=1, strideH=1, strideW=1)
    flat = model.add([1, 100, 2])
    wanted = model.add([3], np.array([1, -1, 2], np.int32), kind="INT32")
    model.op("RESHAPE", [thin, wanted], [flat], "Reshape", newShape=[1, -1, 2])
    return model.build([picture], [flat])


def rows_of_sparse(
    segments: list[int], indices: list[int], leading: list[int]
) -> schema.SparsityParametersT:
    """Dense leading dimensions and a compressed last one, as in BlazeFace's sparse variant."""
    levels = []
    for size in leading:
        level = schema.DimensionMetadataT()
        level.format = schema.DimensionType.DENSE
        level.denseSize = size
        levels.append(level)
    level = schema.DimensionMetadataT()
    level.format = schema.DimensionType.SPARSE_CSR
    level.arraySegmentsType = schema.SparseIndexVector.Uint8Vector
    level.arraySegments = schema.Uint8VectorT()
    level.arraySegments.values = segments
    level.arrayIndicesType = schema.SparseIndexVector.Uint16Vector
    level.arrayIndices = schema.Uint16VectorT()
    level.arrayIndices.values = indices
    levels.append(level)
    sparsity = schema.SparsityParametersT()
    sparsity.traversalOrder = list(range(len(levels)))
    sparsity.dimMetadata = levels
    return sparsity
