"""A detector: letterbox, infer, decode, suppress, and back to the picture's pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceguard.engines.closing import Closing
from faceguard.engines.detectors.tiling import View, merge, tiles
from faceguard.engines.errors import InferenceError, ModelCorrupt, UsageError
from faceguard.engines.letterbox import Letterbox
from faceguard.engines.nms import nms
from faceguard.engines.types import Detections, Region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faceguard.engines.detectors.family import Candidates, Family
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.types import Array, PixelSource, TensorSpec

LONG_SIDE_PX = 640
"""Long side of the input where neither the caller nor the family fixes it."""

# Input pixels: far beyond any input, near enough for areas to stay exact numbers.
_FARTHEST_PX = 1e6

# A family with a small fixed input would need hundreds of tiles at full resolution.
_LEAST_TILE_PX = 512


class Detector(Closing):
    """Finds faces in pictures; as safe to share between threads as its runtime."""

    def __init__(
        self,
        runtime: Runtime,
        family: Family,
        *,
        score: float = 0.5,
        long_side: int | None = None,
        tile: bool = False,
    ) -> None:
        """Takes over the runtime; closing the detector closes it.

        Args:
            runtime: The loaded engine.
            family: How to feed and read it.
            score: Lowest score that is given out, over 0 and under 1.
            long_side: Long side of the input in pixels, where neither family nor engine fixes its
                size; LONG_SIDE_PX where it is None. Pictures are made smaller to fit, never larger.
            tile: Whether to look at overlapping tiles in full resolution besides the whole.

        Raises:
            UsageError: A value that cannot be meant.
            ModelCorrupt: The engine does not take one picture.
        """
        if not 0 < score < 1:
            raise UsageError(f"{family.name}: score {score} is not between 0 and 1")
        if len(runtime.inputs) != 1:
            names = [spec.name for spec in runtime.inputs]
            raise ModelCorrupt(f"{family.name}: the engine takes {names}, not one picture")
        fixed = family.input_size or picture_size(runtime.inputs[0])
        if long_side is not None and fixed is not None:
            width, height = fixed
            raise UsageError(f"{family.name}: the input is always {width}x{height}; no long side")
        if long_side is not None and long_side < family.stride:
            raise UsageError(
                f"{family.name}: a long side of {long_side} px is under one stride, "
                f"{family.stride} px"
            )
        self._runtime = runtime
        self._input = runtime.inputs[0].name
        self._fixed = fixed
        self._long_side = long_side or LONG_SIDE_PX
        self._tile = tile
        self.family = family
        self.score = score

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.name

    def detect(self, source: PixelSource) -> Detections:
        """Finds the faces of a picture.

        Args:
            source: The picture.

        Returns:
            Boxes and landmarks in source pixels, best first, one a face.

        Raises:
            InferenceError: The engine failed, its answer holds NaN or infinity, or the picture has
                no pixels. None of these means that there is no face.
        """
        width, height = source.width, source.height
        if width < 1 or height < 1:
            raise InferenceError(f"{self.name}: a picture of {width}x{height} has no pixels")
        whole = Region(0, 0, width, height)
        regions = [whole, *tiles(width, height, self._tile_side())] if self._tile else [whole]
        views = [View(region, self._look(source, region)) for region in regions]
        if len(views) == 1:
            return views[0].found
        return merge(views, width, height, self.family.nms_iou)

    def close(self) -> None:
        """Frees the engine; twice is as good as once."""
        self._runtime.close()

    def _tile_side(self) -> int:
        return self._long_side if self._fixed is None else max(*self._fixed, _LEAST_TILE_PX)

    def _look(self, source: PixelSource, region: Region) -> Detections:
        """The faces of one part of the picture, in source pixels."""
        box = (
            Letterbox.long_side(region, self._long_side, self.family.stride)
            if self._fixed is None
            else Letterbox.within(region, *self._fixed)
        )
        outputs = self._runtime.infer({self._input: self.family.tensor(box.fill(source))})
        self._check_finite(outputs)
        # What overflows becomes infinite, and is refused below.
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.family.decode(outputs, box.input_width, box.input_height, self.score)
        self._check_places(found)
        found_in = _suppress(found, self.family.nms_iou, box)
        return Detections(
            box.to_source(found_in.boxes),
            found_in.scores,
            box.to_source(found_in.landmarks),
        )

    def _check_finite(self, outputs: Mapping[str, Array]) -> None:
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise InferenceError(
                    f"{self.name}: {name!r} holds NaN or infinity; "
                    "the engine is broken, or its precision too low for it"
                )

    def _check_places(self, found: Candidates) -> None:
        for name, points in (("boxes", found.boxes), ("landmarks", found.landmarks)):
            if not (np.abs(points) <= _FARTHEST_PX).all():
                raise InferenceError(
                    f"{self.name}: {name} reach farther than {_FARTHEST_PX:.0f} px; "
                    "the engine is broken, or its precision too low for it"
                )


def picture_size(spec: TensorSpec) -> tuple[int, int] | None:
    """Width and height of the pictures that an input takes; None where either is open.

    Args:
        spec: An input (N, 3, H, W) or (N, H, W, 3).
    """
    if len(spec.shape) != 4:
        return None
    height, width = spec.shape[2:] if spec.shape[1] == 3 else spec.shape[1:3]
    return None if height is None or width is None else (width, height)


def _suppress(found: Candidates, iou: float, box: Letterbox) -> Candidates:
    """The best candidate of each face, without those that lie in the padding alone."""
    boxes = found.boxes
    inside = (
        (boxes[:, 2] > np.maximum(boxes[:, 0], 0))
        & (boxes[:, 3] > np.maximum(boxes[:, 1], 0))
        & (boxes[:, 0] < box.content_width)
        & (boxes[:, 1] < box.content_height)
    )
    picks = np.flatnonzero(inside)
    picks = picks[nms(boxes[picks], found.scores[picks], iou)]
    return type(found)(boxes[picks], found.scores[picks], found.landmarks[picks])
