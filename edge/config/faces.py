"""`detector:`, `tracking:` and `redaction:`, how faces are found, followed and covered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from faceguard.edge.config.part import Part
from faceguard.edge.masks import MaskSettings
from faceguard.edge.style import Look
from faceguard.edge.tracking import TrackingSettings
from faceguard.edge.types import Shape


class DetectorConfig(Part):
    """Who finds the faces."""

    model: str | None = None
    """Name in the catalogue: `faceguard models list`; left out: the catalogue's default."""
    engine: Path | Literal["auto", "none"] = "auto"
    """Engine to run it on: a file; auto takes a built one that suits this machine, else the CPU;
    none takes the CPU."""
    score: Annotated[float, Field(gt=0, lt=1)] | None = None
    """What a face needs to be believed; left out: the catalogue's."""
    long_side_px: Annotated[int, Field(ge=64, le=4096)] | None = None
    """Long side of the picture that the detector sees; left out: the catalogue's."""
    every: Annotated[int, Field(ge=1, le=60)] = 2
    """Look at every n-th frame. A new face in between is covered if look_ahead reaches it."""
    timeout_ms: Annotated[int, Field(ge=10, le=60_000)] = 500
    """How long one look may take; then frames are covered whole until one succeeds."""
    threads: Annotated[int, Field(ge=0, le=64)] = 1
    """CPU threads for one look; 0 leaves it to the runtime."""
    blind_limit_s: Annotated[float, Field(ge=1)] | None = 60.0
    """After so long without one good look the program ends with code 7, for systemd to start it
    anew; null: it goes on, with every frame covered whole."""


class TrackingConfig(Part):
    """How faces are followed between looks and through misses."""

    look_ahead: Annotated[int, Field(ge=0, le=300)] = 5
    """Frames that each one waits, so that a face is covered before it was first found; each adds
    its time to the delay. At least `detector.every` - 1."""
    coast_frames: Annotated[int, Field(ge=0, le=1000)] = TrackingSettings.coast_frames
    """How long an established face stays covered without being found."""
    patience: Annotated[int, Field(ge=1, le=1000)] = TrackingSettings.patience
    """Frames of coasting that each time it is found earns."""
    growth: Annotated[float, Field(ge=0, le=1)] = TrackingSettings.growth
    """Part of the face's size by which its mask grows a frame while it is not found."""


class RedactionConfig(Part):
    """What a covered face looks like."""

    style: Look = Look.PIXELATE
    """The look."""
    shape: Shape = MaskSettings.shape
    """Outline of a mask."""
    margin: Annotated[float, Field(ge=0, le=2)] = MaskSettings.margin
    """Part of the face's size added around it."""
