"""Small enlarging networks for tests, with the same in plain numpy, and what watches a runtime."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from faceguard.engines.catalogue import Enlarging
from faceguard.engines.closing import Closing
from faceguard.engines.onnx import OnnxRuntime
from faceguard.engines.runtime import Runtime
from faceguard.engines.types import Array, TensorSpec
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.upscaler import Upscaler

F64 = npt.NDArray[np.float64]

REACH_PX = 3
"""Of the small network: half of a 5x5 and of a 3x3 convolution."""


@dataclass(frozen=True)
class SmallNetwork:
    """Two convolutions and a rearrangement: near to repeating pixels, with some mixing."""

    scale: int
    channels: int
    first: F64
    bias: F64
    second: F64

    @classmethod
    def make(cls, scale: int, channels: int, seed: int = 1) -> SmallNetwork:
        """Draws its weights."""
        rng = np.random.default_rng(seed)
        inner = 2 * channels
        first = rng.normal(0, 0.08, (inner, channels, 5, 5))
        first[range(channels), range(channels), 2, 2] += 1
        second = rng.normal(0, 0.06, (channels * scale**2, inner, 3, 3))
        for channel in range(channels):
            # As DepthToSpace in its mode CRD reads it.
            second[channel * scale**2 : (channel + 1) * scale**2, channel, 1, 1] += 1
        # An offset shows whether the rim is padded by zeros, as it must be.
        return cls(scale, channels, first, rng.normal(0, 0.1, inner), second)

    @property
    def enlarging(self) -> Enlarging:
        """What a catalogue would say."""
        colours = "luma" if self.channels == 1 else "bgr"
        return Enlarging(scale=self.scale, colours=colours, overlap_px=REACH_PX)

    def write(
        self,
        path: Path,
        *,
        half: bool = False,
        shape: Sequence[int | None] = (None, None, None),
        gain: float = 1.0,
    ) -> Path:
        """As an ONNX graph.

        Args:
            path: The file.
            half: Whether it takes and gives float16.
            shape: Batch, height and width; None leaves one open.
            gain: What its answer is multiplied by.
        """
        kind = np.float16 if half else np.float32
        weights = {"first": self.first, "bias": self.bias, "second": self.second, "gain": gain}
        batch, height, width = shape
        wide = [side and side * self.scale for side in (height, width)]
        nodes = [
            helper.make_node("Conv", ["in", "first", "bias"], ["a"], pads=[2] * 4),
            helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.1),
            helper.make_node("Conv", ["b", "second"], ["c"], pads=[1] * 4),
            helper.make_node("DepthToSpace", ["c"], ["d"], blocksize=self.scale, mode="CRD"),
            helper.make_node("Mul", ["d", "gain"], ["out"]),
        ]
        element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        graph = helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("in", element, [batch, self.channels, height, width])],
            [helper.make_tensor_value_info("out", element, [batch, self.channels, *wide])],
            [numpy_helper.from_array(np.asarray(w, kind), name) for name, w in weights.items()],
        )
        opsets = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path

    def __call__(self, planes: F64) -> F64:
        """The same in float64, (channels, height, width)."""
        inner = _convolve(planes, self.first) + self.bias[:, None, None]
        inner = np.where(inner < 0, 0.1 * inner, inner)
        parts = _convolve(inner, self.second)
        _, rows, columns = planes.shape
        blocks = parts.reshape(self.channels, self.scale, self.scale, rows, columns)
        return blocks.transpose(0, 3, 1, 4, 2).reshape(
            self.channels, rows * self.scale, columns * self.scale
        )


def _convolve(planes: F64, weights: F64) -> F64:
    half = weights.shape[-1] // 2
    padded = np.pad(planes, ((0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[2:], axis=(1, 2))
    return np.einsum("cyxij,ocij->oyx", windows, weights)


class Watched(Closing):
    """A runtime that notes what it is given, and whether two calls ever met."""

    def __init__(self, inner: Runtime) -> None:
        self.inner = inner
        self.inputs: Sequence[TensorSpec] = inner.inputs
        self.outputs: Sequence[TensorSpec] = inner.outputs
        self.shapes: list[tuple[int, ...]] = []
        self.met = False
        self.closed = 0
        self._busy = threading.Lock()

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.shapes += [array.shape for array in feeds.values()]
        if not self._busy.acquire(blocking=False):
            self.met = True
            return self.inner.infer(feeds)
        try:
            return self.inner.infer(feeds)
        finally:
            self._busy.release()

    def close(self) -> None:
        self.closed += 1
        self.inner.close()


@dataclass
class Choice:
    """Always the same tile; notes what it was asked."""

    tile: Tile
    asked: list[tuple[int, int, int]]

    def __call__(self, width: int, height: int, pictures: int = 1) -> Tile:
        self.asked.append((width, height, pictures))
        return self.tile


def always(width: int, height: int, batch: int = 1) -> Choice:
    """Takes this tile."""
    return Choice(Tile(width, height, batch), [])


WHOLE = always(1 << 20, 1 << 20)


def upscaler(path: Path, network: SmallNetwork, choose: Choice = WHOLE, **more: object) -> Upscaler:
    """The network in ONNX Runtime."""
    runtime = Watched(OnnxRuntime(path, threads=1))
    return Upscaler(runtime, network.enlarging, choose, name="small", **more)  # type: ignore[arg-type]


def noise(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.uint8]:
    """A picture of nothing."""
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def drawing(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.uint8]:
    """A picture with areas, edges and soft changes."""
    small = rng.integers(0, 256, (4, 5, 3), np.uint8)
    soft = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    hard = cv2.resize(small[::-1], (width, height), interpolation=cv2.INTER_NEAREST)
    return np.where(
        np.add.outer(np.arange(height), np.arange(width))[..., None] % 23 < 11, soft, hard
    )


def apart(one: Array, other: Array) -> int:
    """The largest difference, in grey levels."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    return int(np.abs(one.astype(np.int32) - other.astype(np.int32)).max())
