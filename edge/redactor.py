"""Covering the faces of one file or one array: the library's front door."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np

from faceguard.edge.masks import MaskSettings
from faceguard.edge.outputs import open_sink, open_source
from faceguard.edge.pipeline import Plan, redacted, run
from faceguard.edge.preview import draw
from faceguard.edge.sinks.video import EncoderSettings
from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.style import Look, Style
from faceguard.edge.tracking import Tracker, TrackingSettings
from faceguard.edge.types import Frame, Image, SafeFrame, Shape
from faceguard.edge.verdict import FaceFinder, Judge
from faceguard.engines.catalogue import Catalogue, Entry, Scores, read_catalogue
from faceguard.engines.detectors import Detector, open_detector
from faceguard.engines.errors import InputError, UsageError
from faceguard.engines.types import U8

# Pages and single pictures have nothing to do with one another.
_STILL = TrackingSettings(coast_frames=0, reach=0.0)
# Small faces count more in a still than speed does.
_STILL_LONG_SIDE_PX = 1280


@dataclass(frozen=True)
class RedactorSettings:
    """How faces are found and covered.

    Attributes:
        detector: Its name in the catalogue; None takes the catalogue's default.
        score: What a face needs to be believed, 0 to 1; None takes the catalogue's.
        long_side: Long side of the detector's input in pixels; None takes 1280 for pictures and
            the catalogue's for video.
        tile: Whether to look at pictures in full resolution too, tile by tile.
        detect_every: In video, the detector looks at every n-th frame.
        look_ahead: In video, frames that each one waits for what comes after it.
        look: The style.
        shape: Outline of a mask.
        margin: Part of the face's size added around it.
        timeout_s: How long the detector may take for one frame before it is covered whole.
        threads: Threads for one detection; None takes all for pictures and one for video, where
            the encoder needs the others.
    """

    detector: str | None = None
    score: float | None = None
    long_side: int | None = None
    tile: bool = False
    detect_every: int = 2
    look_ahead: int = 15
    look: Look = Look.PIXELATE
    shape: Shape = MaskSettings.shape
    margin: float = MaskSettings.margin
    timeout_s: float = 30.0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be meant.

        Raises:
            UsageError: Naming the setting and what it may be.
        """
        if self.score is not None and not 0 < self.score < 1:
            raise UsageError(f"score {self.score:g} must be over 0 and under 1")
        if not 1 <= self.detect_every <= 60:
            raise UsageError(f"detect-every {self.detect_every} must be 1 to 60 frames")
        if not 0 <= self.look_ahead <= 300:
            raise UsageError(f"look-ahead {self.look_ahead} must be 0 to 300 frames")
        if not 0 <= self.margin <= 2:
            raise UsageError(f"margin {self.margin:g} must be 0 to 2 times the face's size")
        if not self.timeout_s > 0:
            raise UsageError(f"detect-timeout {self.timeout_s:g} must be over 0 s")


@dataclass(frozen=True)
class Redaction:
    """What became of one file.

    Attributes:
        source: The file that was read.
        output: The file that was written.
        kind: "picture", "animation" or "video".
        frames: Frames written.
        masks: Masks drawn, all frames together.
        tracks: Faces followed (in pictures: faces found).
        covered_whole: Frames covered whole because nobody knew what was in them, by cause.
        seconds: Time it took.
        notes: What a person should know, a line each.
    """

    source: Path
    output: Path
    kind: str
    frames: int
    masks: int
    tracks: int
    covered_whole: dict[str, int]
    seconds: float
    notes: tuple[str, ...] = ()


