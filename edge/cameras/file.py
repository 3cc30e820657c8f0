"""A video file that stands in for a camera, decoded as `faceguard redact` decodes it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import av.error

from faceguard.edge.av_image import as_av
from faceguard.edge.cameras.base import CameraInfo, Shot
from faceguard.edge.cameras.door import Door
from faceguard.edge.cameras.pace import Pace
from faceguard.edge.cameras.planes import PlanesOut
from faceguard.edge.config.camera import FileCamera
from faceguard.edge.pool import POOLED_FORMATS
from faceguard.edge.sources.video import VideoSource
from faceguard.edge.types import Frame, Image
from faceguard.engines.closing import Closing
from faceguard.engines.errors import CameraAbsent, CameraCorrupt, CameraLost, InputError

_USUAL_STEP_NS = 40_000_000


class VideoFile(Closing):
    """A video as a camera: once or again and again, at its own pace or as fast as can be.

    It is not live: it waits, and nothing of it is lost. Since it is the same source that
    `faceguard redact` reads, pictures are the same to the last bit, and so are the masks; only
    what has more than 8 bits, more chroma than 4:2:0 or odd sides is made so here.
    """

    def __init__(self, config: FileCamera) -> None:
        """Opens the file and decodes its first picture.

        Raises:
            CameraAbsent: No such file, or no video that can be decoded.
        """
        self._config = config
        self._pace = Pace()
        self._planes = PlanesOut()
        self._source = self._opened()
        self._frames: Iterator[Frame] = iter(self._source)
        self._door = Door(self._shut)
        # What is added to the file's times in this round, the last time given, and the next one.
        self._offset_ns = 0
        self._last_ns = -1
        self._next_ns = 0
        self._damaged_before = 0
        info = self._source.info
        self._info = CameraInfo(
            width=info.width // 2 * 2,
            height=info.height // 2 * 2,
            rate=info.rate,
            format="video file",
            live=False,
            notes=info.notes,
            again=config.loop,
        )

    @property
    def info(self) -> CameraInfo:
        """What it gives."""
        return self._info

    @property
    def due_ns(self) -> int:
        """See `Paced`: between two pictures of a file there may be hours."""
        return self._pace.due_ns

    def read(self) -> Shot | None:
        """The next picture, when it is due.

        Returns:
            The picture; None at the end, unless it loops.

        Raises:
            CameraLost: The file cannot be opened again, or was closed here.
            CameraCorrupt: The file is damaged beyond going on.
        """
        with self._door:
            frame = self._next_frame()
            if frame is None:
                return None
            shot_ns = self._placed(frame)
            image = self._image(frame)
            if self._config.paced and not self._pace.wait_for(shot_ns):
                raise CameraLost("video file: closed by faceguard itself")
            damaged = self._source.damaged
            new, self._damaged_before = damaged - self._damaged_before, damaged
            return Shot(image, time.monotonic_ns(), shot_ns, _length_ns(frame), new)

    def close(self) -> None:
        """Closes the file: at once, or as soon as a reader in another thread has left."""
        self._pace.stop()
        self._door.close()

    def _shut(self) -> None:
        self._source.close()  # the one of this round

    def _next_frame(self) -> Frame | None:
        try:
            frame = next(self._frames, None)
            if frame is None and self._config.loop:
                self._begin_again()
                frame = next(self._frames, None)
        except CameraAbsent as error:
            raise CameraLost(f"{error} (at the beginning of another round)") from None
        except InputError as error:
            raise CameraCorrupt(str(error)) from None
        return frame

    def _begin_again(self) -> None:
        self._source.close()
        self._source = self._opened()
        self._frames = iter(self._source)
        self._damaged_before = 0

    def _opened(self) -> VideoSource:
        try:
            return VideoSource(self._config.path)
        except InputError as error:
            problem = CameraAbsent(str(error))
        # A wrong path does not mend itself.
        problem.is_final = True
        raise problem

    def _placed(self, frame: Frame) -> int:
        """The frame's place on a time line that begins at 0 and goes on from round to round."""
        pts_ns = round(frame.pts * frame.time_base * 1_000_000_000)
        if frame.index == 0:
            self._offset_ns = self._next_ns - pts_ns
        place_ns = pts_ns + self._offset_ns
        step_ns = place_ns - self._last_ns if frame.index else _USUAL_STEP_NS
        self._next_ns = place_ns + (_length_ns(frame) or step_ns)
        self._last_ns = place_ns
        return place_ns

    def _image(self, frame: Frame) -> Image:
        image = frame.image
        even = image.width % 2 == 0 and image.height % 2 == 0
        if image.format in POOLED_FORMATS and even:
            return image
        try:
            return self._planes.from_av(as_av(image))
        except (av.error.FFmpegError, ValueError) as error:
            form = image.format.ffmpeg_name
            raise CameraCorrupt(f"{self._config.path}: {form} cannot be used: {error}") from None


def _length_ns(frame: Frame) -> int:
    return round(frame.duration * frame.time_base * 1_000_000_000)
