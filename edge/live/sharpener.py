"""A model that enlarges, in a room of its own: opened there, asked with a time limit, mended.

Whatever it does, whoever asks goes on in time, and enlarges plainly where it gave no answer. The
room has a lower priority than those that find and cover faces, and what its runtime starts has,
too. It never sees a picture that was not redacted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from faceguard.edge.live.backoff import Backoff
from faceguard.edge.live.zoom import View
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.edge.types import Image
from faceguard.engines.closing import Closing
from faceguard.engines.errors import InferenceError, NoRoom

_log = logging.getLogger(__name__)
# By so much it gives way to others, as `nice` counts.
_NICE = 10
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# A model that worked for so long starts with a clean slate.
_LASTED_S = 60.0


class Sharp(Protocol):
    """An opened model."""

    def sharpened(self, image: Image, view: View, go_on: Callable[[], None]) -> Image:
        """A part of a picture, enlarged, in the format that it came in.

        Args:
            image: The picture; is not written to.
            view: The part.
            go_on: Called now and then; what it raises ends the work.

        Raises:
            NoRoom: There is too little memory now.
            InferenceError: The runtime failed.
        """
        ...

    def close(self) -> None:
        """Frees it."""
        ...


@dataclass(frozen=True)
class Plain:
    """No answer: the picture is to be enlarged plainly.

    Attributes:
        cause: "opening", "failed", "no room", "slow", "late" (something else waits), "ending".
    """

    cause: str


class _GivenUp(Exception):
    """Nobody waits for the answer any more."""


class Sharpener(Closing):
    """Keeps a model open and asks it; `ask` is called from one thread.

    Attributes:
        hangs: After `close`: whether its thread was left behind.
    """

    def __init__(self, use: str, open_model: Callable[[], Sharp], quiet: Quiet) -> None:
        """Begins to open the model.

        Args:
            use: What it is for, in logs: "stream", "snapshots".
            open_model: Opens it; may take long, and may raise.
            quiet: Who logs.
        """
        self.hangs = False
        self._use = use
        self._open = open_model
        self._quiet = quiet
        self._pauses = Backoff()
        self._change = threading.Condition()
        # All of these under the condition. A question is a number, so that late answers are known.
        self._cause: str | None = "opening"
        self._trouble: str | None = None
        self._asked: tuple[int, Image, View] | None = None
        self._answered: tuple[int, Image | Plain] | None = None
        self._wanted = 0
        self._is_busy = False
        self._is_given_up = False
        self._is_ending = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name=f"sharpen {use}", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why it does not work, where it failed; None while it is opened first, or works."""
        return self._trouble

    @property
    def is_ready(self) -> bool:
        """Whether it may be asked."""
        return self._cause is None

    def ask(self, image: Image, view: View, limit_s: float) -> Image | Plain:
        """A part of a picture, enlarged by the model, or why not.

        Args:
            image: The picture.
            view: The part.
            limit_s: How long to wait; the work is given up then.
        """
        with self._change:
            is_given_up, self._is_given_up = self._is_given_up, False
            if self._is_ending:
                return Plain("ending")
            if is_given_up:
                return Plain("late")
            if self._is_busy:
                return Plain("slow")
            if self._cause is not None:
                return Plain(self._cause)
            self._wanted += 1
            number = self._wanted
            self._asked, self._answered = (number, image, view), None
            self._is_busy = True
            self._change.notify_all()
            self._change.wait_for(
                lambda: not self._is_busy or self._is_ending or self._wanted != number, limit_s
            )
            self._is_given_up = False  # it was for this question
            answered, self._answered = self._answered, None
            if answered is not None and answered[0] == number:
                return answered[1]
            if self._is_ending:
                return Plain("ending")
            if self._wanted != number:
                return Plain("late")
            # From now on its answer is not wanted, and what is left of the work not done.
            self._wanted += 1
            return Plain("slow")

    def expect(self) -> None:
        """A question is to come: from now on `give_up` means that one, even before it is asked."""
        with self._change:
            self._is_given_up = False

    def give_up(self) -> None:
        """Something else waits: who asks now, or next, gets no answer; from any thread."""
        with self._change:
            self._is_given_up = True
            self._wanted += 1
            self._change.notify_all()

    def hurry(self) -> None:
        """It ends soon: from now on nothing is sharpened, and nobody waits; from any thread."""
        with self._change:
            self._is_ending = True
            self._wanted += 1
            self._change.notify_all()

    def close(self, timeout_s: float = 0.3) -> None:
        """Frees the model, as soon as nobody is in it.

        Args:
            timeout_s: The longest that this takes.
        """
        self.hurry()
        with self._change:
            self._is_closing = True
            self._change.notify_all()
        self._thread.join(timeout_s)
        self.hangs = self._thread.is_alive()

    def _work(self) -> None:
        with suppress(OSError):  # not everywhere may one be nice
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        model: Sharp | None = None
        while not self._is_closing:
            model = self._used(model)
        _closed(model)

    def _used(self, model: Sharp | None) -> Sharp | None:
        """Answers with the model, or with one that is opened now, until it ends or something fails.

        Returns:
            The model, if it is worth keeping.
        """
        try:
            if model is None:
                model = self._open()
            self._answer(model)
        except NoRoom as error:
            self._rest("no room", f"there is no room to sharpen, so {self._plainly}", error)
        except Exception as error:  # noqa: BLE001 - a runtime may fail in any way at all
            _closed(model)
            model = None
            self._rest("failed", f"the model fails, so {self._plainly}", error)
        return model

    @property
    def _plainly(self) -> str:
        what = "video is" if self._use == "stream" else f"{self._use} are"
        return f"{what} enlarged plainly"

    def _answer(self, model: Sharp) -> None:
        """Answers questions, until it ends or one fails."""
        works_since_s = time.monotonic()
        while True:
            with self._change:
                self._cause, self._is_busy = None, False
                self._change.notify_all()
                self._change.wait_for(lambda: self._asked is not None or self._is_closing)
                if self._is_closing or self._asked is None:
                    return
                number, image, view = self._asked
                self._asked = None
            answer = self._tried(model, number, image, view)
            del image  # or its memory would be held while we wait for the next
            with self._change:
                if number == self._wanted and answer is not None:
                    self._answered, self._trouble = (number, answer), None
            del answer
            if time.monotonic() - works_since_s >= _LASTED_S:
                self._pauses.reset()
                self._quiet.over(f"sharpen {self._use}")

    def _tried(self, model: Sharp, number: int, image: Image, view: View) -> Image | None:
        """The answer to one question; None where it was given up."""

        def go_on() -> None:
            if number != self._wanted:
                raise _GivenUp

        try:
            answer = model.sharpened(image, view, go_on)
        except _GivenUp:
            return None
        area = view.area
        size = (area.width * view.scale, area.height * view.scale)
        if (answer.width, answer.height) != size or answer.format is not image.format:
            raise InferenceError(
                f"the model gave {answer.format.ffmpeg_name} {answer.width}x{answer.height} and "
                f"not {image.format.ffmpeg_name} {size[0]}x{size[1]}"
            )
        return answer

    def _rest(self, cause: str, words: str, error: Exception) -> None:
        """Says what failed, and waits for the next try; whoever waits for an answer is told."""
        pause_s = self._pauses.next_s(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._quiet.say(_log, logging.ERROR, f"sharpen {self._use}", f"{words}: {told(error)}")
        with self._change:
            self._cause, self._is_busy, self._asked = cause, False, None
            self._trouble = told(error)
            self._answered = (self._wanted, Plain(cause))
            self._change.notify_all()
            self._change.wait_for(lambda: self._is_closing, pause_s)


def _closed(model: Sharp | None) -> None:
    if model is not None:
        with suppress(Exception):  # what is broken may not even close
            model.close()
