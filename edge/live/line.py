"""The delay line of a connection, its tracker, and when the detector is to look."""

from __future__ import annotations

from faceguard.edge.change import Change
from faceguard.edge.lookahead import LookAhead
from faceguard.edge.pipeline import Plan
from faceguard.edge.tracking import Tracker


class Line:
    """What is known while nothing but the faces changes.

    Attributes:
        kind: What its frames have in common: the session, the size, the format.
        plan: How they are judged and covered.
        tracker: Who follows the faces.
        delay: Where frames wait.
        change: Whether a frame is quite another picture than the one last looked at.
        next_look: Number of the frame that is due to be looked at.
        counted: Tracks that were counted already.
        has_begun: Whether a frame left it.
    """

    def __init__(self, plan: Plan, kind: tuple[object, ...]) -> None:
        """Starts with nothing known.

        Args:
            plan: How frames are judged and covered.
            kind: What frames must have in common to go through it.
        """
        self.kind = kind
        self.plan = plan
        self.tracker = Tracker(plan.tracking, keep_frames=plan.look_ahead, every=plan.detect_every)
        self.delay = LookAhead(plan.look_ahead, self.tracker, plan.masks)
        self.change = Change()
        self.next_look = 0
        self.counted = 0
        self.has_begun = False
        self._every = plan.detect_every

    def retune(self, plan: Plan, detect_every: int) -> None:
        """Takes in a plan that was changed, or what the budget allows of it."""
        # No frame may leave before the look that follows it, whatever the budget asks for.
        every = max(plan.detect_every, min(detect_every, plan.look_ahead + 1))
        if self.plan is plan and self._every == every:
            return
        self.plan, self._every = plan, every
        # Those that wait may have to leave sooner than the look that was due.
        self.next_look = 0
        self.tracker.retune(plan.tracking, keep_frames=plan.look_ahead, every=every)
        self.delay.retune(plan.look_ahead, plan.masks)

    def is_due(self, index: int) -> bool:
        """Whether the detector is to look at this frame, by number."""
        if index < self.next_look:
            return False
        # In step with the numbers, as `faceguard redact` does it; late where frames were dropped.
        self.next_look = index - index % self._every + self._every
        return True
