"""`faceguard thermal`: what the sensors say and the governor decides, recorded and replayed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceguard.edge.atomic import Staged
    from faceguard.edge.heat.governing.ladder import Rung
    from faceguard.edge.heat.reading import Survey
    from faceguard.edge.heat.settings import GovernorSettings
    from faceguard.edge.heat.traces.trace_file import Entry
    from faceguard.edge.heat.traces.trace_format import Row

HELP = "Records what the sensors say and the governor decides; replays and plots it."

EXIT_SAME, EXIT_DIFFERS = 0, 1
_ROOT = Path("/")
_STDOUT = Path("-")
_LOOK_LIMIT_S = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares record, replay and plot."""
    parser.epilog = (
        "A camera that runs keeps its own trace, of what it really did: set thermal.trace in its "
        "configuration."
    )
    group = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_record(group)
    _add_replay(group)
    _add_plot(group)


def run(options: argparse.Namespace) -> int:
    """Does what was asked.

    Args:
        options: From `add_arguments`.

    Returns:
        0; 1 where a replay decides otherwise than what was recorded.

    Raises:
        FaceguardError: A trace or configuration cannot be read, an output not be written, or there
            is nothing to record.
    """
    act: Callable[[argparse.Namespace], int] = options.act
    return act(options)


