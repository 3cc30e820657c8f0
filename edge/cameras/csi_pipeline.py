"""What a CSI camera's GStreamer pipeline is, whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from faceguard.engines.errors import CameraError, CameraUnfit

if TYPE_CHECKING:
    from faceguard.edge.config.camera import CsiCamera

U8 = npt.NDArray[np.uint8]

# flip-method of nvvidconv: quarter turns and reflections at a diagonal.
_SWAPS_SIDES = (1, 3, 5, 7)


@dataclass(frozen=True)
class Picture:
    """One NV12 picture in memory that is GStreamer's.

    Attributes:
        luma: Array (height, width).
        chroma: Array (height / 2, width / 2, 2).
        full_range: Whether luma spans 0-255.
        rate: Pictures per second as negotiated, or None where nobody says.
        claimed_ns: When it was taken, monotonic nanoseconds, as the source has it; None where it
            does not say.
    """

    luma: U8
    chroma: U8
    full_range: bool = False
    rate: Fraction | None = None
    claimed_ns: int | None = None


class Ended(Exception):
    """The pipeline sends no more."""


class Broken(Exception):
    """The pipeline reports an error; its text is GStreamer's, in one line."""


class Pipeline(Protocol):
    """A pipeline that plays."""

    def picture(self, limit_s: float) -> Picture | None:
        """The next picture, or None where none came in time.

        Raises:
            Ended: There are no more.
            Broken: An element failed.
            CameraUnfit: The elements cannot agree on what was asked for.
        """
        ...

    def close(self) -> None:
        """Stops it; may hang as long as a driver does, and may be called from another thread."""
        ...


def argus(config: CsiCamera) -> str:
    """The part of the pipeline that belongs to the Jetson: from the sensor to NV12 in memory."""
    wanted = ["video/x-raw(memory:NVMM)", "format=(string)NV12"]
    if config.width is not None:
        wanted += [f"width=(int){config.width}", f"height=(int){config.height}"]
    if config.rate is not None:
        rate = Fraction(config.rate).limit_denominator(1001)
        wanted.append(f"framerate=(fraction){rate.numerator}/{rate.denominator}")
    return (
        f"nvarguscamerasrc sensor-id={config.sensor} ! {','.join(wanted)} "
        f"! nvvidconv flip-method={config.flip} ! video/x-raw,format=(string)NV12"
    )


def expected_size(config: CsiCamera) -> tuple[int, int] | None:
    """Width and height that must come out, after turning; None where nothing was asked for."""
    if config.width is None or config.height is None:
        return None
    size = (config.width, config.height)
    return size[::-1] if config.flip in _SWAPS_SIDES else size


def cannot_build(reason: str) -> CameraError:
    """The error for a pipeline that cannot be put together.

    Args:
        reason: GStreamer's words.
    """
    line = " ".join(reason.split())
    for element in ("nvarguscamerasrc", "nvvidconv"):
        if f'"{element}"' in line:
            return CameraUnfit(
                f"GStreamer has no {element} here; CSI cameras need a Jetson with "
                "sudo apt install nvidia-l4t-gstreamer"
            )
    return CameraUnfit(f"GStreamer cannot build the pipeline: {line}")
