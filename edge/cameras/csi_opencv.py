"""A GStreamer pipeline through an OpenCV that was built with GStreamer, as JetPack's is.

OpenCV tells neither times nor errors and its `read` can wait for ever, so a thread of its own
reads, and what comes is taken from it with a time limit.
"""

from __future__ import annotations

import re
import threading
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from faceguard.edge.cameras.csi_pipeline import Broken, Ended, Picture
from faceguard.edge.slot import Closed, Slot


class NoGStreamer(Exception):
    """This OpenCV was built without GStreamer, as pip's is."""


class OpenCvPipeline:
    """A pipeline that ends in OpenCV's appsink."""

    def __init__(self, source: str) -> None:
        """Builds it and lets it play.

        Args:
            source: The pipeline up to NV12 in memory, as for gst-launch-1.0.

        Raises:
            NoGStreamer: OpenCV has no GStreamer.
            Broken: It cannot be built or does not start; OpenCV does not say why.
        """
        if not re.search(r"GStreamer:\s+YES", cv2.getBuildInformation()):
            raise NoGStreamer
        text = f"{source} ! appsink max-buffers=2 drop=true sync=false"
        self._capture = cv2.VideoCapture(text, cv2.CAP_GSTREAMER)
        if not self._capture.isOpened():
            self._capture.release()
            raise Broken("the pipeline does not start; gst-launch-1.0 shows why")
        self._size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._rate = Fraction(rate).limit_denominator(1001) if rate > 0 else None
        self._slot: Slot[Any] = Slot(1)
        self._closing = False
        self._thread = threading.Thread(target=self._read, name="csi camera", daemon=True)
        self._thread.start()

    def picture(self, limit_s: float) -> Picture | None:
        """See `Pipeline`."""
        try:
            whole = self._slot.take(limit_s)
        except Closed:
            raise Ended from None
        if whole is None:
            return None
        wide, tall = self._size
        if whole.dtype != np.uint8 or whole.shape[:2] != (tall * 3 // 2, wide) or tall % 2:
            raise Broken(f"OpenCV gives pictures of {whole.shape}, which are not NV12")
        rows = whole.reshape(tall * 3 // 2, wide)
        chroma = rows[tall:].reshape(tall // 2, wide // 2, 2)
        return Picture(rows[:tall], chroma, rate=self._rate)

    def close(self) -> None:
        """See `Pipeline`."""
        self._closing = True
        self._slot.abandon()
        self._thread.join()

    def _read(self) -> None:
        try:
            while not self._closing:
                right, whole = self._capture.read()
                if not right:
                    break
                self._slot.offer(whole)
        except Closed:
            pass
        except cv2.error as error:
            self._slot.close(Broken(str(error.err)))
        finally:
            self._slot.close()
            # Here, since it must not be released while it is read.
            self._capture.release()
