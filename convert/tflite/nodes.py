"""Nodes and weights of an ONNX graph: each with a name of its own, all within a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import helper, numpy_helper

from faceguard.convert.tflite.scaled import parameters
from faceguard.convert.tflite.schema import DTYPES
from faceguard.engines.errors import BadModelFile

if TYPE_CHECKING:
    import onnx

    from faceguard.convert.tflite.schema import Quantization, Tensor
    from faceguard.engines.types import Array

# Half precision becomes single, and weights are held as arrays and as bytes: factor 4 to 8 in
# sound files. The limits only stop a small forged file from claiming all memory.
_MAX_GROWTH = 64
_MAX_WEIGHT_BYTES = 512 << 20


class Nodes:
    """What a graph is made of, in the order in which it was added.

    Attributes:
        nodes: The nodes.
        weights: The constants.
    """

    def __init__(self, size: int) -> None:
        """Starts empty.

        Args:
            size: Length of the TFLite file in bytes; it bounds the weights.
        """
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._size = size
        self._bytes_left = min(_MAX_WEIGHT_BYTES, _MAX_GROWTH * size + (1 << 20))
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}
        self._scales: dict[int, tuple[str, str]] = {}

    def claim(self, name: str) -> bool:
        """Takes a name; False where it was taken before."""
        free = name not in self._taken
        self._taken.add(name)
        return free

    def spend(self, count: int) -> None:
        """Counts bytes that are about to be held.

        Raises:
            BadModelFile: The weights are larger than the file can mean.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise BadModelFile(f"its weights claim more memory than {self._size} bytes can mean")

    def node(self, kind: str, inputs: list[str], label: str, **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node of one output.

        Args:
            kind: The ONNX operator.
            inputs: ONNX names; empty for an optional one that is left out.
            label: Where it comes from; the node's name starts with it.
            **attributes: The operator's attributes.

        Returns:
            The ONNX name of its output.
        """
        output = self._fresh(f"{label}/{kind}")
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def alias(self, value: str, name: str) -> None:
        """Gives a value a further name, such as an output's."""
        self.nodes.append(helper.make_node("Identity", [value], [name], name=name))

    def weight(self, array: Array, label: str) -> str:
        """Adds a constant and gives its ONNX name.

        Raises:
            BadModelFile: The weights are larger than the file can mean.
        """
        self.spend(array.nbytes)
        name = self._fresh(label)
        self.weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def scaled(self, value: str, tensor: Tensor, quantization: Quantization) -> str:
        """Adds a QuantizeLinear to the integers of a tensor, and gives its name."""
        scale = self._scale(tensor, quantization)
        return self.node("QuantizeLinear", [value, *scale], _label(tensor))

    def unscaled(
        self, value: str, tensor: Tensor, quantization: Quantization, axis: int | None = None
    ) -> str:
        """Adds a DequantizeLinear from the integers of a tensor, and gives its name.

        Args:
            value: ONNX name of the integers.
            tensor: The TFLite tensor that they are of.
            quantization: Its scale.
            axis: Where the axis of its scales is among the value's, or None for a single scale.
        """
        where = {} if axis is None else {"axis": axis}
        scale = self._scale(tensor, quantization)
        return self.node("DequantizeLinear", [value, *scale], _label(tensor), **where)

    def _scale(self, tensor: Tensor, quantization: Quantization) -> tuple[str, str]:
        """Names of the scale and the zero point, added once."""
        if tensor.index not in self._scales:
            scale, zero = parameters(quantization, DTYPES[tensor.kind])
            self._scales[tensor.index] = (
                self.weight(scale, f"{_label(tensor)}/scale"),
                self.weight(zero, f"{_label(tensor)}/zero"),
            )
        return self._scales[tensor.index]

    def _fresh(self, label: str) -> str:
        name = label
        number = self._numbers.get(label, 1)
        while name in self._taken:
            number += 1
            name = f"{label}_{number}"
        self._numbers[label] = number
        self._taken.add(name)
        return name


def _label(tensor: Tensor) -> str:
    return f"tensor_{tensor.index}"
