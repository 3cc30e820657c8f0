"""What a graph makes of golden pictures: what goes in, what comes out, which faces it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import cv2
import numpy as np

from faceguard.convert.accuracy.golden import read_pictures
from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.closing import Closing
from faceguard.engines.detectors.registry import detector_on
from faceguard.engines.types import Array, Detections

if TYPE_CHECKING:
    from faceguard.convert.accuracy.golden import Golden
    from faceguard.engines.catalogue import Entry
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.spec import Profile
    from faceguard.engines.types import F32, U8, TensorSpec

Feeds = dict[str, Array]
Range = tuple[float, float]

_SEED = 20260102
_COLOURS = (1, 3)


@dataclass(frozen=True)
class Look:
    """What a graph made of one picture.

    Attributes:
        name: The picture's.
        feeds: What went in.
        outputs: What came out.
        faces: What a detector makes of that; None for other models.
    """

    name: str
    feeds: Feeds
    outputs: dict[str, Array]
    faces: Detections | None


class Recorder(Closing):
    """A runtime that passes everything on and remembers the last call; leaves the inner one open.

    Attributes:
        fed: What went in last.
        given: What came out last.
    """

    def __init__(self, inner: Runtime) -> None:
        """Wraps a runtime."""
        self._inner = inner
        self.fed: Feeds = {}
        self.given: dict[str, Array] = {}

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """What `infer` takes."""
        return self._inner.inputs

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """What `infer` gives."""
        return self._inner.outputs

    def infer(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Runs the engine once; see `Runtime.infer`."""
        self.fed = dict(feeds)
        self.given = self._inner.infer(feeds)
        return self.given

    def close(self) -> None:
        """Nothing: whoever opened the inner runtime closes it."""


class Looker:
    """Shows pictures to graphs of one model, always in the same way."""

    def __init__(
        self, entry: Entry | None, profiles: Mapping[str, Profile], input_range: Range
    ) -> None:
        """Remembers how.

        Args:
            entry: The model in the catalogue; a face detector gets its own letterbox and decoder.
            profiles: The shapes that other models take; each picture is resized to the optimum.
            input_range: What black and white are, for other models.
        """
        self._entry = entry if entry is not None and entry.is_detector else None
        self._profiles = profiles
        self._range = input_range

    @property
    def finds_faces(self) -> bool:
        """Whether it knows how to read faces out of the outputs."""
        return self._entry is not None

    def looks(self, runtime: Runtime, pictures: Iterable[Golden]) -> Iterator[Look]:
        """Shows pictures to a graph, one after another.

        Args:
            runtime: The graph; stays open.
            pictures: What to show.

        Raises:
            InferenceError: The graph fails, or answers what cannot be true.
        """
        if self._entry is None:
            for picture in pictures:
                feeds = self._feeds(runtime.inputs, picture.pixels)
                yield Look(picture.name, feeds, runtime.infer(feeds), None)
            return
        recorder = Recorder(runtime)
        with detector_on(recorder, self._entry) as detector:
            for picture in pictures:
                faces = detector.detect(BgrArray(picture.pixels))
                yield Look(picture.name, recorder.fed, recorder.given, faces)

    def _feeds(self, inputs: Sequence[TensorSpec], bgr: U8) -> Feeds:
        """A picture for each input that can take one, noise within its range for any other."""
        rng = np.random.default_rng(_SEED)
        low, high = self._range
        feeds: Feeds = {}
        for spec in inputs:
            shape = self._profiles[spec.name].optimum
            planes = _planes(shape, bgr)
            values = planes / 255 if planes is not None else rng.random(shape, np.float32)
            is_float = spec.dtype.kind == "f"
            scaled = values * (high - low) + low if is_float else values * _white(spec)
            feeds[spec.name] = scaled.astype(spec.dtype)
        return feeds


class Shown(Sequence[Feeds]):
    """What goes into a graph for each picture of a folder; made anew each time, and not kept."""

    def __init__(self, looker: Looker, runtime: Runtime, files: Sequence[Path]) -> None:
        """Reads nothing yet.

        Args:
            looker: Shows pictures to graphs.
            runtime: The graph; stays open.
            files: The pictures.
        """
        self._looker = looker
        self._runtime = runtime
        self._files = files

    def __len__(self) -> int:
        """How many pictures."""
        return len(self._files)

    @overload
    def __getitem__(self, place: int) -> Feeds: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Feeds]: ...
    def __getitem__(self, place: int | slice) -> Feeds | Sequence[Feeds]:
        """What goes in for one picture.

        Raises:
            InputError: It cannot be read.
            InferenceError: The graph fails on it.
        """
        if isinstance(place, slice):
            return Shown(self._looker, self._runtime, self._files[place])
        pictures = read_pictures([self._files[place]])
        return next(self._looker.looks(self._runtime, pictures)).feeds


def _white(spec: TensorSpec) -> int:
    """What white is where an input takes whole numbers."""
    return 127 if spec.dtype == np.int8 else 255


def _planes(shape: tuple[int, ...], bgr: U8) -> F32 | None:
    """The picture as float32 of this shape, R, G, B or grey, 0 to 255; None where it is none."""
    if len(shape) != 4:
        return None
    first = shape[1] in _COLOURS and shape[3] not in _COLOURS
    channels, height, width = (shape[1:]) if first else (shape[3], shape[1], shape[2])
    if channels not in _COLOURS:
        return None
    resized = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    code = cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGR2GRAY
    pixels = cv2.cvtColor(resized, code).reshape(height, width, channels).astype(np.float32)
    planes = pixels.transpose(2, 0, 1) if first else pixels
    return np.ascontiguousarray(np.broadcast_to(planes, shape))
