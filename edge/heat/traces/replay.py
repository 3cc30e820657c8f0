"""A trace again: the same decisions bit by bit, or what other settings would have decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from faceguard.edge.heat.governing.governor import Governor
from faceguard.edge.heat.governing.ladder import Rung
from faceguard.edge.heat.memory import Memory
from faceguard.edge.heat.reading import Survey
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.traces.mind import Mind
from faceguard.edge.heat.traces.trace_file import Entry
from faceguard.edge.heat.traces.trace_format import DECIDED, Row
from faceguard.edge.heat.trust import judge
from faceguard.engines.errors import InputError

_S = 1_000_000_000
# What is longer between two rows is a gap, in which nothing is known.
_GAP_NS = 10 * _S


@dataclass(frozen=True)
class Differs:
    """The first row whose decision is another.

    Attributes:
        row: Its number among the rows, from 1.
        line: Its number in the file, from 1.
        at_ns: Its monotonic time.
        wall_s: Its time, seconds since 1970.
        fields: By column: what was recorded, and what came out now, as the cells have it.
    """

    row: int
    line: int
    at_ns: int
    wall_s: float | None
    fields: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Replayed:
    """What came of a replay.

    Attributes:
        rows: How many were looked at; those after one that differs are not.
        sections: In how many sections.
        versions: Of faceguard, that wrote them.
        differs: The first that differs; None where all are the same.
    """

    rows: int
    sections: int
    versions: tuple[str, ...]
    differs: Differs | None


@dataclass(frozen=True)
class Summary:
    """A run in a few figures.

    Attributes:
        rows: Seconds that were looked at.
        changes: Changes of level.
        share: Part of the camera's frames that was taken in.
        hottest_c: The highest temperature that was believed; None where none was.
        over_s: Seconds with a believed temperature above its limit.
        paused_s: Seconds without output.
        blind_s: Seconds without a believed temperature.
    """

    rows: int = 0
    changes: int = 0
    share: float = 0.0
    hottest_c: float | None = None
    over_s: float = 0.0
    paused_s: float = 0.0
    blind_s: float = 0.0


def decide(
    mind: Mind, survey: Survey, at_ns: int, wall_s: float | None, load: float, rate: float | None
) -> tuple[Mind, Row]:
    """One second: trust, then the governor.

    Args:
        mind: What the decision stands on.
        survey: What the sensors say.
        at_ns: Monotonic nanoseconds.
        wall_s: Seconds since 1970, for people.
        load: The load of the level that was in force since the last second.
        rate: Frames a second that the camera gives; None while it is not known.

    Returns:
        What the next decision stands on, and the row of this one.
    """
    governor = Governor(mind.settings, mind.rungs)
    memory, judged = judge(mind.memory, survey, at_ns, load, mind.settings)
    state, budget = governor.step(mind.state, judged.reading, at_ns, rate)
    outlook = governor.outlook(state, judged.reading)
    row = Row(at_ns, wall_s, survey, load, rate, judged.reading, budget, outlook)
    return replace(mind, state=state, memory=memory), row


def begin(settings: GovernorSettings, rungs: tuple[Rung, ...], at_ns: int) -> Mind:
    """What the first decision stands on.

    Args:
        settings: Limits and times.
        rungs: The levels.
        at_ns: Monotonic nanoseconds.
    """
    return Mind(settings, rungs, Governor(settings, rungs).start(at_ns), Memory())


def replay(entries: Iterable[Entry]) -> Replayed:
    """Steps through a trace, and compares each decision with the one that was recorded.

    Args:
        entries: From `read_trace`.

    Raises:
        InputError: The trace cannot be read, is damaged, or is of a version of faceguard whose
            governor remembers other things.
    """
    rows, sections = 0, 0
    versions: dict[str, None] = {}
    section, mind = None, None
    for entry in entries:
        rows += 1
        if mind is None or entry.section is not section:
            section, mind = entry.section, _first(entry)
            sections += 1
            versions[section.version] = None
        mind, now = _again(entry, mind, entry.row.load)
        recorded, came_out = entry.row.decided(), now.decided()
        if recorded != came_out:
            cells = zip(DECIDED, recorded, came_out, strict=True)
            fields = {name: (was, now) for name, was, now in cells if was != now}
            differs = Differs(rows, entry.line, entry.row.at_ns, entry.row.wall_s, fields)
            return Replayed(rows, sections, tuple(versions), differs)
    return Replayed(rows, sections, tuple(versions), None)


def try_out(
    entries: Iterable[Entry], settings: GovernorSettings, rungs: tuple[Rung, ...]
) -> tuple[Summary, Summary]:
    """What was recorded, and what other settings would have made of the same temperatures.

    Those stay as they were recorded, whatever is decided: the board of a trace does not answer.
    What is tried begins with what was remembered at the beginning of the trace, and again where a
    section follows a gap or a restart of the machine; other settings adopt it as after a reload.
    So the settings that were recorded come to the same figures.

    Args:
        entries: From `read_trace`.
        settings: Limits and times to try.
        rungs: The levels to try.

    Returns:
        The summary of what was recorded, and that of what was tried.

    Raises:
        InputError: The trace cannot be read, or is damaged.
    """
    recorded, tried = _Sum(), _Sum()
    mind, section = None, None
    # Whether all is the same up to here, so that what a section begins with holds here too.
    follows = False
    for entry, passed_s in passages(entries):
        load = None
        if mind is None or entry.section is not section:
            section, is_gap = entry.section, mind is None or passed_s is None
            follows = (is_gap or follows) and _is_same(section.mind, settings, rungs)
            if mind is None or is_gap or follows:
                mind = _taken_over(entry, settings, rungs)
            # Of the level before the settings changed, where they did.
            load = entry.row.load if follows else None
        load = rungs[mind.state.level].load if load is None else load
        mind, now = _again(entry, mind, load)
        recorded.add(entry.row, entry.section.rungs, passed_s)
        tried.add(now, rungs, passed_s)
    return recorded.summary(), tried.summary()


def passages(entries: Iterable[Entry]) -> Iterator[tuple[Entry, float | None]]:
    """Rows, each with the seconds since the one before.

    Args:
        entries: From `read_trace`.

    Yields:
        None for the seconds where it does not go on: after more than ten of them, or where the
        machine was started in between, for which its clock began anew.
    """
    before_ns: int | None = None
    for entry in entries:
        passed_ns = 0 if before_ns is None else entry.row.at_ns - before_ns
        yield entry, passed_ns / _S if 0 < passed_ns <= _GAP_NS else None
        before_ns = entry.row.at_ns


def _first(entry: Entry) -> Mind:
    if entry.section.mind is None:
        raise InputError(
            f"{entry.place}: what the governor remembered here is not as this version has it; "
            f"replay it with faceguard {entry.section.version}, which wrote it; plot and "
            "replay --config work with this one"
        )
    return entry.section.mind


def _is_same(mind: Mind | None, settings: GovernorSettings, rungs: tuple[Rung, ...]) -> bool:
    return mind is not None and (mind.settings, mind.rungs) == (settings, rungs)


def _taken_over(entry: Entry, settings: GovernorSettings, rungs: tuple[Rung, ...]) -> Mind:
    """What was remembered where a section begins, for settings and levels to try."""
    was = entry.section.mind
    if was is None:
        return begin(settings, rungs, entry.row.at_ns)
    if _is_same(was, settings, rungs):
        return was
    with _reckoned(entry):
        before = Governor(was.settings, was.rungs)
        state = Governor(settings, rungs).adopt(was.state, before)
    return Mind(settings, rungs, state, was.memory)


def _again(entry: Entry, mind: Mind, load: float) -> tuple[Mind, Row]:
    row = entry.row
    with _reckoned(entry):
        return decide(mind, row.survey, row.at_ns, row.wall_s, load, row.rate)


@contextmanager
def _reckoned(entry: Entry) -> Iterator[None]:
    """Numbers that no trace holds that faceguard wrote: 1e308 degrees, a time of 40 digits."""
    try:
        yield
    except (ArithmeticError, LookupError, ValueError, StopIteration):
        raise InputError(f"{entry.place}: holds numbers that cannot be reckoned with") from None


class _Sum:
    """A summary in the making."""

    def __init__(self) -> None:
        self._sum = Summary()
        self._seconds = 0.0
        self._frames = 0.0
        self._level: int | None = None

    def add(self, row: Row, rungs: tuple[Rung, ...], passed_s: float | None) -> None:
        """Takes a row in.

        Args:
            row: The row.
            rungs: The ladder that its level stands on.
            passed_s: Seconds since the row before; None where it does not go on.
        """
        seconds = 1.0 if passed_s is None else passed_s
        was, reading, level = self._sum, row.reading, row.budget.level
        here_c, excess_c = reading.temperature_c, reading.excess_c
        heights_c = [c for c in (was.hottest_c, here_c) if c is not None]
        is_over = excess_c is not None and excess_c > 0
        self._sum = replace(
            was,
            rows=was.rows + 1,
            changes=was.changes + (passed_s is not None and level != self._level),
            hottest_c=max(heights_c, default=None),
            over_s=was.over_s + seconds * is_over,
            paused_s=was.paused_s + seconds * row.budget.paused,
            blind_s=was.blind_s + seconds * (here_c is None),
        )
        self._level = level
        self._seconds += seconds
        self._frames += seconds * rungs[level].share

    def summary(self) -> Summary:
        """What it came to."""
        return replace(self._sum, share=self._frames / self._seconds if self._seconds else 0.0)
