"""From a face's box to the area that hides who it is."""

from __future__ import annotations

from dataclasses import dataclass

from faceguard.edge.redact import outline
from faceguard.edge.tracking import Sighting
from faceguard.edge.types import Mask, Shape
from faceguard.engines.types import Region

# Detectors' boxes end at the brow; hair line and forehead need more than ears and chin.
_TOP = 1.5


@dataclass(frozen=True)
class MaskSettings:
    """How a face's box becomes a mask.

    Attributes:
        margin: Part of the face's size added on each side, one and a half times that at the top.
        shape: Outline; an ellipse is drawn around the whole box with its margin.
    """

    margin: float = 0.05
    shape: Shape = Shape.ELLIPSE


def mask_for(seen: Sighting, settings: MaskSettings, size: tuple[int, int]) -> Mask | None:
    """The mask of a face, or None where none of it lies in the picture.

    Args:
        seen: Where the face is.
        settings: Margin and outline.
        size: Width and height of the picture in pixels.
    """
    face = seen.region
    wide, tall = face.width * settings.margin, face.height * settings.margin
    region = Region(face.x0 - wide, face.y0 - tall * _TOP, face.x1 + wide, face.y1 + tall)
    mask = Mask(region, settings.shape, seen.track, seen.score, face)
    outer = outline(mask)
    if outer.x1 <= 0 or outer.y1 <= 0 or outer.x0 >= size[0] or outer.y0 >= size[1]:
        return None
    return mask
