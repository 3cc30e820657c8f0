"""Cameras on a Jetson's CSI connector, through NVIDIA's Argus and GStreamer."""

from __future__ import annotations

import time
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.cameras.csi_gi import GiPipeline, NoGi
from faceguard.edge.cameras.csi_opencv import NoGStreamer, OpenCvPipeline
from faceguard.edge.cameras.csi_pipeline import (
    Broken,
    Ended,
    Picture,
    Pipeline,
    argus,
    expected_size,
)
from faceguard.edge.cameras.planes import PlanesOut
from faceguard.edge.cameras.timely import plausible_ns, within
from faceguard.edge.pool import PoolEmpty
from faceguard.edge.types import PixelFormat
from faceguard.engines.closing import Closing
from faceguard.engines.errors import (
    CameraAbsent,
    CameraError,
    CameraLost,
    CameraSilent,
    CameraUnfit,
)

if TYPE_CHECKING:
    from faceguard.edge.config.camera import CsiCamera

_CLOSE_WITHIN_S = 2.0
_INSTALL = (
    "sudo apt install python3-gi gir1.2-gst-plugins-base-1.0, and make the virtual environment "
    "with --system-site-packages; pip's OpenCV has no GStreamer"
)
_RATE_ALIKE = 0.01


class Csi(Closing):
    """One connection to a CSI camera."""

    def __init__(
        self,
        config: CsiCamera,
        *,
        open_within_s: float,
        silent_after_s: float,
        source: str | None = None,
    ) -> None:
        """Starts the pipeline and waits for its first picture.

        Args:
            config: Which sensor, and what to ask it for.
            open_within_s: How long that may take.
            silent_after_s: How long `read` waits for each that follows.
            source: Another pipeline up to NV12 in memory, instead of Argus'; for tests.

        Raises:
            CameraAbsent: Argus does not give it out; says why in its words.
            CameraUnfit: It cannot give what is asked for, or GStreamer is not there.
            CameraSilent: No picture came in time.
        """
        self._name = f"CSI sensor {config.sensor}"
        self._silent_after_s = silent_after_s
        self._out = PlanesOut()
        self._closing = False
        self._last_ns = 0
        self._duration_ns = 0
        by_s = time.monotonic() + open_within_s
        try:
            self._pipeline = within(
                open_within_s,
                "open camera",
                lambda: _opened(config.through, source or argus(config)),
                lambda late: late.close(),
            )
        except TimeoutError:
            raise CameraSilent(
                f"{self._name} did not start within {open_within_s:g} s; "
                "sudo systemctl restart nvargus-daemon"
            ) from None
        except Broken as error:
            raise self._absent(str(error)) from error
        except CameraError as error:
            raise type(error)(f"{self._name}: {error}") from None
        try:
            self._first: Shot | None = self._opening(config, by_s - time.monotonic())
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> CameraInfo:
        """What the first picture was like."""
        return self._info

    def read(self) -> Shot:
        """The next picture; see `Camera.read`.

        Raises:
            CameraSilent: Nothing came in time.
            CameraLost: The pipeline failed or ended, or was closed.
        """
        first, self._first = self._first, None
        if first is not None and not self._closing:
            return first
        by_s = time.monotonic() + self._silent_after_s
        while True:
            if self._closing:
                raise CameraLost(f"{self._name} was closed")
            try:
                picture = self._pipeline.picture(max(0.0, by_s - time.monotonic()))
            except Ended:
                raise CameraLost(f"{self._name} ended{self._closed()}") from None
            except (Broken, CameraUnfit) as error:
                raise CameraLost(f"{self._name} failed: {error}") from None
            if picture is None:
                if self._closing:
                    continue
                raise CameraSilent(f"{self._name} sent no picture for {self._silent_after_s:g} s")
            # With all memory in use this one is dropped.
            with suppress(PoolEmpty):
                return self._shot(picture)

    def close(self) -> None:
        """Stops the pipeline, waiting two seconds at most: Argus has been seen to hang here."""
        if self._closing:
            return
        self._closing = True
        self._first = None
        with suppress(TimeoutError):
            within(_CLOSE_WITHIN_S, "close camera", self._pipeline.close)

    def _opening(self, config: CsiCamera, limit_s: float) -> Shot:
        """The first picture, compared with what was asked for."""
        try:
            picture = self._pipeline.picture(max(0.0, limit_s))
        except Ended:
            raise self._absent("it ended before its first picture") from None
        except Broken as error:
            raise self._absent(str(error)) from None
        except CameraUnfit as error:
            raise CameraUnfit(f"{self._name}: {error}") from None
        if picture is None:
            raise CameraSilent(
                f"{self._name} sent no first picture in time; sudo systemctl restart nvargus-daemon"
            )
        tall, wide = picture.luma.shape
        size, rate = expected_size(config), config.rate
        if size is not None and size != (wide, tall):
            raise CameraUnfit(
                f"{self._name} was asked for {size[0]}x{size[1]} and gives {wide}x{tall}"
            )
        notes: tuple[str, ...] = ()
        if rate is not None and picture.rate is None:
            notes = (f"it does not say its rate; {rate:g} was asked for",)
        elif rate is not None and picture.rate is not None and not _alike(picture.rate, rate):
            raise CameraUnfit(
                f"{self._name} was asked for {rate:g} pictures per second and gives "
                f"{float(picture.rate):.4g}"
            )
        self._info = CameraInfo(wide, tall, picture.rate, "NV12 through Argus", notes=notes)
        self._duration_ns = round(1e9 / picture.rate) if picture.rate else 0
        return self._shot(picture)

    def _shot(self, picture: Picture) -> Shot:
        image = self._out.from_planes(
            PixelFormat.NV12, (picture.luma, picture.chroma), full_range=picture.full_range
        )
        claimed_ns = picture.claimed_ns
        taken_ns = plausible_ns(claimed_ns, time.monotonic_ns())
        self._last_ns = taken_ns = max(taken_ns, self._last_ns + 1)
        return Shot(image, taken_ns, taken_ns, self._duration_ns, source_ns=claimed_ns)

    def _absent(self, reason: str) -> CameraAbsent:
        return CameraAbsent(
            f"{self._name}: {reason}; is it connected, and is nothing else using it? "
            "journalctl -u nvargus-daemon says more"
        )

    def _closed(self) -> str:
        return ": it was closed" if self._closing else ""


def _opened(through: str, source: str) -> Pipeline:
    """A pipeline that plays, through what is there.

    Raises:
        CameraUnfit: Nothing is there, or it cannot be built.
        Broken: It does not start.
    """
    reason = ""
    if through in ("auto", "gi"):
        try:
            return GiPipeline(source)
        except NoGi as error:
            reason = str(error)
    if through in ("auto", "opencv"):
        try:
            return OpenCvPipeline(source)
        except NoGStreamer:
            reason = f"{reason}; " if reason else ""
            reason += "this OpenCV was built without GStreamer"
    raise CameraUnfit(f"no GStreamer from Python ({reason}): {_INSTALL}")


def _alike(one: Fraction, other: float) -> bool:
    return abs(float(one) - other) <= _RATE_ALIKE * other
