"""Frames in luma and chroma for networks that take B, G, R, and back again.

The matrix that the frame names is used both ways, so that what the network leaves alone comes back
as it was. Weights of the matrices: ITU-T H.273, table 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from faceguard.edge.types import Image, PixelFormat

if TYPE_CHECKING:
    from faceguard.edge.types import ImageKind, Plane
    from faceguard.engines.types import U8

# By H.273's number of the matrix: the weights of red and blue in luma.
_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
_USUAL_WEIGHTS = (0.299, 0.114)
# Rows at a time: what is computed in float takes twelve bytes a pixel.
_ROWS = 64


def matrix_of(image: Image) -> int:
    """H.273's number of the matrix that an image's colours were made with; 2 where nobody says."""
    owner = image.owner
    return int(owner.colorspace) if isinstance(owner, av.VideoFrame) else 2


def say_matrix(image: Image, matrix: int) -> None:
    """Has a frame's memory say which matrix its colours are made with; for `matrix_of`.

    Args:
        image: Nothing is done where its memory is not a frame's.
        matrix: H.273's number.
    """
    if isinstance(image.owner, av.VideoFrame):
        image.owner.colorspace = matrix


def to_bgr(image: Image, matrix: int) -> U8:
    """A frame in luma and chroma, or in grey, as B, G, R of 8 bits.

    Args:
        image: In any format that `is_yuv`; more than 8 bits are rounded to 8.
        matrix: See `matrix_of`.

    Returns:
        uint8 (height, width, 3).
    """
    layers = [_as_8_bits(image.planes[0], image.format.bits)]
    for spec, plane in zip(image.format.planes[1:], image.planes[1:], strict=True):
        narrow = _as_8_bits(plane, image.format.bits)
        # Each sample stands in the middle of its pixels; an odd side's last one reaches beyond.
        wide = (plane.shape[1] * spec.sub_x, plane.shape[0] * spec.sub_y)
        large = np.asarray(cv2.resize(narrow, wide, interpolation=cv2.INTER_LINEAR), np.uint8)
        layers += _split(np.ascontiguousarray(large[: image.height, : image.width]))
    if len(layers) == 1:
        layers += [np.full_like(layers[0], 128)] * 2
    back = np.asarray(
        np.linalg.inv(_from_bgr_matrix(matrix, full_range=image.full_range)), np.float64
    )
    return _transformed(_merged(layers), back)


def from_bgr(pixels: U8, kind: ImageKind, matrix: int) -> Image:
    """B, G, R as a frame of a kind.

    Args:
        pixels: uint8 (height, width, 3).
        kind: What the frame is to be, of the same size.
        matrix: See `matrix_of`.
    """
    form = kind.format
    ycc = _transformed(pixels, _from_bgr_matrix(matrix, full_range=kind.full_range))
    luma, cb, cr = _split(ycc)
    planes = [luma]
    if form is not PixelFormat.GRAY:
        spec = form.planes[1]
        chroma = [_averaged(layer, spec.sub_x, spec.sub_y) for layer in (cb, cr)]
        planes += [_merged(chroma)] if spec.channels == 2 else chroma
    deep = tuple(_with_bits(plane, form.bits) for plane in planes)
    return Image(form, kind.width, kind.height, deep, kind.full_range)


def _split(pixels: U8) -> list[U8]:
    return [np.asarray(layer, np.uint8) for layer in cv2.split(pixels)]


def _merged(layers: list[U8]) -> U8:
    return np.asarray(cv2.merge(layers), np.uint8)


def _averaged(layer: U8, sub_x: int, sub_y: int) -> U8:
    """A layer with one sample for so many columns and rows; odd sides round up."""
    rows, columns = layer.shape
    more = (-rows % sub_y, -columns % sub_x)
    if any(more):
        layer = np.pad(layer, ((0, more[0]), (0, more[1])), mode="edge")
    size = (layer.shape[1] // sub_x, layer.shape[0] // sub_y)
    return np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.uint8)


def _from_bgr_matrix(matrix: int, *, full_range: bool) -> npt.NDArray[np.float64]:
    """The 4 by 4 matrix that makes (B, G, R, 1) into (Y, Cb, Cr, 1), all from 0 to 255."""
    red, blue = _WEIGHTS.get(matrix, _USUAL_WEIGHTS)
    luma = np.array([blue, 1 - red - blue, red])
    y_span, c_span, black = (1.0, 1.0, 0.0) if full_range else (219 / 255, 224 / 255, 16.0)
    cb = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - blue))
    cr = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - red))
    whole = np.eye(4)
    whole[:3, :3] = luma * y_span, cb * c_span, cr * c_span
    whole[:3, 3] = black, 128, 128
    return whole


def _transformed(pixels: U8, matrix: npt.NDArray[np.float64]) -> U8:
    """Each pixel times a matrix, rounded."""
    done = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], _ROWS):
        part = pixels[top : top + _ROWS].astype(np.float32)
        exact = cv2.transform(part, matrix[:3].astype(np.float32))
        done[top : top + _ROWS] = np.clip(np.rint(exact), 0, 255)
    return done


def _as_8_bits(plane: Plane, bits: int) -> U8:
    if bits == 8:
        return np.ascontiguousarray(plane, np.uint8)
    half = 1 << (bits - 9)
    return np.asarray(np.minimum((plane + half) >> (bits - 8), 255), np.uint8)


def _with_bits(plane: U8, bits: int) -> npt.NDArray[Any]:
    return plane if bits == 8 else plane.astype(np.uint16) << (bits - 8)
