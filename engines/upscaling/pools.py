"""Threads that libraries start at their first larger work, and keep."""

from __future__ import annotations

import cv2
import numpy as np

_SIDE_PX = 512


def start_pools() -> None:
    """Has OpenCV start its threads now.

    Each takes 8 MB of address space for its stack and 64 MB for its heap, used or not. What is free
    is to be looked at after that, not before.
    """
    cv2.cvtColor(np.zeros((_SIDE_PX, _SIDE_PX, 3), np.float32), cv2.COLOR_BGR2YCrCb)
