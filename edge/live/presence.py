"""Who is in the picture: turns masks, frame by frame, into events worth telling.

Pure bookkeeping without threads, for the room that delivers. Tracks flicker and so does a detector
under load, so nothing is said about what lasts for a frame or two.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from faceguard.edge.events import Event, Value
from faceguard.edge.types import Mask, SafeFrame

_ABSENT_FRAMES = 5
_CALM_NS = 1_000_000_000
_MOST_TRACKS = 512
_MOST_CAUSES = 8


@dataclass
class _Seen:
    """A face that appeared and has not left.

    Attributes:
        first_ns: When it was first seen.
        last_ns: When it was last seen.
        absent: Frames since then.
    """

    first_ns: int
    last_ns: int
    absent: int = 0


@dataclass
class _Covered:
    """A stretch of time with frames covered whole, and the short gaps in it.

    Attributes:
        since_ns: Capture of its first frame.
        last_ns: Capture of the newest frame that was covered whole.
        told_ns: When its cause was last told.
        causes: What was told of it.
        frames: How many were covered whole.
        times: How often that began.
        open: Whether the newest frame was one of them.
    """

    since_ns: int
    last_ns: int
    told_ns: int
    causes: list[str]
    frames: int = 1
    times: int = 1
    open: bool = True


class Presence:
    """Remembers which faces are there, and whether frames are covered whole.

    A face appears with the first frame that its track has a mask in, and leaves when its track had
    none for some frames, or when the connection to the camera is another one. Frames that are
    covered whole say nothing about faces, so nobody leaves in them.

    Covering whole is told at once; that masks cover again only after a second of frames with
    masks, so there is at most one such pair a second, however it flickers. The second event of the
    pair tells how often it began. Another cause in between is told too, at most one a second.
    """

    def __init__(self, *, absent_frames: int = _ABSENT_FRAMES) -> None:
        """Starts with nobody there.

        Args:
            absent_frames: After so many frames without a mask a face has left.
        """
        self._absent_frames = absent_frames
        self._session = 0
        self._present: dict[int, _Seen] = {}
        self._covered: _Covered | None = None

    @property
    def tracks_now(self) -> int:
        """Faces that appeared and have not left."""
        return len(self._present)

    @property
    def covered(self) -> str | None:
        """Why frames are covered whole at the moment, as it was told; None while masks cover."""
        return self._covered.causes[-1] if self._covered is not None else None

    def see(self, frame: SafeFrame) -> list[Event]:
        """Looks at the next frame.

        Args:
            frame: In the order in which frames go out; slates too, which have session 0.

        Returns:
            What there is to tell, in order. Times are those of the frame's capture.
        """
        at_ns = frame.captured_ns or time.monotonic_ns()
        events: list[Event] = []
        if frame.session != self._session:
            events += self._all_leave(at_ns)
            self._session = frame.session
        if frame.session == 0:
            return events  # a slate: that there is no camera is told by whoever lost it
        events += self._cover(frame.cover.whole, at_ns)
        if frame.cover.whole is None:
            events += self._faces(frame, at_ns)
        return events

    def end(self) -> list[Event]:
        """Nothing more will come: those who are there leave."""
        return self._all_leave(time.monotonic_ns())

    def _faces(self, frame: SafeFrame, at_ns: int) -> list[Event]:
        events = []
        shown = {mask.track: mask for mask in frame.cover.masks if mask.track != 0}
        for track, mask in shown.items():
            if track not in self._present and len(self._present) < _MOST_TRACKS:
                self._present[track] = _Seen(at_ns, at_ns)
                events.append(_event("face-appears", at_ns, _face(frame, mask)))
        for track, seen in list(self._present.items()):
            if track in shown:
                seen.last_ns, seen.absent = at_ns, 0
                continue
            seen.absent += 1
            if seen.absent >= self._absent_frames:
                events.append(self._leave(track, at_ns))
        return events

    def _all_leave(self, at_ns: int) -> list[Event]:
        return [self._leave(track, at_ns) for track in list(self._present)]

    def _leave(self, track: int, at_ns: int) -> Event:
        seen = self._present.pop(track)
        seconds = (seen.last_ns - seen.first_ns) / 1e9
        return _event("face-leaves", at_ns, {"track": track, "seconds": round(seconds, 3)})

    def _cover(self, cause: str | None, at_ns: int) -> list[Event]:
        covered = self._covered
        if cause is None:
            if covered is None:
                return []
            covered.open = False
            if at_ns - covered.last_ns < _CALM_NS:
                return []
            self._covered = None
            return [_event("covered-again", at_ns, _stretch(covered))]
        if covered is None:
            self._covered = _Covered(at_ns, at_ns, at_ns, [cause])
            return [_event("covered-whole", at_ns, {"cause": cause})]
        covered.times += not covered.open
        covered.frames += 1
        covered.open, covered.last_ns = True, at_ns
        known = cause in covered.causes or len(covered.causes) >= _MOST_CAUSES
        if known or at_ns - covered.told_ns < _CALM_NS:
            return []
        covered.causes.append(cause)
        covered.told_ns = at_ns
        return [_event("covered-whole", at_ns, {"cause": cause})]


def _face(frame: SafeFrame, mask: Mask) -> dict[str, Value]:
    box, image = mask.face, frame.image
    sides = (box.x0, box.y0, box.x1, box.y1)
    ends = (image.width, image.height) * 2
    known = all(math.isfinite(side) for side in sides)
    return {
        "track": mask.track,
        "box": [round(min(max(side, 0), end)) for side, end in zip(sides, ends, strict=True)]
        if known
        else None,
        "score": round(mask.score, 3) if math.isfinite(mask.score) else None,
        "frame": frame.index,
    }


def _stretch(covered: _Covered) -> dict[str, Value]:
    return {
        "frames": covered.frames,
        "times": covered.times,
        "seconds": round((covered.last_ns - covered.since_ns) / 1e9, 3),
    }


def _event(kind: str, at_ns: int, fields: dict[str, Value]) -> Event:
    """An event at the time of capture, which was a while ago: look-ahead holds frames back."""
    age_s = max(0, time.monotonic_ns() - at_ns) / 1e9
    return Event(kind, fields, at_ns, time.time() - age_s)
