"""The delay line: frames wait until what comes after them has been seen.

A face that is found in frame 100 was most likely there in frame 95 too. With a look-ahead of N,
frame 95 is still waiting when frame 100 is judged, and leaves with the face covered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from faceguard.edge.masks import MaskSettings, mask_for
from faceguard.edge.tracking import Tracker
from faceguard.edge.types import Cover, Frame, Image
from faceguard.edge.verdict import Blind
from faceguard.engines.types import Detections

NO_VERDICT = "no verdict in time"


@dataclass
class _Waiting:
    frame: Frame
    blind: str | None


class LookAhead:
    """Holds frames back and lets them go with their covers."""

    def __init__(self, frames: int, tracker: Tracker, masks: MaskSettings) -> None:
        """Starts empty.

        Args:
            frames: How many frames each one waits for; 0 lets each go at once.
            tracker: Follows the faces; must keep as many frames.
            masks: How a face's box becomes a mask.
        """
        self._frames = frames
        self._tracker = tracker
        self._masks = masks
        self._waiting: deque[_Waiting] = deque()
        self._blind: str | None = "no verdict yet"
        self._last_good = -1

    def push(
        self, frame: Frame, verdict: Detections | Blind | None
    ) -> Iterator[tuple[Frame, Cover]]:
        """Takes a frame and gives those whose wait is over.

        Args:
            frame: The next frame.
            verdict: Its detections; Blind where the detector failed, which covers it, all that
                follow until the next good verdict, and those that still wait and come after the
                last; None where it was not looked at on purpose.
        """
        if verdict is not None:
            self._take_in(frame.index, verdict)
        self._waiting.append(_Waiting(frame, self._blind))
        while len(self._waiting) > self._frames:
            yield self._release()

    @property
    def oldest(self) -> Frame | None:
        """The frame that will be let go next; None where none waits."""
        return self._waiting[0].frame if self._waiting else None

    def retune(self, frames: int, masks: MaskSettings) -> None:
        """Changes the length of the wait and the masks, from the next frame on."""
        self._frames = frames
        self._masks = masks

    def give_up(self) -> list[Frame]:
        """Hands back what still waits, without covers: nobody knows any more what is in it."""
        frames = [waiting.frame for waiting in self._waiting]
        self._waiting.clear()
        return frames

    def flush(
        self, look: Callable[[Image], Detections | Blind] | None = None
    ) -> Iterator[tuple[Frame, Cover]]:
        """Gives what is left, at the end of the source.

        Args:
            look: Asks the detector. The newest frame is looked at now if it was left out, or a face
                that came after the last look would be bare.
        """
        if look is not None and self._waiting:
            newest = self._waiting[-1]
            if newest.blind is None and newest.frame.index > self._last_good:
                verdict = look(newest.frame.image)
                self._take_in(newest.frame.index, verdict)
        while self._waiting:
            yield self._release()

    def _take_in(self, index: int, verdict: Detections | Blind) -> None:
        unseen = [one for one in self._waiting if one.frame.index > self._last_good]
        if isinstance(verdict, Blind):
            self._blind = verdict.cause
            for waiting in unseen:
                waiting.blind = waiting.blind or verdict.cause
            return
        for waiting in unseen:
            # Frames were lost on the way to this look: what it finds does not reach so far back.
            if index - waiting.frame.index > self._tracker.reach_back:
                waiting.blind = waiting.blind or NO_VERDICT
        self._blind = None
        self._last_good = index
        oldest = self._waiting[0].frame.index if self._waiting else index
        self._tracker.update(index, verdict, oldest=oldest)

    def _release(self) -> tuple[Frame, Cover]:
        oldest = self._waiting[0]
        cover = self._cover(oldest)
        # Not before its cover is made: until then `give_up` must find it.
        self._waiting.popleft()
        return oldest.frame, cover

    def _cover(self, waiting: _Waiting) -> Cover:
        if waiting.blind is not None:
            return Cover(whole=waiting.blind)
        image = waiting.frame.image
        size = (image.width, image.height)
        seen = self._tracker.sightings(waiting.frame.index)
        masks = (mask_for(sighting, self._masks, size) for sighting in seen)
        return Cover(tuple(mask for mask in masks if mask is not None))
