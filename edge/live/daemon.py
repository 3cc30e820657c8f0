"""`faceguard run`, from start to end: the rooms, their outputs, and the main thread's rounds.

The main thread does nothing that could hang: it waits for signals, looks around once a second, and
tells systemd, the status file and the log how things are.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from pathlib import Path

from faceguard.edge.cameras.registry import describe, identity
from faceguard.edge.cameras.timely import within
from faceguard.edge.config.camera import FileCamera, SyntheticCamera
from faceguard.edge.config.model import Config
from faceguard.edge.config.secret import hide
from faceguard.edge.config.thermal import for_watch
from faceguard.edge.events import Event
from faceguard.edge.heat.gauges import HeatGauges
from faceguard.edge.heat.sensing.sensors import Sensors
from faceguard.edge.heat.watch import Watch
from faceguard.edge.live.current import Current
from faceguard.edge.live.detector import check_detector, open_live_detector
from faceguard.edge.live.finder import LiveFinder
from faceguard.edge.live.outputs import Outputs, where
from faceguard.edge.live.rates import camera_rate, governed_rate
from faceguard.edge.live.rooms import Rooms
from faceguard.edge.live.rounds import Rounds, Views
from faceguard.edge.live.upscaling import Upscaling
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.status import StatusFile
from faceguard.edge.service import logs
from faceguard.edge.service.instance import OneInstance
from faceguard.edge.service.metrics_server import MetricsServer
from faceguard.edge.service.notify import Notifier, Pulse
from faceguard.edge.service.places import runtime_folder
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.scrub import SCRUBBER
from faceguard.edge.service.signals import Signal, Signals
from faceguard.edge.service.telling import told
from faceguard.edge.types import SafeFrame
from faceguard.engines.errors import CameraSilent, FaceguardError, InferenceError

_log = logging.getLogger(__name__)
_ROUND_S = 1.0
# systemd's own patience is longer; a person's at the keyboard is not.
_END_WITHIN_S = 1.8
_FILE_WITHIN_S = 60.0
_STUCK_S = 60.0
_RELOAD_S = 5.0
_DETECTOR_WITHIN_S = 60.0


class Daemon:
    """One camera, from `run` to its end."""

    def __init__(self, config: Config, path: Path) -> None:
        """Sets up; nothing is opened before `run`.

        Args:
            config: What to do.
            path: The file that it came from, for reloading.

        Raises:
            FaceguardError: The detector that it names is not known, or not on this machine.
        """
        self._current = Current(config, path)
        self._meters = Meters()
        self._quiet = Quiet(self._meters)
        self._notifier = Notifier()
        self._pulse = Pulse(self._notifier)
        self._is_ready = False
        self._serves_metrics = False
        check_detector(config.detector)

    def run(self) -> int:
        """Runs until a file ends or someone says stop.

        Returns:
            The exit code: 0.

        Raises:
            AlreadyRunning: Another instance has the camera, or the name.
            InferenceError: The detector failed for longer than is allowed.
            CameraSilent: The camera's driver hangs, and opening it again is of no use.
            FaceguardError: What keeps it from starting at all.
        """
        config = self._current.config
        with ExitStack() as stack:
            logs.set_up(config.log, camera=config.name)
            hide(config, SCRUBBER)
            shown = describe(config.camera)
            # All instances look in the same place, wherever their status goes.
            self._instance = stack.enter_context(
                OneInstance(identity(config.camera), config.name, runtime_folder(), shown=shown)
            )
            self._signals = stack.enter_context(Signals())
            stack.callback(self._notifier.close)
            self._build(stack, runtime_folder(config.outputs.status.folder))
            self._happened(Event("started", {"camera": shown}))
            for line in where(config):
                _log.info("%s", line)
            try:
                self._look_after()
            finally:
                self._end()
        return 0

    def _build(self, stack: ExitStack, folder: Path) -> None:
        """Makes everything, the slowest first, and lets it go."""
        current, meters, quiet = self._current, self._meters, self._quiet
        config = current.config
        sensors = stack.enter_context(Sensors())
        sensors.start()
        self._watch = stack.enter_context(
            Watch(lambda: sensors.latest, lambda: for_watch(current.config, current.plan), quiet)
        )
        meters.registry.register(HeatGauges(lambda: self._watch.felt))
        self._finder = stack.enter_context(
            LiveFinder(
                lambda keep: open_live_detector(config.detector, keep),
                current.scores.keep,
                meters,
                quiet,
            )
        )
        self._upscaling = stack.enter_context(
            Upscaling(lambda: current.config, lambda: self._watch.budget, meters, quiet)
        )
        self._outputs = stack.enter_context(
            Outputs(
                lambda: current.config,
                meters,
                quiet,
                rate=lambda: camera_rate(self._rooms.health),
                on_event=self._happened,
                wait=_waits(config),
                enlarge_snapshots=self._upscaling.snapshots,
            )
        )
        self._rooms = stack.enter_context(
            Rooms(
                current,
                self._finder,
                self._outputs,
                meters,
                quiet,
                budget=lambda: self._watch.budget,
                beat=self._beat,
                on_event=self._happened,
                on_face=self._seen,
                on_end=self._signals.wake,
                is_patient=_waits(config),
                enlarger=self._upscaling.stream,
            )
        )
        self._stack = stack
        self._serve_metrics()
        status = stack.enter_context(StatusFile(folder, config.name))
        self._rounds = Rounds(
            config.name,
            Views(
                lambda: self._rooms.health,
                lambda: self._watch.felt,
                lambda: self._rooms.blind_s,
                lambda: self._rooms.covered,
                describe(config.camera),
                self._outputs.names,
                lambda: self._outputs.stuck,
                self._upscaling.state,
            ),
            meters,
            quiet,
            self._notifier,
            self._pulse,
            status,
            self._happened,
        )
        self._outputs.start()

    def _look_after(self) -> None:
        """Waits for the end, looking around once a second.

        Raises:
            FaceguardError: What ended the rooms.
        """
        if _waits(self._current.config) and not self._detector_comes():
            return
        self._rooms.start()
        next_round_s = time.monotonic() + _ROUND_S
        while not self._rooms.ended:
            signal = self._signals.wait(next_round_s - time.monotonic())
            if signal in (Signal.STOP, Signal.INTERRUPT):
                return
            if signal is Signal.RELOAD:
                self._reload()
            if time.monotonic() >= next_round_s:
                next_round_s = time.monotonic() + _ROUND_S
                self._round()
        error = self._rooms.error
        if isinstance(error, FaceguardError):
            raise error
        if error is not None:
            raise FaceguardError(f"the camera's rooms broke down: {told(error)}") from error

    def _detector_comes(self) -> bool:
        """Waits for the detector, which a file does not lose frames for; False for a stop."""
        until_s = time.monotonic() + _DETECTOR_WITHIN_S
        next_look_s = time.monotonic() + _ROUND_S
        while not self._finder.wait(0.05) and time.monotonic() < until_s:
            if self._signals.wait(0.0) in (Signal.STOP, Signal.INTERRUPT):
                return False
            if time.monotonic() >= next_look_s:
                # Nothing is spent yet, but the board may be hot from before.
                next_look_s = time.monotonic() + _ROUND_S
                self._watch.tick()
        return True

    def _round(self) -> None:
        try:
            self._watch.tick(governed_rate(self._rooms.health))
            self._serve_metrics()
            self._rounds.go()
            self._quiet.over("round")
        except Exception as error:  # noqa: BLE001 - looking around must not end the camera
            self._quiet.say(_log, logging.ERROR, "round", told(error))
        # A name by which the camera goes may lead to another device since.
        camera = self._current.config.camera
        self._instance.follow(identity(camera), shown=describe(camera))
        if self._rooms.stuck_s > _STUCK_S:
            raise CameraSilent(
                f"the camera's driver has hung for {_STUCK_S:g} s, however often it was opened; "
                "ending, so that systemd starts faceguard anew; unplug and plug in the camera"
            )
        limit_s = self._current.config.detector.blind_limit_s
        if limit_s is not None and self._rooms.blind_s > limit_s:
            raise InferenceError(
                f"the detector has failed for {limit_s:g} s and every frame was covered whole; "
                "ending, so that systemd starts faceguard anew; see: faceguard check"
            )

    def _reload(self) -> None:
        """Takes in the file as it is now; a bad one is refused and the old one stays."""
        if self._is_ready:
            self._notifier.reloading()
        try:
            # A disk that hangs must not hold up the watchdog.
            changes = within(_RELOAD_S, "reload", self._current.reload)
            self._finder.tune(self._current.scores.keep)
            self._rooms.retune()
            logs.set_up(self._current.config.log, camera=self._current.config.name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the camera goes on as it was
            self._meters.reloads.labels("refused").inc()
            lines = str(error) if isinstance(error, FaceguardError) else told(error)
            for line in lines.splitlines():
                _log.error("not reloaded: %s", line)
            self._happened(Event("reload-refused"))
        else:
            self._meters.reloads.labels("taken").inc()
            if changes.restart:
                _log.warning("only after a restart: %s", ", ".join(changes.restart))
            self._happened(
                Event(
                    "reloaded",
                    {
                        "changed": ", ".join(changes.live) or "nothing",
                        "restart": ", ".join(changes.restart) or None,
                    },
                )
            )
        if self._is_ready:
            self._notifier.ready()

    def _end(self) -> None:
        """Ends the rooms and then the outputs, so that what is in them gets out."""
        # A file that came to its end is in no hurry, and its recording shall be whole.
        is_over = self._rooms.ended and self._rooms.error is None
        until_s = time.monotonic() + (_FILE_WITHIN_S if is_over else _END_WITHIN_S)
        self._notifier.stopping()
        self._happened(Event("stopping"))
        if not is_over:
            self._upscaling.hurry()
        hanging = self._rooms.finish(until_s) + self._outputs.finish(until_s)
        self._finder.close()
        if self._finder.hangs:
            hanging.append("detector")
        self._upscaling.close()
        hanging += [f"upscale.{use}" for use in self._upscaling.hanging]
        for name in hanging:
            _log.warning("%s does not end and is left behind", name)
        _log.info("%s: stopped", self._current.config.name)

    def _beat(self) -> None:
        """A frame or slate went out; called by the deliver room."""
        if self._outputs.is_dead:
            return  # it only seems to go out, and the watchdog must know
        self._pulse.beat()
        if not self._is_ready:
            self._is_ready = True
            self._notifier.ready()
            _log.info("the first frame is out")

    def _seen(self, event: Event, safe: SafeFrame | None) -> None:
        """Something to tell of faces, or of frames covered whole; called by the deliver room."""
        self._outputs.tell(event, safe)
        if event.kind == "covered-whole":
            cause = event.fields.get("cause")
            self._quiet.say(_log, logging.WARNING, f"covered {cause}", f"covered whole: {cause}")

    def _happened(self, event: Event) -> None:
        """Something to tell; called from any thread."""
        self._outputs.tell(event)
        logs.log_event(event)

    def _serve_metrics(self) -> None:
        """Figures are worth having, but no reason to let the camera stand still."""
        part = self._current.config.metrics
        if part is None or self._serves_metrics:
            return
        try:
            self._stack.enter_context(MetricsServer(self._meters, part.host, part.port))
        except FaceguardError as error:
            self._quiet.say(_log, logging.ERROR, "metrics", f"no figures: {error}")
        else:
            self._serves_metrics = True


def _waits(config: Config) -> bool:
    """Whether the camera is a file: then a recording gets each of its frames."""
    camera = config.camera
    return isinstance(camera, FileCamera) or (
        isinstance(camera, SyntheticCamera) and not camera.paced
    )
