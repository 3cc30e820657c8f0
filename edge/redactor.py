"""Covering the faces of one file or one array: the library's front door."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from faceguard.edge.engine_choice import EngineChoice
from faceguard.edge.file_formats import open_sink, open_source
from faceguard.edge.masks import MaskSettings
from faceguard.edge.pipeline import After, Plan, made_safe, run
from faceguard.edge.preview import draw
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.edge.sources.base import SourceInfo
from faceguard.edge.style import Style
from faceguard.edge.tracking import Tracker, TrackingSettings
from faceguard.edge.types import Frame, Image, SafeFrame
from faceguard.edge.verdict import Bare, FaceFinder, Judge
from faceguard.engines.catalogue import USUAL_SCORES, read_catalogue
from faceguard.engines.closing import Closing
from faceguard.engines.detectors import Detector, open_detector
from faceguard.engines.errors import InputError
from faceguard.engines.store import find_graph
from faceguard.engines.types import U8

# Pages and single pictures have nothing to do with one another.
_STILL = TrackingSettings(coast_frames=0, reach=0.0)
# Small faces count more in a still than speed does.
_STILL_LONG_SIDE_PX = 1280


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
        redacted: Whether faces were covered at all; False with `uncovered` alone.
        width: Of the first frame written, in pixels.
        height: Likewise.
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
    redacted: bool = True
    width: int = 0
    height: int = 0


class Redactor(Closing):
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
        self,
        settings: RedactorSettings | None = None,
        *,
        finder: FaceFinder | None = None,
        uncovered: bool = False,
    ) -> None:
        """Looks for the detector, which is loaded with the first picture or video.

        Args:
            settings: How faces are found and covered.
            finder: A detector of your own, instead of one from the catalogue.
            uncovered: No face is covered, and no detector is asked or looked for. For
                `faceguard enhance --no-redact`, which a person typed. The server has no such
                redactor: a request with `redact=false` asks `still` for that one picture.

        Raises:
            ModelMissing: The model was not pulled: `faceguard models pull`.
            ModelCorrupt: Its file is damaged.
            UsageError: A setting that cannot be meant.
        """
        self.settings = settings or RedactorSettings()
        self._uncovered = uncovered
        self._finder = finder
        self._style = Style(look=self.settings.look)
        self._catalogue = read_catalogue()
        self._engine = None
        if self.settings.engine is not None:
            self._engine = EngineChoice.read(self.settings.engine)
            self._engine.check(self.settings.long_side)
        self._entry = self._catalogue.entry(self._detector_name())
        known = self._entry.score or USUAL_SCORES
        self._scores = known.starting_at(self.settings.score)
        self._opened: dict[bool, Detector] = {}
        self._opening = threading.Lock()
        if finder is None and self._engine is None and not uncovered:
            find_graph(self._entry.name, catalogue=self._catalogue)

    @property
    def uncovered(self) -> bool:
        """Whether nothing is covered."""
        return self._uncovered

    def _detector_name(self) -> str:
        known = None if self._engine is None else self._engine.detector(self.settings.detector)
        return known or self.settings.detector or self._catalogue.default

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
        image = Image.from_bgr(pixels)
        with ExitStack() as stack:
            safe = self.still(image, self._judge(stack, moving=False))
        return np.array(safe.image.planes[0], np.uint8, copy=safe.image is image)

    def judge(self) -> Judge:
        """Who finds the faces in still pictures, for one thread; whoever asks for it closes it."""
        return Judge(self._detector(moving=False), self.settings.timeout_s)

    def still(
        self, image: Image, judge: Judge | Bare, cover: RedactorSettings | None = None
    ) -> SafeFrame:
        """Covers the faces of one picture.

        Args:
            image: The picture; where nothing is covered the answer shares its memory.
            judge: Who finds them, as `judge` makes one; or that a user asked aloud for them to
                stay bare.
            cover: Style, shape and margin; all else of it is not looked at. None takes the
                redactor's own.

        Returns:
            The picture that may leave. Black all over when the detector failed.
        """
        plan = self._plan(SourceInfo("picture", image.width, image.height))
        if cover is not None:
            masks, style = MaskSettings(cover.margin, cover.shape), Style(look=cover.look)
            plan = replace(plan, masks=masks, style=style)
        frames = iter([Frame(image, 0, 0, Fraction(1, 25))])
        (safe,) = made_safe(frames, judge, Tracker(plan.tracking), plan)
        return safe

    def file(
        self,
        path: Path,
        output: Path,
        *,
        encoder: EncoderSettings | None = None,
        force: bool = False,
        preview: bool = False,
        after: After | None = None,
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
            after: What is done to each frame once it is safe: `faceguard.edge.Enhancer`.
            on_start: Called once the source is open.
            on_frame: Called with each frame that is about to be written.

        Raises:
            InputError: `path` cannot be read.
            FaceguardError: `after` cannot be done to it.
            OutputError: `output` cannot be written, or stands there already.
            UsageError: `output` names a format that this kind of source cannot become.
        """
        begun = time.monotonic()
        encoder = encoder or EncoderSettings()

        sizes: list[tuple[int, int]] = []

        def last(frame: SafeFrame) -> SafeFrame:
            if preview:
                draw(frame)
            return frame if after is None else after(frame)

        def shown(frame: SafeFrame) -> None:
            if not sizes:
                sizes.append((frame.image.width, frame.image.height))
            if on_frame is not None:
                on_frame(frame)

        with ExitStack() as stack:
            source = stack.enter_context(open_source(path))
            if on_start is not None:
                on_start(source.info)
            info = source.info if after is None else after.info(source.info)
            moving = info.kind == "video"
            judge = self._judge(stack, moving=moving)
            sink = stack.enter_context(open_sink(output, info, path, encoder, force=force))
            tally = run(source, sink, judge, self._plan(info), shown, last)
            sink.finish()
            notes = (source.info if after is None else after.info(source.info)).notes
            if self._engine is not None and not moving and not self._uncovered:
                notes = (*notes, *self._engine.notes(_STILL_LONG_SIDE_PX))
        return Redaction(
            path,
            output,
            info.kind,
            tally.frames,
            tally.masks,
            tally.tracks,
            dict(tally.whole),
            time.monotonic() - begun,
            notes,
            not self._uncovered,
            *sizes[0],
        )

    def close(self) -> None:
        """Frees the detectors that this redactor opened."""
        for detector in self._opened.values():
            detector.close()

    def _judge(self, stack: ExitStack, *, moving: bool) -> Judge | Bare:
        """Who finds the faces, until the stack is left; or that they are to stay bare."""
        if self._uncovered:
            return Bare.ASKED_FOR
        judge = Judge(self._detector(moving=moving), self.settings.timeout_s)
        stack.callback(judge.close)
        return judge

    def _detector(self, *, moving: bool) -> FaceFinder:
        """The detector for video or for stills, which differ in input size and threads.

        It is opened when it is first asked for: few runs need both.
        """
        if self._finder is not None:
            return self._finder
        s = self.settings
        size = self._entry.input
        usual = None if size is None else size.long_side_px
        if usual is not None and not moving:
            usual = _STILL_LONG_SIDE_PX
        long_side = s.long_side or usual
        if self._engine is not None:
            long_side = self._engine.bounded(long_side)
        with self._opening:
            if moving not in self._opened:
                self._opened[moving] = open_detector(
                    self._entry.name,
                    score=self._scores.keep,
                    long_side=long_side,
                    threads=int(moving) if s.threads is None else s.threads,
                    tile=s.tile,
                    engine=s.engine,
                    catalogue=self._catalogue,
                )
            return self._opened[moving]

    def _plan(self, info: SourceInfo) -> Plan:
        """How frames of this kind of source are judged."""
        s = self.settings
        masks = MaskSettings(s.margin, s.shape)
        if info.kind == "picture":
            tracking = replace(_STILL, strong=self._scores.start)
            return Plan(1, 0, masks, tracking, self._style)
        every = s.detect_every if info.kind == "video" else 1
        tracking = TrackingSettings(strong=self._scores.start)
        # In a file, waiting costs nothing, and a new face would be bare until the next look.
        look_ahead = max(s.look_ahead, every - 1)
        return Plan(every, look_ahead, masks, tracking, self._style)
