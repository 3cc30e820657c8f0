"""Making samples fewer or more, for a detector's small input."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

# Up to here each sample of the result draws on all samples under it by bilinear weights, at a
# fifth of the cost of averaging.
_BILINEAR_UP_TO = 2.0


def resized(samples: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[Any]:
    """Samples (rows, columns) or (rows, columns, channels) at another size.

    Where it shrinks a lot it averages, or small faces would fall between the samples.

    Args:
        samples: Any dtype that OpenCV resizes: uint8, uint16, float32.
        width: Columns of the answer.
        height: Rows of the answer.

    Returns:
        A new array, or the same one where it has that size already.
    """
    rows, columns = samples.shape[:2]
    if (rows, columns) == (height, width):
        return samples
    shrinks = columns > _BILINEAR_UP_TO * width or rows > _BILINEAR_UP_TO * height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(samples, (width, height), interpolation=how))
