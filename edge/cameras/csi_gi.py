"""A GStreamer pipeline through python3-gi."""

from __future__ import annotations

import importlib
import time
from fractions import Fraction
from typing import Any

import numpy as np

from faceguard.edge.cameras.csi_pipeline import Broken, Ended, Picture, cannot_build
from faceguard.engines.errors import CameraUnfit

# A pipeline's error does not wake who waits for a picture, so the wait is cut into pieces.
_PIECE_S = 0.1
# GST_VIDEO_COLOR_RANGE_0_255, which is no name in Python.
_FULL_RANGE = 1
_NAMESPACES = ("GLib", "Gst", "GstApp", "GstVideo")


class NoGi(Exception):
    """python3-gi or GStreamer's descriptions for it are not there; its text says which."""


class GiPipeline:
    """A pipeline that ends in an appsink."""

    def __init__(self, source: str) -> None:
        """Builds it and lets it play.

        Args:
            source: The pipeline up to NV12 in memory, as for gst-launch-1.0.

        Raises:
            NoGi: GStreamer cannot be had through python3-gi.
            CameraUnfit: It cannot be built.
            Broken: An element failed at once.
        """
        glib, self._gst, _, self._video = _modules()
        gst = self._gst
        # Of two that wait the older goes when a third comes: a camera does not wait.
        text = f"{source} ! appsink name=out max-buffers=2 drop=true sync=false"
        try:
            self._pipeline = gst.parse_launch(text)
        except glib.Error as error:
            raise cannot_build(error.message) from None
        self._sink = self._pipeline.get_by_name("out")
        self._bus = self._pipeline.get_bus()
        if self._pipeline.set_state(gst.State.PLAYING) == gst.StateChangeReturn.FAILURE:
            try:
                self._listen()
                raise Broken("it does not start")
            finally:
                self.close()

    def picture(self, limit_s: float) -> Picture | None:
        """See `Pipeline`."""
        deadline_s = time.monotonic() + limit_s
        while True:
            self._listen()
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            piece_ns = int(min(left_s, _PIECE_S) * 1e9)
            sample = self._sink.try_pull_sample(piece_ns)
            if sample is not None:
                return self._taken(sample)
            if self._sink.get_property("eos"):
                self._listen()
                raise Ended

    def close(self) -> None:
        """See `Pipeline`."""
        self._pipeline.set_state(self._gst.State.NULL)

    def _listen(self) -> None:
        """Looks for bad news."""
        kinds = self._gst.MessageType
        message = self._bus.pop_filtered(kinds.ERROR | kinds.EOS)
        if message is None:
            return
        if message.type == kinds.EOS:
            raise Ended
        error, details = message.parse_error()
        # Of the details the first line is a place in GStreamer's source.
        reason = (details or "").split("\n", 1)[1:]
        line = " ".join(f"{error.message} {' '.join(reason)}".split())
        if "not-negotiated" in line:
            raise CameraUnfit(
                "the sensor cannot give the size and rate that are asked for; "
                "v4l2-ctl --list-formats-ext shows its modes"
            )
        raise Broken(line)

    def _taken(self, sample: Any) -> Picture:  # noqa: ANN401 - gi's classes have no stubs
        buffer = sample.get_buffer()
        info = self._video.VideoInfo.new_from_caps(sample.get_caps())
        layout = self._video.buffer_get_video_meta(buffer) or info
        stride, offset = list(layout.stride), list(layout.offset)
        wide, tall = info.width // 2 * 2, info.height // 2 * 2
        right, mapped = buffer.map(self._gst.MapFlags.READ)
        if not right:
            raise Broken("a picture's memory cannot be read")
        try:
            data = mapped.data
            if not isinstance(data, bytes):
                # A view, where GStreamer's additions for Python are installed.
                data = bytes(data)
        finally:
            buffer.unmap(mapped)
        try:
            luma = np.ndarray((tall, wide), np.uint8, data, offset[0], (stride[0], 1))
            shape = (tall // 2, wide // 2, 2)
            chroma = np.ndarray(shape, np.uint8, data, offset[1], (stride[1], 2, 1))
        except (TypeError, ValueError):
            raise Broken("a picture is shorter than its size says") from None
        return Picture(
            luma,
            chroma,
            int(info.colorimetry.range) == _FULL_RANGE,
            Fraction(info.fps_n, info.fps_d) if info.fps_n and info.fps_d else None,
            self._claimed_ns(buffer),
        )

    def _claimed_ns(self, buffer: Any) -> int | None:  # noqa: ANN401 - see above
        """When it was taken: the pipeline's clock is the monotonic one, unless told otherwise."""
        none = self._gst.CLOCK_TIME_NONE
        start_ns = self._pipeline.get_base_time()
        if none in (buffer.pts, start_ns):
            return None
        return int(start_ns + buffer.pts)


def _modules() -> list[Any]:
    try:
        gi = importlib.import_module("gi")
        for namespace in _NAMESPACES[1:]:
            gi.require_version(namespace, "1.0")
        modules = [importlib.import_module(f"gi.repository.{name}") for name in _NAMESPACES]
    except (ImportError, ValueError, AttributeError) as error:
        raise NoGi(str(error).splitlines()[0]) from None
    modules[1].init(None)
    return modules
