"""What the kinds of detectors have in common: pixels to a tensor, outputs to candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from faceguard.engines.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faceguard.engines.types import F32, U8, Array


@dataclass(frozen=True)
class Candidates:
    """What one inference says, before suppression, in pixels of the detector's input.

    Attributes:
        boxes: float32 (N, 4): x0, y0, x1, y1.
        scores: float32 (N,): 0 to 1.
        landmarks: float32 (N, K, 2): x, y.
    """

    boxes: F32
    scores: F32
    landmarks: F32


class Family(Protocol):
    """How one kind of network reads pixels and writes faces; holds no state of a picture."""

    @property
    def name(self) -> str:
        """For messages."""
        ...

    @property
    def stride(self) -> int:
        """Both sides of the input are multiples of it."""
        ...

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height in pixels where the graph takes one size only."""
        ...

    @property
    def nms_iou(self) -> float:
        """Candidates that overlap a better one by more than this are the same face."""
        ...

    def tensor(self, bgr: U8) -> F32:
        """The network's input.

        Args:
            bgr: uint8 (height, width, 3): B, G, R.

        Returns:
            float32 with a batch axis of 1, in the layout, order and range of the network.
        """
        ...

    def decode(
        self, outputs: Mapping[str, Array], input_width: int, input_height: int, score: float
    ) -> Candidates:
        """Candidates of at least this score.

        Args:
            outputs: The network's outputs by name, all finite.
            input_width: Width of the input in pixels.
            input_height: Height of the input in pixels.
            score: Lowest score wanted, over 0 and under 1.

        Raises:
            InferenceError: An output is missing or has another shape than this family's.
        """
        ...


def planar(bgr: U8, channels: tuple[int, int, int]) -> F32:
    """Pixels as the float32 planes (1, 3, height, width) that most networks take, 0 to 255.

    Args:
        bgr: uint8 (height, width, 3).
        channels: Which channel makes which plane; (2, 1, 0) turns B, G, R into R, G, B.
    """
    tensor = np.empty((1, 3, *bgr.shape[:2]), np.float32)
    # Splitting first halves the time that numpy takes to walk over pixels in steps of three.
    planes = cv2.split(bgr)
    for place, channel in enumerate(channels):
        tensor[0, place] = planes[channel]
    return tensor


def take_output(
    family: str, outputs: Mapping[str, Array], name: str, shape: tuple[int, ...]
) -> F32:
    """One output as float32, made sure of.

    Raises:
        InferenceError: It is missing or has another shape.
    """
    array = outputs.get(name)
    if array is None or array.shape != shape:
        have = "missing" if array is None else "x".join(map(str, array.shape))
        raise InferenceError(
            f"{family}: output {name!r} is {have}, not {'x'.join(map(str, shape))}; "
            "the model file belongs to another family"
        )
    return np.asarray(array, np.float32)
