"""Models that enlarge, for tests: one that marks what it did, and can be made to fail or hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from faceguard.edge.live.zoom import View, enlarged_plainly
from faceguard.edge.types import Image

MARK = 77
"""The last sample of luma of all that it sharpened."""


class Marking:
    """Enlarges as plain enlargement does, and leaves a mark in a corner.

    Attributes:
        breaks: Raised for each picture while it is set.
        hold: Cleared, each picture waits until it is set, or nobody waits for the picture.
        seen: Pictures that it was given, as copies of their luma.
        opened: How often it was opened.
        closed: How often it was closed.
    """

    def __init__(self) -> None:
        self.breaks: Exception | None = None
        self.cannot_open: Exception | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.in_work = threading.Event()
        self.seen: list[np.ndarray] = []
        self.opened = self.closed = 0

    def open(self, *_of: object) -> Marking:
        """Opens it, as `open_with` of `Upscaling` and `open_model` of `Sharpener`."""
        if self.cannot_open is not None:
            raise self.cannot_open
        self.opened += 1
        return self

    def sharpened(self, image: Image, view: View, go_on: Callable[[], None]) -> Image:
        self.in_work.set()
        while not self.hold.wait(0.005):
            go_on()
        if self.breaks is not None:
            raise self.breaks
        self.seen.append(image.planes[0].copy())
        large = enlarged_plainly(image, view)
        large.planes[0][-1, -1] = MARK
        return large

    def close(self) -> None:
        self.closed += 1


def is_sharp(image: Image) -> bool:
    """Whether `Marking` made a picture."""
    return int(image.planes[0][-1, -1]) == MARK


def shrunk(image: Image, scale: int) -> Image:
    """The picture with sides that are so many times shorter: the mean of what was one sample."""
    planes = tuple(
        cv2.resize(
            plane,
            (plane.shape[1] // scale, plane.shape[0] // scale),
            interpolation=cv2.INTER_AREA,
        )
        for plane in image.planes
    )
    size = {"width": image.width // scale, "height": image.height // scale}
    return replace(image, planes=planes, owner=None, make_blank=None, **size)
