"""Whether a picture is so unlike the last one that was looked at that nothing known of it holds.

Between two looks of the detector, tracks are drawn from one to the other. A picture in between may
have nothing to do with either: a cut, a lamp that goes on, a camera that turns, a stream of which
every other picture is damaged. Then the detector must see that picture too.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from faceguard.edge.types import Image

_SIZE = (32, 18)
# Of the 8-bit scale; a scene that moves stays below it in most places, for means of an area.
_MUCH = 24
_SHARE = 0.2


class Change:
    """Remembers the picture that was last looked at, very small."""

    def __init__(self) -> None:
        """Starts with none, from which every picture differs."""
        self._seen: npt.NDArray[np.int16] | None = None

    def looked_at(self, image: Image) -> None:
        """The detector saw this picture."""
        self._seen = _small(image)

    def is_great(self, image: Image) -> bool:
        """Whether a fifth of the picture or more is another than in the one last looked at."""
        if self._seen is None:
            return True
        differs = np.abs(_small(image) - self._seen) > _MUCH
        return bool(differs.mean() >= _SHARE)


def _small(image: Image) -> npt.NDArray[np.int16]:
    """Luma, or the green of BGR, in a few hundred samples on an 8-bit scale."""
    plane = image.planes[0]
    if not image.format.is_yuv:
        plane = plane[..., 1]
    # Every fourth sample is enough for means, and costs a sixteenth.
    step_y, step_x = max(1, plane.shape[0] // 180), max(1, plane.shape[1] // 320)
    few = np.ascontiguousarray(plane[::step_y, ::step_x])
    small = cv2.resize(few, _SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.int16) >> (image.format.bits - 8)