class Redactor:
    """Covers faces in files and arrays; may be shared between threads.

    Example:
        >>> from pathlib import Path
        >>> from faceguard.edge import Redactor
        >>> with Redactor() as redactor:
        ...     done = redactor.file(Path("party.jpg"), Path("party-safe.jpg"))
        >>> done.tracks
        1
    """

    def __init__(
        self, settings: RedactorSettings | None = None, *, finder: FaceFinder | None = None
    ) -> None:
        """Opens the detector.

        Args:
            settings: How faces are found and covered.
            finder: A detector of your own, instead of one from the catalogue.

        Raises:
            ModelMissing: The model was not pulled: `faceguard models pull`.
            ModelCorrupt: Its file is damaged.
            UsageError: A setting that cannot be meant.
        """
        self.settings = settings or RedactorSettings()
        self._still: FaceFinder
        self._moving: FaceFinder
        self._style = Style(look=self.settings.look)
        catalogue = read_catalogue()
        entry = catalogue.entry(self.settings.detector or catalogue.default)
        self._scores = _scores(entry, self.settings.score)
        self._opened: tuple[Detector, ...] = ()
        if finder is not None:
            self._still = self._moving = finder
        else:
            self._opened = self._still, self._moving = self._open(catalogue, entry)

    def array(self, pixels: U8) -> U8:
        """Covers the faces of one picture in memory.

        Args:
            pixels: uint8 (height, width, 3): B, G, R; or (height, width, 4) with alpha.

        Returns:
            A new array of the same kind. Black all over when the detector failed.

        Raises:
            InputError: The array is no picture of that kind.
        """
        if pixels.dtype != np.uint8:
            raise InputError(f"an array of {pixels.dtype} is no picture here; give uint8, 0 to 255")
        if pixels.ndim != 3 or pixels.shape[2] not in (3, 4) or not pixels.size:
            raise InputError(f"an array {pixels.shape} is no picture; give (height, width, 3 or 4)")
        frame = Frame(Image.from_bgr(pixels), 0, 0, Fraction(1, 25))
        plan = self._plan(SourceInfo("picture", frame.image.width, frame.image.height))
        judge = Judge(self._still, self.settings.timeout_s)
        try:
            (safe,) = redacted(iter([frame]), judge, Tracker(plan.tracking), plan)
        finally:
            judge.close()
        image = safe.image
        return np.array(image.planes[0], np.uint8, copy=image is frame.image)

    def file(
        self,
        path: Path,
        output: Path,
        *,
        encoder: EncoderSettings | None = None,
        force: bool = False,
        preview: bool = False,
        on_start: Callable[[SourceInfo], None] | None = None,
        on_frame: Callable[[SafeFrame], None] | None = None,
    ) -> Redaction:
        """Covers the faces of a picture, animation or video.

        Args:
            path: What to read; it is never changed.
            output: What to write; its suffix names the format. It appears whole or not at all.
            encoder: How video is encoded.
            force: Whether to replace what stands at `output`.
            preview: Whether to draw each face's box and score over the redacted picture.
            on_start: Called once the source is open.
            on_frame: Called with each frame that is about to be written.

        Raises:
            InputError: `path` cannot be read.
            OutputError: `output` cannot be written, or stands there already.
            UsageError: `output` names a format that this kind of source cannot become.
        """
        begun = time.monotonic()
        encoder = encoder or EncoderSettings()

        def shown(frame: SafeFrame) -> None:
            if preview:
                draw(frame)
            if on_frame is not None:
                on_frame(frame)

        with open_source(path) as source:
            if on_start is not None:
                on_start(source.info)
            moving = source.info.kind == "video"
            judge = Judge(self._moving if moving else self._still, self.settings.timeout_s)
            try:
                with open_sink(output, source.info, path, encoder, force=force) as sink:
                    tally = run(source, sink, judge, self._plan(source.info), shown)
                    sink.finish()
            finally:
                judge.close()
            notes = source.info.notes
        return Redaction(
            path,
            output,
            source.info.kind,
            tally.frames,
            tally.masks,
            tally.tracks,
            dict(tally.whole),
            time.monotonic() - begun,
            notes,
        )

    def close(self) -> None:
        """Frees the detectors that this redactor opened."""
        for detector in self._opened:
            detector.close()

    def __enter__(self) -> Redactor:
        """The redactor itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    def _open(self, catalogue: Catalogue, entry: Entry) -> tuple[Detector, Detector]:
        """One detector for stills and one for video, which differ in input size and threads."""
        s = self.settings
        fixed = entry.input is None or entry.input.long_side_px is None
        still_px = s.long_side or (None if fixed else _STILL_LONG_SIDE_PX)

        def opened(long_side: int | None, threads: int, *, tile: bool) -> Detector:
            return open_detector(
                entry.name,
                score=self._scores.keep,
                long_side=long_side,
                threads=threads if s.threads is None else s.threads,
                tile=tile,
                catalogue=catalogue,
            )

        still = opened(still_px, 0, tile=s.tile)
        try:
            return still, opened(s.long_side, 1, tile=s.tile)
        except BaseException:
            still.close()
            raise

    def _plan(self, info: SourceInfo) -> Plan:
        """How frames of this kind of source are judged."""
        s = self.settings
        masks = MaskSettings(s.margin, s.shape)
        if info.kind == "picture" or info.duration_s is None:
            tracking = replace(_STILL, strong=self._scores.start)
            return Plan(1, 0, masks, tracking, self._style)
        every = s.detect_every if info.kind == "video" else 1
        tracking = TrackingSettings(strong=self._scores.start)
        return Plan(every, s.look_ahead, masks, tracking, self._style)


def _scores(entry: Entry, asked: float | None) -> Scores:
    """The catalogue's thresholds, or the one asked for with the lower one in proportion."""
    known = entry.score or Scores(start=0.5, keep=0.3)
    if asked is None:
        return known
    return Scores(start=asked, keep=asked * known.keep / known.start)
