"""A safe frame enlarged: sharpened where there is leave, time and room, else plainly; counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from faceguard.edge.live.pace import Pace
from faceguard.edge.live.sharpener import Plain, Sharpener
from faceguard.edge.live.zoom import Zoom, enlarged_plainly
from faceguard.edge.meters import Meters
from faceguard.edge.redact import changed
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import Image, ImageKind, SafeFrame

_log = logging.getLogger(__name__)
SHARP = "sharp"
"""How a picture was enlarged where the model did it; else it is why not."""
TOO_LARGE = "too large"
"""Not enlarged at all, since too many pixels would come of it."""


class Enlarger:
    """Enlarges pictures of one use, always to the same size; for one thread.

    Attributes:
        use: "stream" or "snapshots".
        model: The model's name.
    """

    def __init__(
        self,
        use: str,
        model: str,
        zoom: Callable[[], Zoom],
        sharpener: Sharpener,
        is_allowed: Callable[[], bool],
        meters: Meters,
    ) -> None:
        """Starts with nothing enlarged.

        Args:
            use: See above.
            model: See above.
            zoom: What to enlarge, asked for at each picture.
            sharpener: Who does it; closed by its owner.
            is_allowed: Whether heat leaves time to sharpen.
            meters: Where it is counted.
        """
        self.use = use
        self.model = model
        self._zoom = zoom
        self._sharpener = sharpener
        self._is_allowed = is_allowed
        self._meters = meters
        # Of the last picture; replaced as a whole, for any thread.
        self._last: tuple[str, int, int] | None = None

    def __call__(self, safe: SafeFrame, limit_s: float, cause: str | None = None) -> SafeFrame:
        """The frame enlarged; its cover still speaks of the source's pixels.

        Args:
            safe: The frame.
            limit_s: How long sharpening may take.
            cause: Why it is not to be sharpened; None where there is nothing against it.

        Raises:
            MemoryError: There is too little for the plain picture.
        """
        return changed(safe, lambda image: self._enlarged(image, limit_s, cause))

    def kind(self, kind: ImageKind) -> ImageKind:
        """What pictures of a kind become."""
        return self._zoom().kind(kind)

    @property
    def how(self) -> str | None:
        """How the last picture was enlarged; None before there was one."""
        return None if self._last is None else self._last[0]

    def state(self) -> dict[str, Any]:
        """How things are, for the status file; from any thread."""
        zoom = self._zoom()
        how, *size = self._last or (None, None, None)
        trouble = self._sharpener.trouble
        if how == TOO_LARGE:
            trouble = f"more than {zoom.most_pixels / 1e6:g} million pixels would come of it"
        return {
            "model": self.model,
            "scale": zoom.scale,
            "region": zoom.region,
            "how": how,
            "size": size if how is not None else None,
            "trouble": trouble,
        }

    def expect(self) -> None:
        """A picture is to come: from now on `give_up` means that one."""
        self._sharpener.expect()

    def give_up(self) -> None:
        """Something else waits: the picture in work is enlarged plainly; from any thread."""
        self._sharpener.give_up()

    def hurry(self) -> None:
        """It ends soon: from now on nothing is sharpened, and nobody waits; from any thread."""
        self._sharpener.hurry()

    def _enlarged(self, image: Image, limit_s: float, cause: str | None) -> Image:
        view = self._zoom().view(image.width, image.height)
        if view.scale == 1:
            answer: Image | Plain = Plain(TOO_LARGE)
        elif not self._is_allowed():
            answer = Plain("heat")
        elif cause is not None:
            answer = Plain(cause)
        else:
            answer = self._sharpener.ask(image, view, limit_s)
        how = answer.cause if isinstance(answer, Plain) else SHARP
        done = enlarged_plainly(image, view) if isinstance(answer, Plain) else answer
        self._meters.upscaled.labels(self.use, how).inc()
        self._last = (how, done.width, done.height)
        return done


def say_slow(quiet: Quiet, enlarger: Enlarger) -> None:
    """Logs that a model is too slow for what it is asked to do."""
    quiet.say(
        *(_log, logging.WARNING, f"upscale {enlarger.use} slow"),
        f"{enlarger.model} is too slow for {enlarger.use} here, so most of it is enlarged plainly; "
        f"name a smaller region or a quicker model in upscale.{enlarger.use}; "
        "see: faceguard bench upscale",
    )


class Stills:
    """An `Enlarger` for single pictures, each of which may take its time.

    After one that did not come in time, none is tried for a while: it would cost as much again.
    """

    def __init__(self, enlarger: Enlarger, within_s: Callable[[], float], quiet: Quiet) -> None:
        """Wraps it.

        Args:
            enlarger: For snapshots.
            within_s: How long one picture may take, asked for at each.
            quiet: Who logs.
        """
        self._enlarger = enlarger
        self._within_s = within_s
        self._quiet = quiet
        self._pace = Pace()

    def __call__(self, safe: SafeFrame) -> SafeFrame:
        """The frame enlarged."""
        is_hopeless = not self._pace.may_sharpen(time.monotonic_ns(), 0)
        done = self._enlarger(safe, self._within_s(), "slow" if is_hopeless else None)
        if self._enlarger.how == SHARP:
            self._pace.in_time()
        elif self._enlarger.how == "slow" and not is_hopeless:
            self._pace.too_late(time.monotonic_ns())
            say_slow(self._quiet, self._enlarger)
        return done

    def expect(self) -> None:
        """A picture is to come: from now on `give_up` means that one."""
        self._enlarger.expect()

    def give_up(self) -> None:
        """Another one waits: the one in work is enlarged plainly; from any thread."""
        self._enlarger.give_up()
