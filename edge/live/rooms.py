"""The three rooms of one camera, and the doors between them: capture, process, deliver.

Where video is enlarged, there is one more between process and deliver.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from faceguard.edge.budget import Budget
from faceguard.edge.cameras.base import Camera
from faceguard.edge.cameras.registry import open_camera
from faceguard.edge.config.camera import CsiCamera
from faceguard.edge.events import Event
from faceguard.edge.live.argus import ArgusRestarter
from faceguard.edge.live.capture import Capture
from faceguard.edge.live.current import Current
from faceguard.edge.live.deliver import Deliver, Shown
from faceguard.edge.live.enlarger import Enlarger
from faceguard.edge.live.enlarging import Enlarging
from faceguard.edge.live.health import Health
from faceguard.edge.live.outputs import Outputs
from faceguard.edge.live.process import Process, ProcessSettings
from faceguard.edge.live.slate import Slate
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.slot import Slot
from faceguard.edge.types import Frame, ImageKind, SafeFrame
from faceguard.edge.verdict import FaceFinder, Judge
from faceguard.engines.closing import Closing

_BETWEEN_ROOMS = 2
# Of the time there is to end: the camera's share, and that of processing and delivering.
_CAPTURE_S = 0.3
_PROCESS_S = 0.5
# Of which delivering has so much at least, or one that hangs would make the other seem to.
_DELIVER_S = 0.2
_AFTER_FROZEN_S = 0.5


class Rooms(Closing):
    """Capture, process and deliver, with what they need."""

    def __init__(
        self,
        current: Current,
        finder: FaceFinder,
        outputs: Outputs,
        meters: Meters,
        quiet: Quiet,
        *,
        budget: Callable[[], Budget],
        beat: Callable[[], None],
        on_event: Callable[[Event], None],
        on_face: Callable[[Event, SafeFrame | None], None] | None = None,
        on_end: Callable[[], None] = lambda: None,
        is_patient: bool = False,
        open_with: Callable[[], Camera] | None = None,
        enlarger: Enlarger | None = None,
    ) -> None:
        """Sets them up; `start` lets frames in.

        Args:
            current: The configuration as it is now.
            finder: Finds the faces.
            outputs: Where redacted frames go.
            meters: Where things are counted.
            quiet: Who logs.
            budget: What may be spent.
            beat: Called after each frame that went out.
            on_event: Takes what there is to tell of the camera.
            on_face: Takes what there is to tell of faces and covers, and the frame it was seen in;
                None leaves it to the outputs.
            on_end: Called after the last frame went out.
            is_patient: Whether the detector may take as long as for `faceguard redact`: for files.
            open_with: Opens the camera; None takes the one of the configuration.
            enlarger: Enlarges video on its way to the outputs, where that is asked for.
        """
        self._current = current
        epoch_ns = time.monotonic_ns()
        is_csi = isinstance(current.config.camera, CsiCamera)
        taken: Slot[Frame] = Slot(_BETWEEN_ROOMS)
        safe: Slot[SafeFrame] = Slot(_BETWEEN_ROOMS)
        shown: Slot[SafeFrame] | Slot[SafeFrame | Shown] = safe
        self._enlarging: Enlarging | None = None
        copies, become = outputs.copies, _as_it_is
        if enlarger is not None:
            larger: Slot[SafeFrame | Shown] = Slot(_BETWEEN_ROOMS)
            ahead = current.plan.look_ahead
            self._enlarging = Enlarging(
                larger, enlarger, meters, quiet, look_ahead=ahead, is_patient=is_patient
            )
            safe, shown, become = self._enlarging.safe, larger, enlarger.kind
            copies += self._enlarging.holds
        self._is_patient = is_patient
        self._judge = Judge(finder)
        self.retune()
        self._capture = Capture(
            open_with or self._open_camera,
            lambda: current.config.supervision,
            taken,
            meters,
            quiet,
            epoch_ns=epoch_ns,
            budget=budget,
            on_event=on_event,
            argus=ArgusRestarter() if is_csi else None,
        )
        self._process = Process(
            taken,
            safe,
            self._judge,
            ProcessSettings(lambda: current.plan, budget, lambda: self._capture.health, become),
            Slate(current.config.name),
            meters,
            quiet,
            epoch_ns=epoch_ns,
            copies=copies,
        )
        self._deliver = Deliver(
            shown,
            outputs.frame_sinks,
            meters,
            quiet,
            beat=beat,
            on_event=on_face or outputs.tell,
            on_end=on_end,
        )

    @property
    def health(self) -> Health:
        """How the camera is."""
        return self._capture.health

    @property
    def blind_s(self) -> float:
        """For how long the detector has failed."""
        return self._process.blind_s

    @property
    def covered(self) -> str | None:
        """Why frames are covered whole at the moment; None while masks cover."""
        return self._deliver.covered

    @property
    def stuck_s(self) -> float:
        """For how long the camera's driver has hung so badly that it is not opened any more."""
        return self._capture.stuck_s

    @property
    def error(self) -> BaseException | None:
        """What ended them, where it was neither the end of a file nor a stop."""
        return self._deliver.error

    @property
    def ended(self) -> bool:
        """Whether the last frame went out, and no more will come."""
        return self._deliver.ended

    def start(self) -> None:
        """Lets frames in; the last room first, so that none waits for another."""
        self._deliver.start()
        if self._enlarging is not None:
            self._enlarging.start()
        self._process.start()
        self._capture.start()

    def retune(self) -> None:
        """Takes in what a reload changed and is not asked for at each frame."""
        timeout_s = self._current.config.detector.timeout_ms / 1000
        # Nothing hurries a file.
        self._judge.timeout_s = max(timeout_s, Judge.timeout_s) if self._is_patient else timeout_s

    def finish(self, until_s: float) -> list[str]:
        """Lets no more frames in, and those that are there out.

        Args:
            until_s: When to leave behind what hangs, monotonic seconds.

        Returns:
            The rooms that hang.
        """
        hanging = []
        if self._enlarging is not None and not self.ended:
            self._enlarging.hurry()
        self._capture.close(min(_CAPTURE_S, until_s - time.monotonic()))
        until_s = min(until_s, time.monotonic() + _PROCESS_S)
        if not self._process.join(until_s - time.monotonic()):
            hanging.append("process")
            # Or deliver, and with it every output, would wait for its end in vain.
            self._process.leave()
        if self._enlarging is not None and not self._enlarging.join(until_s - time.monotonic()):
            hanging.append("upscale")
            self._enlarging.leave()
        if not self._deliver.join(max(_DELIVER_S, until_s - time.monotonic())):
            hanging.append("deliver")
        return hanging

    def close(self) -> None:
        """Ends what still runs."""
        self._capture.close(0.1)
        self._process.close(0.1)
        if self._enlarging is not None:
            self._enlarging.close(0.1)
        self._judge.close()

    def _open_camera(self) -> Camera:
        config = self._current.config
        return open_camera(
            config.camera,
            open_within_s=config.supervision.open_within_s,
            # The supervisor's own watch is exact; the camera's limit is for readers that it leaves.
            silent_after_s=config.supervision.frozen_after_s + _AFTER_FROZEN_S,
        )


def _as_it_is(kind: ImageKind) -> ImageKind:
    return kind
