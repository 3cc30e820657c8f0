"""Small TFLite files, made here so that the converter is tested where no model is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import onnxruntime as ort
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from faceguard.convert.tflite import convert_tflite


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
        scale: float | Sequence[float] | None = None,
        zero: int | Sequence[int] = 0,
        axis: int = 0,
    ) -> int:
        """A tensor, constant where values are given, scaled where a scale is."""
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
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = np.atleast_1d(scale).astype(np.float32).tolist()
            zeros = np.broadcast_to(zero, len(tensor.quantization.scale))
            tensor.quantization.zeroPoint = zeros.tolist()
            tensor.quantization.quantizedDimension = axis
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


@dataclass(frozen=True)
class Answer:
    """One output of a graph, as the converted graph and as LiteRT give it."""

    ours: np.ndarray
    theirs: np.ndarray
    step: float


def run_both(
    source: bytes, feeds: Sequence[np.ndarray], for_litert: bytes | None = None
) -> list[Answer]:
    """Runs the converted graph, and beside it LiteRT on the file, with both sets of its kernels.

    Args:
        source: The file to convert.
        feeds: An array for each input.
        for_litert: Another file that means the same, where LiteRT cannot run the first.

    Returns:
        An answer for each output and set of kernels; its step is the output's scale, or 0.
    """
    model = convert_tflite(source, name="tiny")
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    taken = [entry.name for entry in session.get_inputs()]
    ours = dict(zip(names, session.run(names, dict(zip(taken, feeds, strict=True))), strict=True))
    answers = []
    for kernels in (OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        litert = Interpreter(
            model_content=for_litert or source,
            num_threads=1,
            experimental_op_resolver_type=kernels,
        )
        litert.allocate_tensors()
        for detail, feed in zip(litert.get_input_details(), feeds, strict=True):
            litert.set_tensor(detail["index"], feed)
        litert.invoke()
        for detail in litert.get_output_details():
            theirs = litert.get_tensor(detail["index"])
            assert ours[detail["name"]].shape == theirs.shape
            assert ours[detail["name"]].dtype == theirs.dtype
            answers.append(Answer(ours[detail["name"]], theirs, detail["quantization"][0]))
    return answers


@pytest.fixture(scope="session")
def both() -> Callable[..., list[Answer]]:
    """Gives `run_both`."""
    return run_both


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


@pytest.fixture(scope="session")
def tiny_scaled_file() -> bytes:
    """A network of scaled integers, with a search for the largest and a look-up behind it."""
    model = TinyModel()
    rng = np.random.default_rng(9)
    picture = model.add([1, 6, 6, 3], kind="UINT8")
    real = model.add([1, 6, 6, 3])
    model.op("CAST", [picture], [real], "Cast")
    scaled = model.add([1, 6, 6, 3], kind="INT8", scale=1.0, zero=-128)
    model.op("QUANTIZE", [real], [scaled], "Quantize")
    scales = np.array([0.01, 0.02, 0.015, 0.03])
    filters = model.add(
        [4, 1, 1, 3],
        rng.integers(-127, 128, (4, 1, 1, 3)).astype(np.int8),
        kind="INT8",
        scale=scales,
    )
    bias = model.add([4], rng.integers(-900, 900, 4).astype(np.int32), kind="INT32", scale=scales)
    made = model.add([1, 6, 6, 4], kind="INT8", scale=3.0, zero=7)
    model.op("CONV_2D", [scaled, filters, bias], [made], "Conv2D", strideH=1, strideW=1)
    flat = model.add([1, 36, 4], kind="INT8", scale=3.0, zero=7)
    model.op("RESHAPE", [made], [flat], "Reshape", newShape=[1, 36, 4])
    axis = model.add([1], np.array([1], np.int32), kind="INT32")
    best = model.add([1, 4], kind="INT32")
    model.op("ARG_MAX", [flat, axis], [best], "ArgMax", outputType=schema.TensorType.INT32)
    width = model.add([], np.array(6, np.int32), kind="INT32")
    row = model.add([1, 4], kind="INT32")
    model.op("FLOOR_DIV", [best, width], [row], "FloorDiv")
    none = model.add([1, 4], np.zeros((1, 4), np.int32), kind="INT32")
    place = model.add([1, 4, 2], kind="INT32")
    model.op("PACK", [none, row], [place], "Pack", axis=2, valuesCount=2)
    found = model.add([1, 4, 6, 4], kind="INT8", scale=3.0, zero=7)
    model.op("GATHER_ND", [made, place], [found], "GatherNd")
    half = [model.add([1, 4, 6], kind="INT8", scale=3.0, zero=7) for _ in range(4)]
    model.op("UNPACK", [found], half, "Unpack", axis=3, num=4)
    joined = model.add([1, 4, 6], kind="INT8", scale=2.0, zero=0)
    model.op("SUB", half[:2], [joined], "Sub")
    out = model.add([1, 4, 6])
    model.op("DEQUANTIZE", [joined], [out], "Dequantize")
    return model.build([picture], [out, row])


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
