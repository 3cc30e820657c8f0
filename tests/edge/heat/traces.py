"""Runs for tests of traces: a board that warms, any survey there can be, and files of both."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from faceguard.edge.heat.governing.ladder import ladder
from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.traces.mind import Mind
from faceguard.edge.heat.traces.replay import begin, decide
from faceguard.edge.heat.traces.trace_file import TraceFile, read_trace
from faceguard.edge.heat.traces.trace_format import MARK, Row

S = 1_000_000_000
WALL_S = 1_900_000_000.0
SETTINGS = GovernorSettings()
RUNGS = ladder(SETTINGS, every=2, look_ahead=5)
BUSY = Zone(Sensed(reason="busy (EAGAIN)"), 99.0)


def survey(temperature_c: float, watts: float | None = 12.5, **changes) -> Survey:
    """What a board of two zones says."""
    zones = {"cpu-thermal": Zone(Sensed(temperature_c), 99.0), "cv0-thermal": BUSY}
    felt = Survey(
        zones=zones,
        rails_w={"VDD_IN": Sensed(watts, None if watts else "gone")},
        gpu_load=Sensed(0.372),
        fan=Sensed(0.2),
        over_current=Sensed(5),
        mode="15W",
    )
    return replace(felt, **changes)


def warming(seconds: int, to_c: float = 90.0) -> list[Survey]:
    """A board on its way to a temperature, never twice the same."""
    return [
        survey(to_c - (to_c - 50) * 200 / (200 + 2 * second) + second % 7 / 31)
        for second in range(seconds)
    ]


Second = tuple[Mind, Row, Mind]


def seconds_of(
    surveys: Iterable[Survey],
    *,
    settings: GovernorSettings = SETTINGS,
    rungs=RUNGS,
    begin_ns: int = 1_000 * S,
    rate: float | None = 30.0,
) -> list[Second]:
    """A governor's way through some surveys, a second each."""
    mind, level, seconds = begin(settings, rungs, begin_ns), 0, []
    for second, felt in enumerate(surveys):
        at_ns = begin_ns + second * S
        after, row = decide(mind, felt, at_ns, WALL_S + at_ns / S, rungs[level].load, rate)
        seconds.append((mind, row, after))
        mind, level = after, row.budget.level
    return seconds


def written(path: Path, *runs: Iterable[Second], keep_mb: float = 100.0) -> Path:
    """A trace of runs; each begins a section."""
    for run in runs:
        with TraceFile(path, keep_mb) as file:
            for second in run:
                file.add(*second)
    return path


def exactly(row: Row) -> str:
    """All of a row; unlike `==` it knows 0.0 from -0.0, 1 from 1.0, and NaN from none."""
    return repr(row)


def read(path: Path) -> list[Row]:
    """The rows of a trace."""
    return [entry.row for entry in read_trace(path)]


def sections(path: Path) -> int:
    """How many sections a trace has."""
    return sum(line.startswith(MARK.encode()) for line in path.read_bytes().splitlines())


def fill(disk: Path) -> Path:
    """Takes all that is left of a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


names = st.text(max_size=8)
numbers = st.one_of(st.floats(), st.integers(-(10**30), 10**30))
near = st.floats(20, 110)
sensed = st.builds(Sensed, st.none() | near | numbers, st.none() | names)
anything = st.builds(
    Survey,
    zones=st.dictionaries(names, st.builds(Zone, sensed, st.none() | near | numbers), max_size=4),
    rails_w=st.dictionaries(names | st.just("VDD_IN"), sensed, max_size=3),
    gpu_load=sensed,
    fan=sensed,
    throttling=st.lists(names, max_size=3).map(tuple),
    over_current=sensed,
    mode=st.none() | names,
)
