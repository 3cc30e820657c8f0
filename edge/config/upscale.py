"""`upscale:`, larger and sharper pictures, made of what is redacted already. Off unless asked for.

Three uses in two places: the whole picture of `stream` or `snapshots`, or with `region` a part of
it, which is digital zoom.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from faceguard.edge.config.part import Part

Share = Annotated[float, Field(ge=0, le=1)]
Region = tuple[Share, Share, Share, Share]
# Shares like 0.7 + 0.3 may be a hair above 1.
_HAIR = 1e-9
# The largest picture of H.264, at level 6.2: 139264 macroblocks of 16 by 16 (ITU-T H.264, A.3.1).
_MOST_MPX = 35.65


class _Use(Part):
    """What both uses have in common."""

    model: str
    """Name in the catalogue: `faceguard models list`. The number at its end is what each side grows
    by: with espcn-x2, 1280x720 becomes 2560x1440."""
    region: Region | None = None
    """Digital zoom: only this part of the picture, as [x, y, width, height] in shares of it, 0 to
    1. Left out: the whole picture."""
    engine: Path | None = None
    """Engine to run it on, a file of `faceguard engines list`; left out: the CPU."""

    @field_validator("region")
    @classmethod
    def _inside(cls, value: Region | None) -> Region | None:
        if value is None:
            return None
        x, y, width, height = value
        if width <= 0 or height <= 0:
            raise ValueError("its width and height must be above 0")
        if x + width > 1 + _HAIR or y + height > 1 + _HAIR:
            raise ValueError(
                "reaches beyond the picture: x + width and y + height must not be above 1"
            )
        return value


class StreamUpscale(_Use):
    """All video: rtsp, recordings and mjpeg.

    What there is no time for, or what heat does not allow, is enlarged plainly to the same size.
    """

    threads: Annotated[int, Field(ge=0, le=64)] = 0
    """CPU threads; 0 leaves it to the runtime. They give way to those that find faces."""


class SnapshotsUpscale(_Use):
    """The pictures of `outputs.snapshots`, whatever size the video has."""

    threads: Annotated[int, Field(ge=0, le=64)] = 1
    """CPU threads; 0 leaves it to the runtime. They give way to those that find faces."""
    within_s: Annotated[float, Field(ge=0.1, le=40)] = 20.0
    """How long one picture may take; then it is enlarged plainly."""


class UpscaleConfig(Part):
    """Enlarging of what goes out, by a model. It only ever gets redacted pictures."""

    stream: StreamUpscale | None = None
    """Video."""
    snapshots: SnapshotsUpscale | None = None
    """Snapshots."""
    most_mpx: Annotated[float, Field(gt=0, le=1000)] = _MOST_MPX
    """What would become larger than so many million pixels keeps its size."""
