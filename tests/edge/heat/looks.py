"""Looks at a machine, one after the other, and any story of them that may be told."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import strategies as st

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.settings import GovernorSettings
from faceguard.edge.heat.trust import Judged, Memory, judge

S = 1_000_000_000
USUAL = GovernorSettings()
BUSY = Sensed(reason="busy (EAGAIN)")


def survey_of(zones: Mapping[str, float | Sensed | Zone], **rest) -> Survey:
    def zone(told: float | Sensed | Zone) -> Zone:
        if isinstance(told, Zone):
            return told
        return Zone(told if isinstance(told, Sensed) else Sensed(told))

    return Survey(zones={name: zone(told) for name, told in zones.items()}, **rest)


class Looks:
    """One look after the other at a machine."""

    def __init__(self, governor: GovernorSettings = USUAL) -> None:
        self.memory = Memory()
        self.now_ns = 5_000 * S
        self.governor = governor

    def survey(self, survey: Survey, *, after_s: float = 1, load: float = 1.0) -> Judged:
        self.now_ns += round(after_s * S)
        self.memory, judged = judge(self.memory, survey, self.now_ns, load, self.governor)
        return judged

    def look(
        self, zones: Mapping[str, float | Sensed | Zone], *, after_s: float = 1, load: float = 1.0
    ) -> Judged:
        return self.survey(survey_of(zones), after_s=after_s, load=load)

    def many(self, count: int, zones: Mapping[str, float | Sensed | Zone], load: float = 1.0):
        for _ in range(count):
            judged = self.look(zones, load=load)
        return judged


def lived(story) -> Looks:
    looks = Looks()
    for survey, gap_s, load in story:
        looks.survey(survey, after_s=gap_s, load=load)
    return looks


NAMES = st.sampled_from(["cpu", "gpu", "tj", "soc", ""]) | st.text(max_size=5)
# Few values, so that many of them stand still, leap, and come back.
VALUES = (
    st.sampled_from([31.0, 31.5, 45.0, 49.0, 60.0, 74.0, 80.0, -0.0, 999.0])
    | st.floats()
    | st.floats(-40, 150)
)
SENSED = VALUES.map(Sensed) | st.just(BUSY) | st.builds(Sensed, st.none() | VALUES, st.text())
ZONES = st.builds(Zone, SENSED, st.none() | st.sampled_from([99.0, 70.0, 10.0]) | st.floats())
SURVEYS = st.builds(
    Survey,
    zones=st.dictionaries(NAMES, ZONES, max_size=6),
    rails_w=st.dictionaries(st.sampled_from(["VDD_IN", "nvml 0", "nvml 1"]), SENSED),
    throttling=st.lists(st.text(), max_size=2).map(tuple),
    over_current=SENSED,
)
GAPS_S = st.sampled_from([0, 0.5, 1, 1, 1, 3, 9, 10, 11, 61, 601, 7_200, -5])
LOADS = st.sampled_from([0.0, 0.5, 0.8, 1.0]) | st.floats()
LOOKS = st.tuples(SURVEYS, GAPS_S, LOADS)

# Zones that stay and whose values mostly can be true: these reach the rules of memory.
CALM = st.sampled_from([31.0, 31.0, 31.0, 33.0, 34.5, 60.0, 74.0, 74.0, 80.0])
STEADY = st.tuples(
    st.fixed_dictionaries(
        {name: (CALM | st.floats(20, 100)).map(lambda c: Zone(Sensed(c))) for name in "abc"}
    ).map(lambda zones: Survey(zones=zones)),
    st.sampled_from([1, 3, 9, 10]),
    st.sampled_from([0.2, 0.6, 1.0]),
)
STORIES = st.lists(LOOKS, max_size=12) | st.lists(
    st.tuples(STEADY, st.integers(1, 25)), max_size=8
).map(lambda told: [look for look, times in told for _ in range(times)])
