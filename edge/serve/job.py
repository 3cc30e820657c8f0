"""One picture on its way through the worker."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from faceguard.edge.serve.asking import Wish
from faceguard.edge.serve.held import Share
from faceguard.edge.serve.refusal import Refusal
from faceguard.edge.serve.still import Still
from faceguard.edge.types import SafeFrame


@dataclass(frozen=True)
class Done:
    """What came of it.

    Attributes:
        frame: The picture that may leave.
        stages_s: Seconds by stage: "wait", "redact", "enhance".
    """

    frame: SafeFrame
    stages_s: dict[str, float]


@dataclass(eq=False)
class Job:
    """One picture, and what shall be done with it.

    Attributes:
        wish: What shall be done.
        still: The picture.
        share: What it holds of the service's memory.
        answer: What comes of it.
        stages_s: Seconds of each stage that is over.
    """

    wish: Wish
    still: Still
    share: Share
    answer: Future[Done] = field(default_factory=Future)
    stages_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Takes the time, and its part of the share."""
        self._began_ns = time.monotonic_ns()
        self._given_up = threading.Event()
        self.share.hold()

    @property
    def pixels(self) -> int:
        """Of the picture as it came."""
        return self.still.size.pixels

    @property
    def kind(self) -> str:
        """What its time is measured as: "redact", or the model's name."""
        return self.wish.model or "redact"

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._given_up.is_set()

    def give_up(self) -> None:
        """Nobody waits for it any more: it is dropped, or left at the next tile."""
        self._given_up.set()
        self.answer.cancel()

    def begin(self) -> bool:
        """Takes it in hand; False where nobody waits for it any more."""
        if not self.answer.set_running_or_notify_cancel():
            self.share.drop()
            return False
        self.stages_s["wait"] = (time.monotonic_ns() - self._began_ns) / 1e9
        return True

    def finish(self, frame: SafeFrame) -> None:
        """Hands out what came of it."""
        self.answer.set_result(Done(frame, self.stages_s))
        self.share.drop()

    def fail(self, refusal: Refusal) -> None:
        """Hands out why nothing came of it."""
        self.answer.set_exception(refusal)
        self.share.drop()
