"""The detector of a camera that runs for years: opened in the background, and anew when it fails.

A runtime that failed or timed out once may refuse all further work (a GPU's context is lost with
the first error), so it is closed and opened again. Until it is there, frames are covered whole.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.telling import told
from faceguard.edge.verdict import NotReady
from faceguard.engines.closing import Closing
from faceguard.engines.detectors import Detector
from faceguard.engines.types import Detections, PixelSource

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_CLOSE_S = 0.2
# A detector that worked for so long starts with a clean slate.
_LASTED_S = 60.0


class LiveFinder(Closing):
    """A `FaceFinder` that mends itself; `detect` is called from one thread.

    Attributes:
        hangs: After `close`: whether something was left behind.
    """

    def __init__(
        self,
        open_detector: Callable[[float], Detector],
        keep: float,
        meters: Meters,
        quiet: Quiet,
    ) -> None:
        """Begins to open the detector.

        Args:
            open_detector: Opens it, with the lowest score that it shall give out; may take long,
                and may raise.
            keep: That score.
            meters: Where reopening is counted.
            quiet: Who logs.
        """
        self._open = open_detector
        self._keep = keep
        self.hangs = False
        self._meters = meters
        self._quiet = quiet
        self._detector: Detector | None = None
        self._closing = threading.Event()
        self._wanted = threading.Event()
        self._wanted.set()
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep_open, name="open detector", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Waits until it may be asked for the first time.

        Args:
            timeout_s: How long at most.

        Returns:
            Whether it may.
        """
        return self._opened.wait(timeout_s)

    @property
    def ready(self) -> bool:
        """Whether it may be asked."""
        return self._detector is not None

    def tune(self, keep: float) -> None:
        """Changes the lowest score that is given out, from the next picture on."""
        with self._lock:
            self._keep = keep
            if self._detector is not None:
                self._detector.score = keep

    def detect(self, source: PixelSource) -> Detections:
        """Faces in a picture.

        Raises:
            NotReady: It is being opened.
            Exception: It failed; from now on it is being opened anew.
        """
        detector = self._detector
        if detector is None:
            raise NotReady("the detector is being opened")
        try:
            return detector.detect(source)
        except Exception:
            self._give_up(detector)
            raise

    def close(self) -> None:
        """Frees the detector, as soon as nobody is in it."""
        self._closing.set()
        self._wanted.set()
        self._thread.join(_CLOSE_S)
        with self._lock:
            detector, self._detector = self._detector, None
        # An inference that hangs may hold what closing needs.
        closer = threading.Thread(target=_closed, args=(detector,), name="close", daemon=True)
        closer.start()
        closer.join(_CLOSE_S)
        self.hangs = self._thread.is_alive() or closer.is_alive()

    def _give_up(self, detector: Detector) -> None:
        with self._lock:
            self._detector = None
        _closed(detector)
        self._meters.detector_reopened.inc()
        self._wanted.set()

    def _keep_open(self) -> None:
        pause_s, next_s = _FIRST_PAUSE_S, time.monotonic()
        while True:
            self._wanted.wait()
            # Not in a tight loop, neither where opening fails nor where it is of no use.
            if self._closing.wait(max(0.0, next_s - time.monotonic())):
                return
            self._wanted.clear()
            begun_s = time.monotonic()
            lasted = begun_s >= next_s + _LASTED_S
            pause_s = _FIRST_PAUSE_S if lasted else min(pause_s * 2, _LONGEST_PAUSE_S)
            next_s = begun_s + pause_s
            try:
                detector = self._open(self._keep)
            except Exception as error:  # noqa: BLE001 - an engine may fail in any way at all
                self._quiet.say(
                    _log,
                    logging.ERROR,
                    "open detector",
                    f"the detector cannot be opened, so frames are covered whole: {told(error)}",
                )
                self._wanted.set()
                continue
            self._quiet.over("open detector")
            with self._lock:
                if self._closing.is_set():
                    detector.close()
                    return
                # It may have changed while this one was being opened.
                detector.score = self._keep
                self._detector = detector
            self._opened.set()


def _closed(detector: Detector | None) -> None:
    if detector is not None:
        with suppress(Exception):  # what is broken may not even close
            detector.close()
