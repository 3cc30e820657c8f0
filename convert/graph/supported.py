"""What every TensorRT from 10.3 to 11.4 can read of the ONNX standard, as data.

Source: the operator tables of onnx-tensorrt (docs/operators.md; of 10.15, less what its changelog
adds after 10.3), checked against `OnnxParser.supports_operator` of TensorRT-RTX 1.7 in the tests.
"""

from __future__ import annotations

import onnx

OPSETS = range(9, 21)
"""Versions of the standard that all of them read: 10.3 ends at opset 20."""

_OPS = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast
    CastLike Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum
    DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor
    GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool
    Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity If
    InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool Mean MeanVarianceNormalization Min
    Mish Mod Mul Neg Not OneHot Or PRelu Pad Pow QuantizeLinear RNN RandomNormal RandomNormalLike
    RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
    Reshape Resize ReverseSequence RoiAlign Round Scan Scatter ScatterElements ScatterND Selu Shape
    Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt
    Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor
    """
OPS = frozenset(_OPS.split())
"""Operations that are read, some under the conditions of `faceguard.convert.graph.conditions`."""

DATA_DEPENDENT = frozenset({"NonZero", "NonMaxSuppression"})
"""Read as well, but the shape they give depends on the data, and our runtimes need it before."""

_TYPES = "FLOAT FLOAT16 BFLOAT16 INT32 INT64 INT8 UINT8 BOOL INT4 FLOAT8E4M3FN"
TYPES = frozenset(
    getattr(onnx.TensorProto, name) for name in _TYPES.split() if hasattr(onnx.TensorProto, name)
)
"""Element types that can be read. DOUBLE would be cut down to FLOAT without a word: refused."""
