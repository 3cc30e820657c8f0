"""The way of the pictures through GStreamer; runs in the RTSP server's own process."""

from __future__ import annotations

from typing import Any

# No h264parse, which needs another package: the pictures come whole, with their parameter sets.
LAUNCH = (
    "( appsrc name=feed is-live=true format=time do-timestamp=false block=false max-bytes=0 "
    "caps=video/x-h264,stream-format=byte-stream,alignment=au "
    "! rtph264pay name=pay0 pt=96 config-interval=0 )"
)
ELEMENTS = ("appsrc", "rtph264pay", "rtpbin", "appsink", "multiudpsink", "udpsrc")
"""What GStreamer must have."""

# What may wait in front of a pipeline that does not move, such as between DESCRIBE and PLAY.
_FEED_BYTES = 4 << 20
# What may wait between a pipeline and its TCP clients, all of them stuck.
_TCP_BYTES = 4 << 20
_TICK_NS = 1_000_000


class Feed:
    """The way of the pictures into one pipeline."""

    def __init__(self, gst: Any, source: Any) -> None:  # noqa: ANN401
        """Starts with nothing sent.

        Args:
            gst: GStreamer.
            source: The pipeline's appsrc.
        """
        self._gst = gst
        self._source = source
        self._offset_ns: int | None = None
        self._last_ns = 0
        self._starts = True

    def push(self, pts_ns: int, keyframe: bool, data: bytes) -> bool:
        """Gives the pipeline a picture.

        Returns:
            Whether it took it. If not, it takes none before the next keyframe.
        """
        if self._starts and not keyframe:
            return False
        if self._source.get_property("current-level-bytes") > _FEED_BYTES:
            self._starts = True
            return False
        self._starts = False
        buffer = self._gst.Buffer.new_wrapped(data)
        buffer.pts = buffer.dts = self._running_ns(pts_ns)
        if not keyframe:
            buffer.set_flags(self._gst.BufferFlags.DELTA_UNIT)
        self._source.emit("push-buffer", buffer)
        return True

    def _running_ns(self, pts_ns: int) -> int:
        """The picture's place on the pipeline's own time line.

        It must grow: a time that goes back makes GStreamer's server abort.
        """
        if self._offset_ns is None or pts_ns + self._offset_ns <= self._last_ns:
            self._offset_ns = max(self._now_ns(), self._last_ns + _TICK_NS) - pts_ns
        self._last_ns = pts_ns + self._offset_ns
        return self._last_ns

    def _now_ns(self) -> int:
        clock = self._source.get_clock()
        if clock is None:
            return 0
        return max(0, int(clock.get_time()) - int(self._source.get_base_time()))


def tame(_: object, __: object, element: Any) -> None:  # noqa: ANN401
    """Sets up what the server adds to a pipeline once it knows how a client wants its packets."""
    factory = element.get_factory()
    name = factory.get_name() if factory is not None else ""
    if name in ("appsink", "multiudpsink"):
        # Pictures are sent as they come; a second clock would only add delay or drift.
        element.set_property("sync", False)
    elif name == "queue":
        # In front of TCP and UDP where there are both: full of what stuck TCP clients do not
        # take, it would stop the others.
        element.set_property("leaky", 2)
        element.set_property("max-size-buffers", 0)
        element.set_property("max-size-bytes", _TCP_BYTES)
