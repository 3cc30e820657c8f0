"""What a plot of heat shows: columns over time, from a trace or from a simulated run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from faceguard.edge.heat.traces.replay import passages
from faceguard.edge.heat.traces.trace_cells import wall
from faceguard.edge.heat.traces.trace_file import Entry
from faceguard.edge.heat.traces.trace_format import Row

FRAMES_PER_S = "frames/s"
SHARE = "% of frames"
_MOST_POINTS = 20_000
# Where clocks tell of no gap that can be meant, one of a minute is drawn.
_UNKNOWN_GAP_S, _LONGEST_GAP_S = 60.0, 7 * 86_400.0

Column = Sequence[float | None]


@dataclass(frozen=True)
class Series:
    """Columns of one length, a place in each for each moment; None for missing.

    A moment with no level is a gap: lines end there.

    Attributes:
        title: What the plot is called.
        seconds: When, from any beginning on.
        temperature_c: What was believed; missing while blind.
        limit_c: The limit that belongs to it.
        level: 0 for all that was configured.
        rate: What was let through.
        rate_unit: `FRAMES_PER_S` or `SHARE`.
        emergency_c: Where everything pauses; empty for no such line.
        power_w: What the board drew; empty for no such panel.
        power_limit_w: What it may draw; empty for no such line.
        zones_c: Each zone as it was read.
    """

    title: str
    seconds: Sequence[float]
    temperature_c: Column
    limit_c: Column
    level: Column
    rate: Column
    rate_unit: str = FRAMES_PER_S
    emergency_c: Column = ()
    power_w: Column = ()
    power_limit_w: Column = ()
    zones_c: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True)
class _Moment:
    seconds: float
    entry: Entry
    is_fresh: bool
    """Whether there is a gap before it."""


def series_of(entries: Iterable[Entry], title: str) -> Series:
    """The columns of a trace.

    Long ones are thinned: of neighbouring rows the hottest stays.

    Args:
        entries: From `read_trace`.
        title: What to call it; when it began is added.

    Raises:
        InputError: The trace cannot be read, or is damaged.
    """
    moments = _thinned(entries)
    rows = [moment.entry.row for moment in moments]
    began = wall(rows[0].wall_s)[:19].replace("T", " ")
    knows_rate = any(row.rate is not None for row in rows)
    zones = dict.fromkeys(name for moment in moments for name in moment.entry.section.zones)
    seconds: list[float] = []
    table: list[list[float | None]] = []
    for moment in moments:
        if moment.is_fresh and seconds:
            # What was, held for a second more.
            seconds.append(min(seconds[-1] + 1.0, (seconds[-1] + moment.seconds) / 2))
            table.append([None] * (7 + len(zones)))
        seconds.append(moment.seconds)
        table.append(_cells(moment, zones, knows_rate=knows_rate))
    temperature, limit, emergency, level, rate, power, limit_w, *read = zip(*table, strict=True)
    return Series(
        title=f"{title}, from {began} UTC" if began else title,
        seconds=seconds,
        temperature_c=temperature,
        limit_c=limit,
        level=level,
        rate=rate,
        rate_unit=FRAMES_PER_S if knows_rate else SHARE,
        emergency_c=emergency,
        power_w=power if any(watts is not None for watts in power) else (),
        power_limit_w=limit_w if any(watts is not None for watts in limit_w) else (),
        zones_c={name: read[place] for place, name in enumerate(zones)},
    )


def _thinned(entries: Iterable[Entry]) -> list[_Moment]:
    """The rows of a trace at their times, so few that they can be drawn."""
    moments: list[_Moment] = []
    stride, inside = 1, 0
    now_s = 0.0
    before: Row | None = None
    for entry, passed_s in passages(entries):
        if before is not None:
            now_s += _gap_s(before, entry.row) if passed_s is None else passed_s
        moment = _Moment(now_s, entry, passed_s is None and before is not None)
        before = entry.row
        inside = 0 if moment.is_fresh or inside >= stride else inside
        if inside:
            moments[-1] = _hotter(moments[-1], moment)
        else:
            moments.append(moment)
        inside += 1
        if len(moments) > _MOST_POINTS:
            moments, stride, inside = _halved(moments), stride * 2, stride * 2
    return moments


def _halved(moments: list[_Moment]) -> list[_Moment]:
    kept: list[_Moment] = []
    is_pair = False
    for moment in moments:
        if is_pair and not moment.is_fresh:
            kept[-1] = _hotter(kept[-1], moment)
            is_pair = False
        else:
            kept.append(moment)
            is_pair = True
    return kept


def _hotter(one: _Moment, other: _Moment) -> _Moment:
    """Of two moments the one to draw, at the time and with the gap of the first."""

    def heat(moment: _Moment) -> tuple[bool, float]:
        temperature_c = moment.entry.row.reading.temperature_c
        return temperature_c is not None, temperature_c or 0.0

    hottest = max(one, other, key=heat)
    return _Moment(hottest.seconds, hottest.entry, one.is_fresh)


def _gap_s(before: Row, now: Row) -> float:
    """How long nothing was written, by the clock that can be believed."""
    passed_s = (now.at_ns - before.at_ns) / 1e9
    if passed_s <= 0 and now.wall_s is not None and before.wall_s is not None:
        passed_s = now.wall_s - before.wall_s  # started anew in between
    return passed_s if 0 < passed_s <= _LONGEST_GAP_S else _UNKNOWN_GAP_S


def _cells(moment: _Moment, zones: Iterable[str], *, knows_rate: bool) -> list[float | None]:
    row, section = moment.entry.row, moment.entry.section
    reading, budget, read = row.reading, row.budget, row.survey.zones
    limit_c = section.settings.limit_c if reading.limit_c is None else reading.limit_c
    rate: float | None
    if not knows_rate:
        rate = section.rungs[budget.level].share * 100
    elif budget.paused:
        rate = 0.0
    else:
        known = [rate for rate in (budget.frames_per_s, row.rate) if rate is not None]
        rate = min(known, default=None)
    return [
        reading.temperature_c,
        limit_c,
        limit_c + section.settings.emergency_c,
        budget.level,
        rate,
        reading.power_w,
        section.settings.power_limit_w,
        *(read[name].temperature_c.value if name in read else None for name in zones),
    ]
