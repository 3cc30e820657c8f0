"""What the main thread does once a second: how things are, for systemd, scripts and people."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from faceguard.edge.events import Event
from faceguard.edge.heat.felt import Felt
from faceguard.edge.live.health import Health
from faceguard.edge.live.levels import Levels
from faceguard.edge.live.sight import Sight
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.status import StatusFile
from faceguard.edge.outputs.status_words import because
from faceguard.edge.service.figures import Figures
from faceguard.edge.service.notify import Notifier, Pulse
from faceguard.edge.service.quiet import Quiet


@dataclass(frozen=True)
class Views:
    """Where the round looks.

    Attributes:
        health: How the camera is.
        felt: Heat and power, and what may be spent.
        blind_s: For how long the detector has failed.
        covered: Why frames are covered whole at the moment; None while masks cover.
        camera: The camera in words that may be shown.
        outputs: The outputs that there are.
        stuck: Those of them that hang.
        upscaling: How pictures are enlarged, by use; nothing where none are.
    """

    health: Callable[[], Health]
    felt: Callable[[], Felt]
    blind_s: Callable[[], float]
    covered: Callable[[], str | None]
    camera: str
    outputs: list[str]
    stuck: Callable[[], list[str]]
    upscaling: Callable[[], dict[str, Any]] = dict


class Rounds:
    """One look around a second."""

    def __init__(
        self,
        name: str,
        views: Views,
        meters: Meters,
        quiet: Quiet,
        notifier: Notifier,
        pulse: Pulse,
        status: StatusFile,
        on_event: Callable[[Event], None],
    ) -> None:
        """Begins to count time.

        Args:
            name: Of this camera.
            views: Where to look.
            meters: What was counted.
            quiet: Who logs.
            notifier: Speaks to systemd.
            pulse: Feeds the watchdog.
            status: The status file.
            on_event: Takes what changed since the last round.
        """
        self._name = name
        self._views = views
        self._meters = meters
        self._notifier = notifier
        self._pulse = pulse
        self._status = status
        self._on_event = on_event
        self._figures = Figures(meters)
        # Read once: an update of the package must not be felt by what runs.
        self._version = version("faceguard-edge")
        self._started_ns = time.monotonic_ns()
        self._started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._last_out: tuple[int, float] | None = None
        self._rate_out = 0.0
        self._output_up: dict[str, bool] = {}
        self._levels = Levels(meters, on_event)
        self._sight = Sight(quiet, on_event)

    def go(self) -> None:
        """Looks around.

        Raises:
            OutputError: The status file cannot be written.
        """
        now_ns = time.monotonic_ns()
        self._pulse.feed()
        self._count_rate(now_ns)
        self._tell_changes()
        felt = self._views.felt()
        self._levels.look(felt, now_ns)
        self._sight.look(felt, now_ns)
        self._notifier.status(self.line())
        self._status.write(self.state(now_ns))

    def line(self) -> str:
        """How things are in one line: rate, temperature, level, and what is wrong."""
        health, felt = self._views.health(), self._views.felt()
        budget, hot_c = felt.budget, felt.reading.temperature_c
        parts = []
        if health.gives_frames:
            parts.append(f"{self._rate_out:.0f} frames/s")
        else:
            state = health.state.value
            parts.append(f"camera {state}{because(health.cause, state)}")
        parts.append("no temperature" if hot_c is None else f"{hot_c:.0f} C")
        why = because(budget.reason if budget.level else None)
        parts.append(f"level {budget.level} of {felt.levels - 1}{why}")
        if budget.paused:
            parts.append("paused")
        if self._views.blind_s() > 1:
            parts.append("detector fails, frames are covered whole")
        down = [name for name, up in self._output_up.items() if not up]
        if down:
            parts.append(f"not working: {', '.join(down)}")
        return ", ".join(parts)

    def state(self, now_ns: int) -> dict[str, Any]:
        """How things are, for the status file."""
        health, felt = self._views.health(), self._views.felt()
        budget = felt.budget
        info = health.info
        counted = self._figures.now()
        outputs = counted["outputs"]
        counted["outputs"] = {
            name: {**outputs.get(name, {}), "up": self._output_up.get(name, False)}
            for name in self._views.outputs
        }
        upscaled = counted.pop("upscaled")
        upscale = {
            use: {**state, "counts": upscaled.get(use, {})}
            for use, state in self._views.upscaling().items()
        }
        return {
            "pid": os.getpid(),
            "version": self._version,
            "name": self._name,
            "started": self._started,
            "written": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "uptime_s": round((now_ns - self._started_ns) / 1e9, 1),
            "state": self.line(),
            "camera": {
                "what": self._views.camera,
                "state": health.state.value,
                "since_s": round((now_ns - health.since_ns) / 1e9, 1),
                "cause": health.cause,
                "rate": None if health.rate is None else round(health.rate, 1),
                "size": None if info is None else [info.width, info.height],
                "format": None if info is None else info.format,
                "session": health.session,
            },
            "rate_out": round(self._rate_out, 1),
            "blind_s": round(self._views.blind_s(), 1),
            "covered": self._views.covered(),
            "temperatures_c": felt.temperatures_c,
            "level": budget.level,
            "budget": budget.reason,
            "paused": budget.paused,
            "thermal": {
                **felt.plain(),
                "lost": self._sight.lost,
                "power_trouble": self._levels.trouble,
            },
            "upscale": upscale,
            **counted,
        }

    def _count_rate(self, now_ns: int) -> None:
        out = self._meters.value("frames_out_total")
        if self._last_out is not None:
            before_ns, before = self._last_out
            self._rate_out = (out - before) * 1e9 / max(1, now_ns - before_ns)
        self._last_out = (now_ns, out)

    def _tell_changes(self) -> None:
        stuck = self._views.stuck()
        for name in self._views.outputs:
            up = self._meters.value("output_up", output=name) > 0 and name not in stuck
            if self._output_up.get(name, True) != up:
                self._on_event(Event("output-works" if up else "output-failed", {"output": name}))
            self._output_up[name] = up
