"""The lines of a trace: what a section begins with, and a row a second.

A section begins with `# faceguard trace 1 {...}`, which holds all that a decision stands on besides
what is felt, and a row of names. After it comes a row a second: what was felt, what was believed of
it, and what was decided.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.metadata import version

from faceguard.edge.budget import Budget
from faceguard.edge.heat.governing.governor import Outlook
from faceguard.edge.heat.governing.ladder import Rung
from faceguard.edge.heat.reading import Reading, Survey, Zone
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.traces import mind as minds
from faceguard.edge.heat.traces.mind import Mind
from faceguard.edge.heat.traces.trace_cells import (
    Cells,
    escaped,
    flag,
    join,
    names,
    number,
    sensed,
    text,
    wall,
    wall_of,
)

MARK = "# faceguard trace "
FORMAT = 1
CUT = ",cut"
"""Ends a line that a cut of power left half; no whole one ends so: the last cell is a number."""

_KEYS = {"version", "wall", "zones", "rails", *minds.KEYS}
_LONGEST_VERSION = 20
_SENSORS = (
    *("gpu_load", "gpu_load_why", "fan", "fan_why", "throttling"),
    *("over_current", "over_current_why", "mode", "camera_rate", "load"),
)
DECIDED = (
    *("zone", "temperature_c", "limit_c", "power_w", "throttled", "has_sensors", "blind"),
    *("level", "frames_per_s", "detect_every", "upscale", "paused", "reason"),
    *("settles_c", "time_constant_s"),
)
"""The columns that follow from the others: what is believed, what may be spent, where it goes."""


@dataclass(frozen=True)
class Row:
    """One second.

    Attributes:
        at_ns: Monotonic nanoseconds; begins anew when the machine is started.
        wall_s: Seconds since 1970, of which milliseconds are kept; None where the clock shows what
            is no time.
        survey: What the sensors said.
        load: The load that trust was told, 0 to 1.
        rate: Frames a second that the camera gives; None while it is not known.
        reading: What was believed.
        budget: What was decided.
        outlook: Where the governor saw the temperature go.
    """

    at_ns: int
    wall_s: float | None
    survey: Survey
    load: float
    rate: float | None
    reading: Reading
    budget: Budget
    outlook: Outlook

    def decided(self) -> list[str]:
        """The cells of `DECIDED`: two rows are the same bit by bit where these are."""
        reading, budget, outlook = self.reading, self.budget, self.outlook
        return [
            text(reading.zone),
            number(reading.temperature_c),
            number(reading.limit_c),
            number(reading.power_w),
            text(reading.throttled),
            flag(reading.has_sensors),
            text(reading.blind),
            number(budget.level),
            number(budget.frames_per_s),
            number(budget.detect_every),
            flag(budget.upscale),
            flag(budget.paused),
            text(budget.reason),
            number(outlook.settles_c),
            number(outlook.time_constant_s),
        ]


@dataclass(frozen=True)
class Section:
    """What holds for the rows that follow.

    Attributes:
        settings: Limits and times.
        rungs: The levels.
        mind: Before the first of them; None where another version of faceguard wrote it, which
            remembers other things.
        zones: Names of the zones, in the order of their columns.
        rails: Names of the rails, likewise.
        version: Of the faceguard that wrote it.
        wall_s: When it began, seconds since 1970; None where the clock showed no time.
    """

    settings: GovernorSettings
    rungs: tuple[Rung, ...]
    mind: Mind | None
    zones: tuple[str, ...]
    rails: tuple[str, ...]
    version: str
    wall_s: float | None

    def names(self) -> str:
        """The row of names."""
        columns = ["at_ns", "wall"]
        for zone in map(escaped, self.zones):
            columns += [f"{zone}_c", f"{zone}_why", f"{zone}_trip_c"]
        for rail in map(escaped, self.rails):
            columns += [f"{rail}_w", f"{rail}_why"]
        return join([*columns, *_SENSORS, *DECIDED])

    def line(self, row: Row) -> str:
        """A row of this section, with its end."""
        survey = row.survey
        cells = [number(row.at_ns), wall(row.wall_s)]
        for zone in map(survey.zones.__getitem__, self.zones):
            cells += [*sensed(zone.temperature_c), number(zone.trip_c)]
        for rail in map(survey.rails_w.__getitem__, self.rails):
            cells += sensed(rail)
        cells += [*sensed(survey.gpu_load), *sensed(survey.fan), names(survey.throttling)]
        cells += [*sensed(survey.over_current), text(survey.mode)]
        cells += [number(row.rate), number(row.load)]
        return join([*cells, *row.decided()])

    def row(self, line: str) -> Row:
        """The row of a line, which comes without its end.

        Raises:
            ValueError: It is none of this section; the words are safe to show.
        """
        # Each call takes the next cell, so the order is that of `line`.
        cells = Cells(line)
        at_ns, wall_s = cells.whole(), cells.wall()
        zones = {name: Zone(cells.sensed(), cells.maybe()) for name in self.zones}
        rails = {name: cells.sensed() for name in self.rails}
        survey = Survey(
            zones=zones,
            rails_w=rails,
            gpu_load=cells.sensed(),
            fan=cells.sensed(),
            throttling=cells.names(),
            over_current=cells.sensed(),
            mode=cells.text(),
        )
        rate, load = cells.maybe(), cells.number()
        reading = Reading(
            zone=cells.text(),
            temperature_c=cells.maybe(),
            limit_c=cells.maybe(),
            power_w=cells.maybe(),
            throttled=cells.text(),
            has_sensors=cells.flag(),
            blind=cells.text(),
        )
        budget = Budget(
            level=cells.whole(),
            frames_per_s=cells.maybe(),
            detect_every=cells.whole(),
            upscale=cells.flag(),
            paused=cells.flag(),
            reason=cells.word(),
        )
        outlook = Outlook(cells.maybe(), cells.maybe())
        cells.end()
        if not 0 <= budget.level < len(self.rungs):
            raise ValueError("has a level that is not on its ladder")
        return Row(at_ns, wall_s, survey, load, rate, reading, budget, outlook)


class Sections:
    """Turns seconds into lines, and begins a section wherever the one before does not go on."""

    def __init__(self) -> None:
        """Begins with a section."""
        self._section: Section | None = None
        self._after: Mind | None = None

    def lines(self, before: Mind, row: Row, after: Mind) -> str:
        """The lines for one second; they must get written, or `reset` be called.

        Args:
            before: What the decision stood on.
            row: What was felt and decided.
            after: What the next decision will stand on, if nobody changes it meanwhile.
        """
        zones, rails = tuple(row.survey.zones), tuple(row.survey.rails_w)
        section, head = self._section, ""
        if (
            section is None
            or self._after is None
            or not before.follows(self._after)
            or (section.zones, section.rails) != (zones, rails)
        ):
            own = version("faceguard-edge")
            section = Section(before.settings, before.rungs, before, zones, rails, own, row.wall_s)
            head = _head(section, before)
        # Whoever reads the section goes on with its settings and its ladder.
        self._after = replace(after, settings=section.settings, rungs=section.rungs)
        self._section = section
        return head + section.line(row)

    def reset(self) -> None:
        """What comes next begins a section, since it goes elsewhere, or something was lost."""
        self._section = self._after = None


def section_of(line: str) -> Section:
    """The section that a line with `MARK` begins; the line comes without its end.

    Raises:
        ValueError: It is none that this version knows; the words are safe to show.
    """
    form, _, told = line.removeprefix(MARK).partition(" ")
    if form != str(FORMAT):
        raise ValueError("is of a format that this version of faceguard does not know")
    try:
        plain = json.loads(told)
    except (ValueError, RecursionError):
        raise ValueError("begins a section that cannot be read") from None
    if not isinstance(plain, dict) or set(plain) != _KEYS:
        raise ValueError("begins a section that lacks something, or has something unknown in it")
    written_by = "".join(c for c in str(plain["version"])[:_LONGEST_VERSION] if c.isprintable())
    try:
        settings, rungs = minds.told_of(plain)
    except ValueError:
        raise ValueError("begins a section with settings or levels that are none") from None
    mind: Mind | None
    try:
        mind = minds.from_plain(plain)
    except ValueError:
        mind = None
    at, zones, rails = plain["wall"], _columns(plain["zones"]), _columns(plain["rails"])
    wall_s = None if at is None else wall_of(at if isinstance(at, str) else "")
    return Section(settings, rungs, mind, zones, rails, written_by, wall_s)


def _head(section: Section, mind: Mind) -> str:
    """The line that begins a section, and the row of names."""
    told = {
        "version": section.version,
        "wall": wall(section.wall_s) or None,
        "zones": section.zones,
        "rails": section.rails,
        **minds.to_plain(mind),
    }
    return f"{MARK}{FORMAT} {json.dumps(told)}\n{section.names()}"


def _columns(plain: object) -> tuple[str, ...]:
    if not isinstance(plain, list) or not all(isinstance(name, str) for name in plain):
        raise ValueError("begins a section whose columns have no names")
    if len(set(plain)) < len(plain):
        raise ValueError("begins a section in which two columns have one name")
    return tuple(plain)