def _add_record(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = group.add_parser(
        "record",
        help="a CSV of this machine's sensors, and of what would be decided; commands nothing",
        epilog=(
            "A row a second, until --seconds are over or Ctrl-C, which leaves a whole file and "
            "exits with 130. Nothing is slowed down and no camera is told: one that runs keeps its "
            "own trace with thermal.trace. Exit code 1: there is no sensor, or the file exists."
        ),
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE", help="the CSV; - for stdout"
    )
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="limits and times (the defaults)"
    )
    parser.add_argument("--seconds", type=int, metavar="N", help="so many rows (until Ctrl-C)")
    parser.add_argument(
        "--force", action="store_true", help="replace a file that exists, except a running camera's"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.set_defaults(act=_record)


def _add_replay(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = group.add_parser(
        "replay",
        help="decides again from what was recorded, and compares bit by bit",
        epilog=(
            "Exit codes: 0 the same decisions; 1 a row differs, and is shown field by field, or "
            "the trace cannot be read; 2 the configuration is no good. With --config nothing is "
            "compared, but what it would have decided is summed up beside what was recorded. "
            "Temperatures stay those that were recorded, though less work would have made them "
            "lower: it tells when such settings act, and not how warm the board would get."
        ),
    )
    parser.add_argument("trace", type=Path, metavar="FILE", help="a trace")
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="try these limits and times instead"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.set_defaults(act=_replay)


def _add_plot(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = group.add_parser(
        "plot",
        help="a picture of temperature, frames, level and power over time",
        epilog="Needs matplotlib: pip install 'faceguard-edge[plot]'. Blind stretches are grey.",
    )
    parser.add_argument("trace", type=Path, metavar="FILE", help="a trace")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="OUT.png", help="the picture"
    )
    parser.add_argument("--force", action="store_true", help="replace a picture that exists")
    parser.set_defaults(act=_plot)


def _record(options: argparse.Namespace) -> int:
    return record_here(options, _ROOT)


def record_here(options: argparse.Namespace, root: Path) -> int:
    """`faceguard thermal record` on a machine whose files are below a folder.

    Args:
        options: Of the command.
        root: Where `sys`, `etc` and `var` are.

    Returns:
        0.

    Raises:
        FaceguardError: There is no sensor, or the file cannot be written.
    """
    from faceguard.edge.atomic import Staged
    from faceguard.edge.heat.sensing.sensors import Sensors, read_once
    from faceguard.edge.heat.traces.record import Screen, has_sensor, has_temperature, record
    from faceguard.engines.errors import InputError, UsageError

    if options.seconds is not None and options.seconds < 1:
        raise UsageError(f"--seconds {options.seconds} must be 1 or more")
    settings, rungs, rate = _told(options.config)
    rows = 0

    def count(row: Row) -> None:
        nonlocal rows
        rows += 1
        screen.show(row)

    with ExitStack() as stack:
        staged = None
        if options.output != _STDOUT:
            _spare(options.output)
            staged = stack.enter_context(Staged(options.output, force=options.force))
        first = read_once(root, _LOOK_LIMIT_S)
        if not has_sensor(first):
            raise InputError(
                "there is no sensor to record here: no thermal zone, no hwmon, no NVIDIA GPU; load "
                "the driver (coretemp, k10temp), or give the container /sys of its host"
            )
        if not has_temperature(first):
            sys.stderr.write("faceguard: no temperature can be read here; recording the rest\n")
        sensors = stack.enter_context(Sensors(root))
        sensors.start()

        def look() -> Survey:
            # The first look of the threads may not be done yet.
            return sensors.latest if rows else first

        screen = stack.enter_context(Screen(quiet=options.quiet))
        write = _say if staged is None else _writer(stack, staged)
        try:
            record(look, settings, rungs, write, rate=rate, seconds=options.seconds, on_row=count)
        except KeyboardInterrupt:
            if staged is not None and rows:
                _end(staged, rows, quiet=options.quiet)
            raise
        if staged is not None:
            _end(staged, rows, quiet=options.quiet)
    return 0


def _writer(stack: ExitStack, staged: Staged) -> Callable[[str], None]:
    """Writes rows at once and whole into a file in the making."""
    # Not buffered: Ctrl-C shall never leave a part of a row behind.
    file = stack.enter_context(staged.part.open("wb", buffering=0))

    def write(lines: str) -> None:
        rest = memoryview(lines.encode())
        with staged.told():
            while rest:
                rest = rest[file.write(rest) :]

    return write


def _spare(path: Path) -> None:
    """Leaves the trace of a running camera alone, which would lose what stands there."""
    from faceguard.edge.atomic import one_line
    from faceguard.edge.heat.traces.trace_file import is_in_use
    from faceguard.engines.errors import OutputError

    if is_in_use(path):
        raise OutputError(
            f"{one_line(path)}: a running camera keeps its trace there; name another file, or stop "
            "the camera first"
        )


def _end(staged: Staged, rows: int, *, quiet: bool) -> None:
    from faceguard.edge.atomic import one_line

    _spare(staged.path)  # it may have begun meanwhile
    staged.commit()
    if not quiet:
        sys.stderr.write(f"faceguard: {one_line(staged.path)}: {rows} rows\n")


def _say(lines: str) -> None:
    sys.stdout.write(lines)
    sys.stdout.flush()


def _replay(options: argparse.Namespace) -> int:
    from faceguard.edge.heat.traces import replay_words as words
    from faceguard.edge.heat.traces.replay import replay, try_out

    if options.config is not None:
        settings, rungs, _ = _told(options.config)
        recorded, other = try_out(_entries(options.trace), settings, rungs)
        if options.json:
            _say(json.dumps(words.tried_plain(recorded, other), indent=2) + "\n")
        else:
            _say(words.tried(recorded, other))
        return EXIT_SAME
    found = replay(_entries(options.trace))
    if options.json:
        _say(json.dumps(words.compared_plain(found), indent=2) + "\n")
    else:
        _say(words.compared(found))
    return EXIT_SAME if found.differs is None else EXIT_DIFFERS


def _plot(options: argparse.Namespace) -> int:
    from faceguard.edge.heat.traces.plot import check, plot_file
    from faceguard.edge.heat.traces.series import series_of

    # A long trace takes a while to read; what is missing is told before.
    check(options.output, force=options.force)
    series = series_of(_entries(options.trace), options.trace.name)
    plot_file(series, options.output, force=options.force)
    return 0


def _entries(path: Path) -> Iterable[Entry]:
    """The rows of a trace, with a line that tells how many there were on a terminal."""
    from tqdm import tqdm

    from faceguard.edge.heat.traces.trace_file import read_trace

    return tqdm(read_trace(path), unit="row", leave=False, disable=None, file=sys.stderr)


def _told(path: Path | None) -> tuple[GovernorSettings, tuple[Rung, ...], float | None]:
    """Settings, ladder, and the camera's rate, as `faceguard run` would have them."""
    from faceguard.edge.config.faces import DetectorConfig, TrackingConfig
    from faceguard.edge.config.read import read_config
    from faceguard.edge.config.thermal import governor_settings
    from faceguard.edge.heat.governing.ladder import ladder
    from faceguard.edge.heat.settings import GovernorSettings

    settings, rate = GovernorSettings(), None
    every, look_ahead = DetectorConfig().every, TrackingConfig().look_ahead
    upscales = False
    if path is not None:
        config = read_config(path)
        settings, rate = governor_settings(config), getattr(config.camera, "rate", None)
        every, look_ahead = config.detector.every, config.tracking.look_ahead
        upscales = config.upscale.stream is not None
    # A frame waits at least until the detector's next look, as in `plan_of`.
    look_ahead = max(look_ahead, every - 1)
    rungs = ladder(settings, every=every, look_ahead=look_ahead, upscales=upscales)
    return settings, rungs, None if rate is None else float(rate)
