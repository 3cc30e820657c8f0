"""How fast this machine multiplies float32 matrices, by two libraries.

What a network's convolutions could reach at best, about. numpy's OpenBLAS picks its kernels by the
processor's model and is slow on one that it does not know; ONNX Runtime's own kernels go by what
the processor can do. Both are told.
"""

from __future__ import annotations

import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

SIDE = 2048
FLOATS = 2 * SIDE**3
"""Multiplications and additions of one product of two square matrices of `SIDE`."""


class Product:
    """Two matrices, and their product by either library."""

    def __init__(self, *, threads: int, side: int = SIDE) -> None:
        """Makes them.

        Args:
            threads: For ONNX Runtime; numpy takes one for each core.
            side: Rows and columns.
        """
        random = np.random.default_rng(1)
        self._one, self._other = random.random((2, side, side), np.float32)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(
            _graph(side), options, providers=["CPUExecutionProvider"]
        )

    def numpy_ns(self) -> int:
        """Multiplies once by numpy; what it took, in nanoseconds."""
        begun = time.monotonic_ns()
        np.matmul(self._one, self._other)
        return time.monotonic_ns() - begun

    def onnx_ns(self) -> int:
        """Multiplies once by ONNX Runtime; what it took, in nanoseconds."""
        begun = time.monotonic_ns()
        self.onnx()
        return time.monotonic_ns() - begun

    def onnx(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """The product by ONNX Runtime, float32 (side, side)."""
        values = self._session.run(["c"], {"a": self._one, "b": self._other})
        return np.asarray(values[0], np.float32)

    def numpy(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """The product by numpy, float32 (side, side)."""
        return np.asarray(self._one @ self._other, np.float32)


def _graph(side: int) -> bytes:
    names = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in "abc"
    }
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "product", [names["a"], names["b"]], [names["c"]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
