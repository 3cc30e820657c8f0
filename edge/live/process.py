"""The second room: detect, track, mask, redact; whatever goes wrong here covers the frame.

The same judge, delay line and `redact` as in `faceguard redact`. What is added is what a camera
brings: connections that end, pictures that change their size, a detector that is not there yet,
and nothing to show at all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from faceguard.edge.budget import Budget
from faceguard.edge.enhance.colour import matrix_of, say_matrix
from faceguard.edge.live.health import Health, State
from faceguard.edge.live.line import Line
from faceguard.edge.live.order import Order
from faceguard.edge.live.slate import USUAL_KIND, Slate
from faceguard.edge.meters import Meters
from faceguard.edge.pipeline import Plan
from faceguard.edge.pool import POOLED_FORMATS, ImagePool, PoolEmpty
from faceguard.edge.redact import redact
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.edge.slot import Closed, Slot
from faceguard.edge.types import Cover, Frame, Image, ImageKind, SafeFrame
from faceguard.edge.verdict import Blind, Judge
from faceguard.engines.closing import Closing
from faceguard.engines.types import Detections

_SLATE_EVERY_NS = 200_000_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessSettings:
    """What the room asks for anew at each frame, since any of it may change while it runs.

    Attributes:
        plan: How frames are judged and covered.
        budget: What may be spent.
        health: How the camera is.
        shown: What frames of a kind become on their way out, so that slates are like them.
    """

    plan: Callable[[], Plan]
    budget: Callable[[], Budget]
    health: Callable[[], Health]
    shown: Callable[[ImageKind], ImageKind] = lambda kind: kind


class Process(Closing):
    """Takes frames, gives safe frames."""

    def __init__(
        self,
        taken: Slot[Frame],
        safe: Slot[SafeFrame],
        judge: Judge,
        settings: ProcessSettings,
        slate: Slate,
        meters: Meters,
        quiet: Quiet,
        *,
        epoch_ns: int,
        copies: int,
    ) -> None:
        """Sets the room up; `start` lets it work.

        Args:
            taken: Where frames come from.
            safe: Where safe frames go; ends when `taken` ends.
            judge: Finds the faces; closed by its owner.
            settings: Plan, budget, health.
            slate: Draws what is shown while there is no camera.
            meters: Where things are counted.
            quiet: Who logs.
            epoch_ns: Monotonic nanoseconds at which the outputs' time line begins.
            copies: Redacted copies that may be in use at a time: all that the outputs can hold.
        """
        self._taken = taken
        self._safe = safe
        self._judge = judge
        self._settings = settings
        self._slate = slate
        self._meters = meters
        self._quiet = quiet
        self._order = Order(epoch_ns)
        self._copies = copies
        self._pool: ImagePool | None = None
        self._line: Line | None = None
        self._kind = USUAL_KIND
        self._blind_since_ns: int | None = None
        self._thread = threading.Thread(target=self._work, name="process", daemon=True)

    def start(self) -> None:
        """Lets the thread begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Waits for the end; False where it hangs."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Leaves it behind where it hangs; whoever takes safe frames gets those that are there."""
        self._taken.abandon()
        self._safe.close()

    def close(self, timeout_s: float = 1.0) -> None:
        """Ends the room: what waits in it is dropped.

        Args:
            timeout_s: The longest that this takes.
        """
        self._taken.abandon()
        self._safe.abandon()
        self.join(timeout_s)

    @property
    def blind_s(self) -> float:
        """For how long frames have been coming without one good look; 0 while all is well.

        Time without a camera does not count.
        """
        since_ns = self._blind_since_ns
        return 0.0 if since_ns is None else (time.monotonic_ns() - since_ns) / 1e9

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            while True:
                asked_ns = time.monotonic_ns()
                frame = self._taken.take(_SLATE_EVERY_NS / 1e9)
                if frame is not None:
                    self._frame(frame)
                elif self._needs_slate():
                    self._flush()
                    self._show_slate()
                    if self._blind_since_ns is not None:
                        self._blind_since_ns += time.monotonic_ns() - asked_ns
                if self._is_filling() and self._order.is_overdue:
                    self._show_slate()
                del frame  # or its memory would be held while we wait for the next
        except Closed:
            pass
        except BaseException as problem:  # noqa: BLE001 - the outputs must be told of the end
            error = problem
        try:
            with suppress(Closed):
                self._flush()
        finally:
            self._taken.abandon()
            self._safe.close(error)

    def _frame(self, frame: Frame) -> None:
        try:
            line = self._line_for(frame)
            frame = replace(frame, image=self._with_pool(frame.image))
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 - nothing was done with it, so nothing can leak
            self._say("frame", f"a frame was dropped: {told(error)}")
            self._meters.frames_dropped.labels("failed").inc()
            return
        try:
            verdict = self._look(frame, line)
            begun_ns = time.monotonic_ns()
            for ready, cover in line.delay.push(frame, verdict):
                line.has_begun = True
                self._took("track", begun_ns)
                self._send(ready, cover, line.plan)
                begun_ns = time.monotonic_ns()
            self._count_tracks(line)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 - any failure at all must cover the frames
            self._lost_track(frame, line, error)

    def _look(self, frame: Frame, line: Line) -> Detections | Blind | None:
        """The verdict on a frame; None where it is not looked at on purpose."""
        if not line.is_due(frame.index) and not line.change.is_great(frame.image):
            return None
        line.change.looked_at(frame.image)
        verdict = self._ask(frame.image)
        if isinstance(verdict, Blind):
            # Looked at again with the next frame, and not only when it is due.
            line.next_look = frame.index + 1
        return verdict

    def _ask(self, image: Image) -> Detections | Blind:
        begun_ns = time.monotonic_ns()
        verdict = self._judge.look(image)
        self._took("detect", begun_ns)
        self._meters.looks.inc()
        if isinstance(verdict, Blind):
            if self._blind_since_ns is None:
                self._blind_since_ns = begun_ns
            return verdict
        self._blind_since_ns = None
        self._meters.detections.inc(len(verdict.scores))
        return verdict

    def _send(self, frame: Frame, cover: Cover, plan: Plan) -> None:
        begun_ns = time.monotonic_ns()
        frame = self._order.of_frame(frame)
        try:
            try:
                safe = redact(frame, cover, plan.style)
            except PoolEmpty:
                raise
            except Exception as error:  # noqa: BLE001 - then it is covered whole, which is simpler
                self._say("redact", f"a frame was covered whole: {told(error)}")
                safe = redact(frame, Cover(whole="redaction failed"), plan.style)
        except PoolEmpty:
            self._meters.frames_dropped.labels("pool").inc()
            return
        except Exception as error:  # noqa: BLE001 - a frame that cannot be covered does not go out
            self._say("cover", f"a frame was dropped: {told(error)}")
            self._meters.frames_dropped.labels("redaction failed").inc()
            return
        self._took("redact", begun_ns)
        self._out(safe)

    def _out(self, safe: SafeFrame) -> None:
        self._order.went_out(safe)
        self._safe.put(safe)

    def _lost_track(self, frame: Frame, line: Line, error: Exception) -> None:
        """Tracking failed: all that waits is covered whole, and what is known is forgotten."""
        self._say("track", f"frames are covered whole: {told(error)}")
        waiting = line.delay.give_up()
        if not waiting or waiting[-1].index != frame.index:
            waiting.append(frame)
        self._line = None
        for one in waiting:
            if one.index > self._order.last_index:
                self._send(one, Cover(whole="tracking failed"), line.plan)

    def _flush(self) -> None:
        """Lets what waits go, with what is known of it by now."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            for ready, cover in line.delay.flush(self._ask):
                self._send(ready, cover, line.plan)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_lost_track`
            self._say("track", f"frames are covered whole: {told(error)}")
            for one in line.delay.give_up():
                self._send(one, Cover(whole="tracking failed"), line.plan)

    def _line_for(self, frame: Frame) -> Line:
        """The delay line for a frame: a new one where nothing known applies to it."""
        plan, image = self._settings.plan(), frame.image
        kind = (frame.session, image.kind)
        if self._line is None or self._line.kind != kind:
            self._flush()
            self._kind = image.kind
            self._line = Line(plan, kind)
        self._line.retune(plan, self._settings.budget().detect_every)
        return self._line

    def _with_pool(self, image: Image) -> Image:
        """The image, whose redacted copy will lie in memory that was taken before."""
        is_odd = image.width % 2 or image.height % 2
        if image.format not in POOLED_FORMATS or is_odd:
            return image
        if self._pool is None or not self._pool.fits(image):
            # Before the new one is taken: there may not be room for both.
            self._pool = None
            self._pool = ImagePool(
                image.format,
                image.width,
                image.height,
                self._copies,
                full_range=image.full_range,
            )
        pool, matrix = self._pool, matrix_of(image)

        def take() -> Image:
            # Else covered frames would be enlarged with other colours than those between them.
            blank = pool.take()
            say_matrix(blank, matrix)
            return blank

        return replace(image, make_blank=take)

    def _needs_slate(self) -> bool:
        if self._settings.budget().paused:
            return True
        health = self._settings.health()
        if health.state is State.OPENING and not self._order.has_begun:
            # At the start the first frame may well be here in a moment.
            return self._order.is_first_late
        return not health.gives_frames

    def _is_filling(self) -> bool:
        """Whether frames come, and the first of them still wait for those after them."""
        line = self._line
        return line is not None and line.delay.oldest is not None and not line.has_begun

    def _show_slate(self) -> None:
        now_ns, line = time.monotonic_ns(), self._line
        waiting = None if line is None else line.delay.oldest
        try:
            safe = self._slate.make(
                self._settings.health(),
                self._settings.budget(),
                self._settings.shown(self._kind),
                index=self._order.last_index,
                pts=self._order.of_slate(now_ns, waiting),
                now_ns=now_ns,
            )
        except Exception as error:  # noqa: BLE001 - a missing slate must not end the camera
            self._say("slate", f"no slate could be drawn: {told(error)}")
            return
        self._meters.slates.inc()
        self._out(safe)

    def _count_tracks(self, line: Line) -> None:
        started = line.tracker.started
        self._meters.tracks.inc(started - line.counted)
        line.counted = started

    def _took(self, stage: str, begun_ns: int) -> None:
        self._meters.stage_s.labels(stage).observe((time.monotonic_ns() - begun_ns) / 1e9)

    def _say(self, key: str, message: str) -> None:
        self._quiet.say(_log, logging.ERROR, f"process {key}", message)
