"""FFmpeg's frames as images, without copying: views on their planes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from faceguard.edge.types import Image, PixelFormat

if TYPE_CHECKING:
    from faceguard.edge.types import Plane, PlaneSpec

_BY_NAME = {form.ffmpeg_name: form for form in PixelFormat}
# The same planes under another name, which says that luma spans 0-255.
_FULL_RANGE = {
    "yuvj420p": PixelFormat.I420,
    "yuvj422p": PixelFormat.I422,
    "yuvj444p": PixelFormat.I444,
    "gray": PixelFormat.GRAY,
}
JPEG_RANGE = 2  # AVCOL_RANGE_JPEG


def nearest_format(name: str) -> str:
    """The format to turn frames into where theirs is not worked on as it is.

    Args:
        name: FFmpeg's name of a pixel format.

    Returns:
        The name itself where it needs no change, else that of the nearest one: subsampling kept,
        more than 8 bits of colour kept as 10.
    """
    if name in _BY_NAME or name in _FULL_RANGE:
        return name
    form = av.VideoFormat(name, 16, 16)
    deep = max(component.bits for component in form.components) > 8
    if form.is_rgb or form.has_palette:
        return PixelFormat.BGR.ffmpeg_name
    wide, tall = form.chroma_width(16) == 16, form.chroma_height(16) == 16
    if len(form.components) < 3:
        return PixelFormat.GRAY.ffmpeg_name
    if wide and tall:
        return (PixelFormat.I444_10 if deep else PixelFormat.I444).ffmpeg_name
    if tall:
        return (PixelFormat.I422_10 if deep else PixelFormat.I422).ffmpeg_name
    return (PixelFormat.I420_10 if deep else PixelFormat.I420).ffmpeg_name


def view(frame: av.VideoFrame) -> Image:
    """An image over the memory of a frame, which stays its owner.

    Args:
        frame: In one of the formats that `nearest_format` names.

    Raises:
        ValueError: The frame is in another format.
    """
    name = frame.format.name
    form = _FULL_RANGE.get(name) or _BY_NAME.get(name)
    if form is None:
        raise ValueError(f"frames in {name} must be turned into {nearest_format(name)} first")
    full_range = name in _FULL_RANGE or frame.color_range == JPEG_RANGE or not form.is_yuv
    planes = tuple(
        _plane(plane, spec, form, frame.width, frame.height)
        for plane, spec in zip(frame.planes, form.planes, strict=True)
    )

    def make_blank() -> Image:
        blank = av.VideoFrame(frame.width, frame.height, name)
        blank.color_range = frame.color_range
        blank.colorspace = frame.colorspace
        return view(blank)

    return Image(form, frame.width, frame.height, planes, full_range, frame, make_blank)


def as_av(image: Image) -> av.VideoFrame:
    """The image as a frame for an encoder: its own where it has one, else a copy."""
    if isinstance(image.owner, av.VideoFrame):
        return image.owner
    frame = av.VideoFrame(image.width, image.height, image.format.ffmpeg_name)
    if image.full_range:
        frame.color_range = JPEG_RANGE
    for into, plane in zip(view(frame).planes, image.planes, strict=True):
        np.copyto(into, plane)
    return frame


def _plane(
    plane: av.video.plane.VideoPlane, spec: PlaneSpec, form: PixelFormat, width: int, height: int
) -> Plane:
    shape = spec.shape(width, height)
    row = plane.line_size // form.dtype.itemsize
    flat: Plane = np.frombuffer(memoryview(plane), form.dtype, count=row * shape[0])
    whole = flat.reshape(shape[0], row)[:, : shape[1] * spec.channels]
    return whole if spec.channels == 1 else whole.reshape(shape[0], shape[1], spec.channels)


def open_input(path: Path) -> Any:  # noqa: ANN401 - PyAV's containers have no public base
    """Opens a file for reading; titles in a broken encoding are no reason to refuse it.

    Raises:
        av.error.FFmpegError: It cannot be opened.
    """
    if int(av.__version__.split(".")[0]) < 19:
        return av.open(av_name(path), metadata_errors="ignore")
    return av.open(av_name(path))  # from 19 on, PyAV is never strict about them


def av_name(path: Path) -> str:
    """The path as FFmpeg takes it for a file, whatever colons are in it, never for a network."""
    return f"file:{path}"
