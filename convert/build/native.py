"""Names for what comes from the library; no static type fits all its versions."""

from __future__ import annotations

from typing import Any

Library = Any
"""The module `tensorrt` or `tensorrt_rtx`; variables of this kind are called `trt`."""

Native = Any
"""An object of it."""
