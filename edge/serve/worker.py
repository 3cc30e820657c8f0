"""The one thread that owns the models, and works off what waits.

Redactions are done one after the other. Pictures that are to be enlarged by one model go through
it together where they are small; a large one goes alone. Between two tiles a redaction that waits
is done, and a picture that nobody waits for any more is left.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from faceguard.edge.redact import changed_together
from faceguard.edge.serve.counts import Counts
from faceguard.edge.serve.enlarging import enlarge_all
from faceguard.edge.serve.job import Job
from faceguard.edge.serve.pace import Pace
from faceguard.edge.serve.refusal import Stopping, for_log, refusal_for
from faceguard.edge.serve.tools import Tools
from faceguard.edge.serve.waiting import Waiting
from faceguard.edge.types import SafeFrame
from faceguard.edge.verdict import Bare
from faceguard.engines.closing import Closing
from faceguard.engines.errors import FaceguardError

_log = logging.getLogger(__name__)
# What takes longer by itself gains nothing from company, and would make it wait.
_TOGETHER_S = 1.0
# So many pictures covered whole in a row are no accident.
_BLIND_AFTER = 3


class Worker(Closing):
    """Runs from `start` until `close`.

    Attributes:
        error: Why the models could not be opened; None while they can.
        doing: What it does, while it gets ready.
        is_ready: Whether the models are open.
    """

    def __init__(
        self,
        open_tools: Callable[[Callable[[str], None]], Tools],
        waiting: Waiting,
        counts: Counts,
        pace: Pace,
        *,
        batch: int,
        gather_s: float,
        on_change: Callable[[], None],
    ) -> None:
        """Sets up; nothing is opened before `start`.

        Args:
            open_tools: Opens the models, in the worker's thread; is given whom to tell what is
                being done.
            waiting: Where jobs come from.
            counts: Where figures go.
            pace: Where times go.
            batch: Most pictures that go through a network together.
            gather_s: How long a picture waits for others of its kind.
            on_change: Called, in the worker's thread, once the models are open or cannot be.
        """
        self._open_tools = open_tools
        self._waiting = waiting
        self._counts = counts
        self._pace = pace
        self._batch = batch
        self._gather_s = gather_s
        self._on_change = on_change
        self._blind_in_a_row = 0
        self._working: tuple[Job, ...] = ()
        self._began_s = 0.0
        self.error: BaseException | None = None
        self.doing = "starting"
        self.is_ready = False
        self._thread = threading.Thread(target=self._work, name="pictures", daemon=True)

    def start(self) -> None:
        """Lets it begin."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    @property
    def is_blind(self) -> bool:
        """Whether the detector has failed for several pictures in a row."""
        return self._blind_in_a_row >= _BLIND_AFTER

    @property
    def busy_s(self) -> float:
        """How long it has been at the pictures that it has in hand; 0 with none."""
        return time.monotonic() - self._began_s if self._working else 0.0

    def left_s(self) -> float:
        """How long what is in hand and what waits will take, as far as that is known."""
        hand_s = sum(self._pace.likely_s(job.kind, job.pixels) for job in self._working)
        waiting_s = sum(self._pace.likely_s(job.kind, job.pixels) for job in self._waiting.jobs())
        return max(0.0, hand_s - self.busy_s) + waiting_s

    def close(self, within_s: float = 10.0) -> None:
        """Refuses what waits, and ends with what is in hand; one that hangs is left behind.

        Args:
            within_s: How long that may take.
        """
        self._waiting.close()
        if self._thread.ident is not None:
            self._thread.join(within_s)

    def leave(self) -> None:
        """Leaves what is in hand at the next tile."""
        for job in self._working:
            job.give_up()

    def _work(self) -> None:
        try:
            tools = self._open_tools(self._say)
        except BaseException as error:  # noqa: BLE001 - told by whoever asks, in its own thread
            self.error = error
            self._on_change()
            return
        with tools:
            self.is_ready = True
            self._on_change()
            while self._next(tools):
                pass

    def _next(self, tools: Tools) -> bool:
        """Waits for work and does it; False at the end. Nothing of it is held on to."""
        job = self._waiting.take()
        if job is None:
            return False
        self._do(tools, self._gathered(job))
        return True

    def _say(self, line: str) -> None:
        self.doing = line
        _log.info("%s", line)

    def _gathered(self, job: Job) -> list[Job]:
        """The job, and others that can go through its network together with it."""
        own_s = self._pace.known_s(job.kind, job.pixels)
        if job.wish.model is None or own_s is None or own_s >= _TOGETHER_S:
            return [job]
        total_s = own_s

        def fits(other: Job) -> bool:
            nonlocal total_s
            if other.wish.model != job.wish.model:
                return False
            more_s = self._pace.likely_s(other.kind, other.pixels)
            if total_s + more_s > _TOGETHER_S:
                return False
            total_s += more_s
            return True

        return [job, *self._waiting.more(fits, self._batch - 1, self._gather_s)]

    def _do(self, tools: Tools, jobs: list[Job]) -> None:
        """Does jobs to their end; whatever goes wrong, each gets its answer."""
        begun = [job for job in jobs if job.begin()]
        # Between two tiles of others: these stay in hand, and are left with them.
        outer = self._working
        if not outer:
            self._began_s = time.monotonic()
        self._working = (*outer, *begun)
        try:
            to_enlarge: list[tuple[Job, SafeFrame]] = []
            for job in begun:
                safe = self._made_safe(tools, job)
                if safe is not None and job.wish.model is not None:
                    to_enlarge.append((job, safe))
                elif safe is not None:
                    job.finish(safe)
            if to_enlarge:
                self._enlarge(tools, to_enlarge)
        except BaseException as error:  # noqa: BLE001 - else those who wait would do so for ever
            self._fail(begun, error, "the work")
        finally:
            self._working = outer

    def _made_safe(self, tools: Tools, job: Job) -> SafeFrame | None:
        """The picture that may leave; None where the job has failed."""
        begun_s = time.monotonic()
        wish = job.wish
        # Left bare only where that was asked for in so many words; nobody else gets the answer.
        judge = tools.judge if wish.redact else Bare.ASKED_FOR
        usual = tools.redactor.settings
        try:
            settings = replace(usual, look=wish.look, shape=wish.shape, margin=wish.margin)
            safe = tools.redactor.still(job.still.image, judge, settings)
        except Exception as error:  # noqa: BLE001 - the next picture may be another matter
            self._fail([job], error, "redacting")
            return None
        if wish.redact:
            self._count(safe)
            job.stages_s["redact"] = seconds = time.monotonic() - begun_s
            if wish.model is None:
                self._pace.took("redact", job.pixels, seconds)
        return safe

    def _count(self, safe: SafeFrame) -> None:
        cover = safe.cover
        if cover.whole is None:
            self._blind_in_a_row = 0
            self._counts.faces.inc(len(cover.masks))
        else:
            self._blind_in_a_row += 1
            self._counts.whole.labels(cover.whole).inc()

    def _enlarge(self, tools: Tools, work: list[tuple[Job, SafeFrame]]) -> None:
        """Enlarges pictures with one model: together, and each by itself where that fails."""
        name = work[0][0].kind
        for together in [work] if len(work) == 1 else [work, *([pair] for pair in work)]:
            left = [pair for pair in together if not pair[0].answer.done()]
            if not left:
                continue
            try:
                self._enlarge_together(tools, name, left)
            except _GivenUpError:
                for job, _ in left:
                    job.fail(Stopping())
            except Exception as error:  # noqa: BLE001 - as above
                if len(left) == 1 or not isinstance(error, FaceguardError):
                    self._fail([job for job, _ in left], error, f"enlarging with {name}")

    def _enlarge_together(self, tools: Tools, name: str, work: list[tuple[Job, SafeFrame]]) -> None:
        begun_s, between_s = time.monotonic(), 0.0

        def between(_done: int, _of: int) -> None:
            nonlocal between_s
            if all(job.is_over for job, _ in work):
                raise _GivenUpError
            stopped_s = time.monotonic()
            # A redaction takes about as long as a tile, and need not wait for all of them. One a
            # tile at most: else a stream of them would keep this from ever coming to its end.
            for other in self._waiting.more(_is_redaction, 1, 0.0):
                self._do(tools, [other])
            between_s += time.monotonic() - stopped_s

        large = changed_together(
            [safe for _, safe in work],
            lambda images: enlarge_all(images, tools.enlargers[name], between),
        )
        seconds = time.monotonic() - begun_s - between_s
        total = sum(job.pixels for job, _ in work)
        self._counts.batches.observe(len(work))
        for (job, _), safe in zip(work, large, strict=True):
            job.stages_s["enhance"] = seconds * job.pixels / total
            self._pace.took(name, job.pixels, job.stages_s["enhance"])
            job.finish(safe)

    def _fail(self, jobs: list[Job], error: BaseException, doing: str) -> None:
        """Tells those who wait in a line without paths, and the log the rest."""
        refusal = refusal_for(error, doing)
        if refusal.status >= 500:
            _log.error("%s failed: %s", doing, for_log(error))
        for job in jobs:
            if not job.answer.done():
                job.fail(refusal)


class _GivenUpError(Exception):
    """Nobody waits for these pictures any more."""


def _is_redaction(job: Job) -> bool:
    return job.wish.model is None
