"""Tracks: faces followed from frame to frame, so that one missed detection shows nobody.

Weak detections alone would be too many false alarms, but they keep a track alive (the idea of
ByteTrack, Zhang et al. 2022, arXiv:2110.06864). Here they also tell where a face was before its
first strong one: they are followed from the start and cover nothing until a strong one confirms
them. Between two detections a track's box is interpolated, after the last it coasts, before the
first it reaches back as far as the look-ahead allows, and in all three the area grows with what is
not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from faceguard.engines.types import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faceguard.engines.types import Detections


@dataclass(frozen=True)
class TrackingSettings:
    """How tracks live and die.

    Attributes:
        strong: Score at which a detection confirms a track; without one it covers nothing.
        coast_frames: How long an established track is covered without a detection.
        patience: Frames of coasting that each detection earns, up to `coast_frames`: what was seen
            but once is likely a mistake.
        growth: Part of the face's size by which each edge moves outward a frame without detection.
        growth_limit: The most that growth may add to an edge, as a part of the face's size.
        reach: How far, in face sizes, a detection may be from where its track was expected.
    """

    strong: float = 0.6
    coast_frames: int = 24
    patience: int = 6
    growth: float = 0.02
    growth_limit: float = 0.4
    reach: float = 1.2


# Tracks outlast a gap of so many frames and no longer one: by then the scene is another.
_LONGEST_GAP = 90
# Up to this part of its size between two looks, a face is taken to move evenly.
_STEADY = 0.25


class Observation(NamedTuple):
    """A face seen in one frame."""

    frame: int
    region: Region
    score: float


class Sighting(NamedTuple):
    """Where a track says that a face is in one frame; score 0 where it was not detected there."""

    track: int
    region: Region
    score: float


@dataclass
class Track:
    """One face over time.

    Attributes:
        seen: Its observations, oldest first, one a frame at most.
        number: Unique in a run, from 1; 0 until a strong detection confirms the track.
        drift: Velocity that it is taken to have while it was seen but once.
    """

    seen: list[Observation]
    number: int = 0
    drift: tuple[float, float] = (0.0, 0.0)

    def velocity(self, at_end: bool) -> tuple[float, float]:
        """Movement of the centre in pixels a frame, over the three observations at one end."""
        few = self.seen[-3:] if at_end else self.seen[:3]
        frames = few[-1].frame - few[0].frame
        if frames == 0:
            return self.drift
        (x0, y0), (x1, y1) = few[0].region.center, few[-1].region.center
        return (x1 - x0) / frames, (y1 - y0) / frames

    def expected(self, index: int) -> Region:
        """Where the face should be in a later frame, from its last place and movement."""
        last = self.seen[-1]
        return _moved(last.region, self.velocity(at_end=True), index - last.frame)


class Tracker:
    """Follows all faces of one source."""

    def __init__(
        self,
        settings: TrackingSettings | None = None,
        *,
        keep_frames: int = 0,
        every: int = 1,
    ) -> None:
        """Starts without tracks.

        Args:
            settings: How tracks live and die.
            keep_frames: How far back `sightings` will be asked: the look-ahead.
            every: Frames from one look of the detector to the next; tracks outlast the gap.
        """
        self.retune(settings or TrackingSettings(), keep_frames=keep_frames, every=every)
        self._looked_at: int | None = None
        self._tracks: list[Track] = []
        self._count = 0

    @property
    def started(self) -> int:
        """Faces followed so far; those that no strong detection confirmed do not count."""
        return self._count

    @property
    def reach_back(self) -> int:
        """Frames before its first detection that any track is covered in."""
        return self._patience

    def retune(self, settings: TrackingSettings, *, keep_frames: int, every: int) -> None:
        """Changes how tracks live from here on; see `__init__`. Those that there are stay."""
        self.settings = settings
        self._keep_frames = keep_frames
        self._every = every
        self._stretch(every)

    def update(self, index: int, found: Detections, *, oldest: int | None = None) -> None:
        """Takes in the detections of one frame.

        Args:
            index: The frame's number; they come in order, some may be left out.
            found: Its detections.
            oldest: Number of the oldest frame that `sightings` will still be asked for; None takes
                the one that lies `keep_frames` back. Where frames were dropped it lies farther.
        """
        if self._looked_at is not None:
            self._stretch(index - self._looked_at)
        self._looked_at = index
        far = index - self._keep_frames
        self._forget((far if oldest is None else min(far, oldest)) - 1)
        free = [t for t in self._tracks if index - t.seen[-1].frame <= self._coast(t)]
        # When the camera turns, all faces move alike: the new ones as those known.
        drift = _common_velocity(free)
        for track in free:
            track.drift = drift
        strong = found.scores >= self.settings.strong
        # Confirmed tracks choose first, so that a false alarm beside a face does not take it over.
        known = [track for track in free if track.number]
        guessed = [track for track in free if not track.number]
        for places in (np.flatnonzero(strong), np.flatnonzero(~strong)):
            left = self._match(index, found, places, known)
            left = self._match(index, found, left, guessed)
            for place in left:
                self._tracks.append(Track([_observed(index, found, int(place))], drift=drift))
        for track in self._tracks:
            if not track.number and track.seen[-1].score >= self.settings.strong:
                self._count += 1
                track.number = self._count

    def sightings(self, index: int) -> Iterator[Sighting]:
        """Where faces are in a frame, from all that was seen before and after it."""
        for track in self._tracks:
            if not track.number:
                continue
            region, score = self._at(track, index)
            if region is not None:
                yield Sighting(track.number, region, score)

    def _stretch(self, gap: int) -> None:
        """Makes tracks outlast the gap between looks, however many frames were dropped in it."""
        # One look past the gap, or a face that was seen once would be lost before the next look;
        # and two misses more where frames were dropped, as if these had been looked at.
        most = self._every if gap <= self._every else 3 * min(gap, _LONGEST_GAP)
        self._patience = max(self.settings.patience, most + 1)
        longest = self.settings.coast_frames
        self._longest_coast = max(longest, 2 * self._every + 1, most + 1) if longest else 0

    def _match(
        self, index: int, found: Detections, places: npt.NDArray[np.intp], free: list[Track]
    ) -> npt.NDArray[np.intp]:
        """Gives detections to free tracks, nearest first; returns those that none took."""
        if not free or not len(places):
            return places
        expected = np.array([_corners(track.expected(index)) for track in free])
        cost = _distance(expected, found.boxes[places].astype(np.float64))
        taken: set[int] = set()
        gone: set[int] = set()
        for flat in np.argsort(cost, axis=None):
            row, column = divmod(int(flat), len(places))
            if cost[row, column] > self.settings.reach:
                break
            if row in gone or column in taken:
                continue
            gone.add(row)
            taken.add(column)
            free[row].seen.append(_observed(index, found, int(places[column])))
        free[:] = [track for row, track in enumerate(free) if row not in gone]
        return np.delete(places, list(taken))

    def _at(self, track: Track, index: int) -> tuple[Region | None, float]:
        """The track's region in a frame, or None where it does not reach."""
        seen = track.seen
        first, last = seen[0], seen[-1]
        if index < first.frame:
            gap = first.frame - index
            if gap > self._reach_back(track):
                return None, 0.0
            return self._spread(first.region, track.velocity(at_end=False), -gap), 0.0
        if index > last.frame:
            gap = index - last.frame
            if gap > self._coast(track):
                return None, 0.0
            return self._spread(last.region, track.velocity(at_end=True), gap), 0.0
        place = next(i for i in range(len(seen) - 1, -1, -1) if seen[i].frame <= index)
        before = seen[place]
        if before.frame == index:
            return before.region, before.score
        after = seen[place + 1]
        part = (index - before.frame) / (after.frame - before.frame)
        between = _between(before.region, after.region, part)
        if _distance(*(np.array([_corners(o.region)]) for o in (before, after))) > _STEADY:
            # It may have jumped at any moment in between, or the camera did.
            between = before.region.union(after.region)
        return self._grown(between, min(index - before.frame, after.frame - index)), 0.0

    def _spread(self, region: Region, velocity: tuple[float, float], frames: int) -> Region:
        """Holds where a face was and where it would have gone: it may have stopped or gone on."""
        there = _moved(region, velocity, frames)
        return self._grown(region.union(there), abs(frames))

    def _grown(self, region: Region, frames: int) -> Region:
        more = min(self.settings.growth * frames, self.settings.growth_limit)
        return region.grown(region.width * more, region.height * more)

    def _coast(self, track: Track) -> int:
        """Frames that a track lives on unseen."""
        return min(self._longest_coast, self._patience * len(track.seen))

    def _reach_back(self, track: Track) -> int:
        """Frames before its first detection that a track is covered in."""
        return self._patience * len(track.seen)

    def _forget(self, oldest: int) -> None:
        """Drops what no frame that is still held can ask for, so that memory stays flat."""
        # So many tell how well established a track is, and how fast it moves.
        enough = max(3, -(-self._longest_coast // self._patience))
        kept = []
        for track in self._tracks:
            if track.seen[-1].frame + self._coast(track) < oldest:
                continue
            while len(track.seen) > enough and track.seen[1].frame < oldest:
                del track.seen[0]
            kept.append(track)
        self._tracks = kept


def _common_velocity(tracks: list[Track]) -> tuple[float, float]:
    """The median movement of the tracks that were seen twice or more, in pixels a frame."""
    known = [track.velocity(at_end=True) for track in tracks if len(track.seen) > 1]
    if not known:
        return 0.0, 0.0
    dx, dy = np.median(np.array(known), axis=0)
    return float(dx), float(dy)


def _observed(index: int, found: Detections, place: int) -> Observation:
    return Observation(index, Region(*map(float, found.boxes[place])), float(found.scores[place]))


def _corners(region: Region) -> tuple[float, float, float, float]:
    return region.x0, region.y0, region.x1, region.y1


def _moved(region: Region, velocity: tuple[float, float], frames: int) -> Region:
    """Shifts a region by its velocity, at most by its own size: old speeds mislead."""
    dx = float(np.clip(velocity[0] * frames, -region.width, region.width))
    dy = float(np.clip(velocity[1] * frames, -region.height, region.height))
    return Region(region.x0 + dx, region.y0 + dy, region.x1 + dx, region.y1 + dy)


def _between(a: Region, b: Region, part: float) -> Region:
    return Region(*(p + (q - p) * part for p, q in zip(_corners(a), _corners(b), strict=True)))


def _distance(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """How far boxes are apart in face sizes, in place and in scale; (N, 4) and (M, 4) to (N, M)."""
    center_a, center_b = (one[:, :2] + one[:, 2:]) / 2, (other[:, :2] + other[:, 2:]) / 2
    size_a = np.maximum(one[:, 2:] - one[:, :2], 1.0).mean(axis=1)
    size_b = np.maximum(other[:, 2:] - other[:, :2], 1.0).mean(axis=1)
    apart = np.linalg.norm(center_a[:, None] - center_b[None], axis=2)
    scale = np.abs(np.log2(size_a[:, None] / size_b[None]))
    return np.asarray(apart / np.maximum(size_a[:, None], size_b[None]) + 0.5 * scale)
