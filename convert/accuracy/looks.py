"""What a graph makes of golden pictures: what goes in, what comes out, which faces it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import cv2
import numpy as np

from faceguard.convert.accuracy.runtimes import Door, Fed, Profiled, Recorder
from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors.registry import detector_on, family_of
from faceguard.engines.errors import UsageError
from faceguard.engines.letterbox import Letterbox
from faceguard.engines.spec import Profile
from faceguard.engines.types import Array, Detections, Region

if TYPE_CHECKING:
    from faceguard.convert.accuracy.golden import Golden
    from faceguard.engines.catalogue import Entry
    from faceguard.engines.detectors.detector import Detector
    from faceguard.engines.runtime import Runtime
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
        outputs: What came out.
        faces: What a detector makes of that; None for other models.
    """

    name: str
    outputs: dict[str, Array]
    faces: Detections | None


class Looker:
    """Shows pictures to graphs of one model, always in the same way and in shapes of its profile.

    A detector sees each picture as large as the profile lets it: through its own letterbox with
    the profile's longest side, and where that gives a shape outside the profile, through one that
    does not.
    """

    def __init__(
        self, entry: Entry | None, profiles: Mapping[str, Profile], input_range: Range
    ) -> None:
        """Remembers how.

        Args:
            entry: The model in the catalogue; a face detector gets its own letterbox and decoder.
            profiles: The shapes that the model takes; what is no detector gets the optimum.
            input_range: What black and white are, for other models.
        """
        self._entry = entry if entry is not None and entry.is_detector else None
        self._profiles = profiles
        self._range = input_range

    def looks(self, runtime: Runtime, pictures: Iterable[Golden]) -> Iterator[Look]:
        """Shows pictures to a graph, one after another; nothing of the last one is kept.

        Args:
            runtime: The graph; stays open.
            pictures: What to show.

        Raises:
            TensorMismatch: The graph takes other shapes than the profile's.
            InferenceError: The graph fails, or answers what cannot be true.
            UsageError: No size of the profile is one that the detector takes.
        """
        for picture in pictures:
            if self._entry is None:
                held = Profiled(runtime, self._profiles)
                feeds = self._other_feeds(runtime.inputs, picture.pixels)
                yield Look(picture.name, held.infer(feeds), None)
                continue
            recorder = Recorder(runtime)
            source = BgrArray(picture.pixels)
            with self._detector(self._entry, recorder, source) as detector:
                faces = detector.detect(source)
            yield Look(picture.name, recorder.given, faces)

    def feeds(self, inputs: Sequence[TensorSpec], picture: Golden) -> Feeds:
        """What goes into a graph for a picture; the graph is not run.

        Args:
            inputs: The graph's.
            picture: What is shown.

        Raises:
            UsageError: No size of the profile is one that the detector takes.
        """
        if self._entry is None:
            return self._other_feeds(inputs, picture.pixels)
        source = BgrArray(picture.pixels)
        with self._detector(self._entry, Door(inputs), source) as detector:
            try:
                detector.detect(source)
            except Fed as fed:
                return fed.feeds
        raise AssertionError("a detector that looked at a picture without its engine")

    def _detector(self, entry: Entry, runtime: Runtime, source: BgrArray) -> Detector:
        """The detector on an engine that takes the profile's shapes; `runtime` stays open."""
        held = Profiled(runtime, self._profiles)
        profile = self._profiles.get(held.inputs[0].name)
        family = family_of(entry)
        if profile is None or profile.is_fixed or family.input_size is not None:
            return detector_on(held, entry)
        height, width = (2, 3) if profile.maximum[1] in _COLOURS else (1, 2)
        longest = max(profile.maximum[height], profile.maximum[width])
        whole = Region(0, 0, source.width, source.height)
        box = Letterbox.long_side(whole, longest, family.stride)
        shape = [*profile.optimum]
        shape[height] = _fitting(box.input_height, profile, height, family.stride, entry.name)
        shape[width] = _fitting(box.input_width, profile, width, family.stride, entry.name)
        open_sides = None in held.inputs[0].shape
        if open_sides and (shape[height], shape[width]) == (box.input_height, box.input_width):
            return detector_on(held, entry, long_side=longest)
        narrow = {**self._profiles, held.inputs[0].name: Profile.fixed(tuple(shape))}
        return detector_on(Profiled(runtime, narrow), entry)

    def _other_feeds(self, inputs: Sequence[TensorSpec], bgr: U8) -> Feeds:
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
    """What goes into a graph for each of some pictures; made anew each time, and not kept."""

    def __init__(
        self, looker: Looker, inputs: Sequence[TensorSpec], pictures: Sequence[Golden]
    ) -> None:
        """Looks at nothing yet.

        Args:
            looker: Shows pictures to graphs.
            inputs: The graph's.
            pictures: The pictures.
        """
        self._looker = looker
        self._inputs = inputs
        self._pictures = pictures

    def __len__(self) -> int:
        """How many pictures."""
        return len(self._pictures)

    @overload
    def __getitem__(self, place: int) -> Feeds: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Feeds]: ...
    def __getitem__(self, place: int | slice) -> Feeds | Sequence[Feeds]:
        """What goes in for one picture.

        Raises:
            InputError: It cannot be read.
        """
        if isinstance(place, slice):
            return self.of(self._pictures[place])
        return self._looker.feeds(self._inputs, self._pictures[place])

    def of(self, pictures: Sequence[Golden]) -> Shown:
        """The same of other pictures.

        Args:
            pictures: These.
        """
        return Shown(self._looker, self._inputs, pictures)


def _fitting(side: int, profile: Profile, axis: int, stride: int, name: str) -> int:
    """The nearest side that is a multiple of the stride and within the profile."""
    low = -(-profile.minimum[axis] // stride) * stride
    high = profile.maximum[axis] // stride * stride
    if low > high:
        raise UsageError(
            f"{name}: a profile of {profile} holds no side that is a multiple of {stride} px, "
            "which this detector takes; give other shapes"
        )
    return min(max(side, low), high)


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
