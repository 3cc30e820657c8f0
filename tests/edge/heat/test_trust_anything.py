"""Trust: properties that hold for any surveys at any times."""

from __future__ import annotations

import math
import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faceguard.edge.heat.memory import MOST_ZONES
from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.trust import judge
from tests.edge.heat.looks import LOOKS, STEADY, STORIES, USUAL, Looks, S, lived

CARRIED = re.compile(r"; (held at|taken) .*")


@settings(max_examples=150, deadline=None)
@given(STORIES)
def test_no_survey_breaks_it_and_what_is_read_is_believed(story):
    looks = Looks()
    had = False
    for survey, gap_s, load in story:
        judged = looks.survey(survey, after_s=gap_s, load=load)
        reading = judged.reading
        believed = survey.zones.keys() - judged.doubts.keys()
        lost = {name for name, doubt in judged.doubts.items() if CARRIED.search(doubt)}
        assert judged.doubts.keys() - survey.zones.keys() <= lost
        assert (reading.zone is None) == (reading.blind is not None)
        assert (reading.zone is None) == (not believed)
        if reading.zone is not None:
            assert reading.zone in believed | lost
            assert lost <= looks.memory.zones.keys()
            if reading.zone in believed:
                assert reading.temperature_c == survey.zones[reading.zone].temperature_c.value
            assert -40 <= reading.temperature_c <= 150
            assert reading.excess_c is not None
            assert math.isfinite(reading.excess_c)
            assert all(
                survey.zones[name].temperature_c.value - USUAL.limit_c <= reading.excess_c
                for name in believed
            )
        else:
            assert not lost
            assert reading.excess_c is None
            assert 0 < len(reading.blind) <= 120
        assert reading.power_w is None or 0 <= reading.power_w <= 2000
        had = had or bool(survey.zones)
        assert reading.has_sensors == had
        assert len(looks.memory.zones) <= MOST_ZONES


@settings(max_examples=250, deadline=None)
@given(
    STORIES,
    LOOKS | STEADY,
    st.floats(0, 190) | st.sampled_from([0.0, 3.0, 5.0, 14.0, 29.0, 43.0]),
    st.data(),
)
def test_a_hotter_zone_never_lowers_the_excess_while_it_is_believed(story, last, d, data):
    """The property of `judge`'s docstring, with each of its exceptions named."""
    looks = lived(story)
    survey, gap_s, load = last
    assume(survey.zones)
    name = data.draw(st.sampled_from(sorted(survey.zones)))
    zone = survey.zones[name]
    value_c = zone.temperature_c.value
    assume(value_c is not None and math.isfinite(value_c))
    hotter = Survey(zones={**survey.zones, name: Zone(Sensed(value_c + d), zone.trip_c)})
    now_ns = looks.now_ns + round(gap_s * S)
    before = judge(looks.memory, survey, now_ns, load, USUAL)[1]
    after = judge(looks.memory, hotter, now_ns, load, USUAL)[1]
    # Of the others nothing changes but what those that are lost are taken for.
    assert {n: CARRIED.sub("", why) for n, why in before.doubts.items() if n != name} == {
        n: CARRIED.sub("", why) for n, why in after.doubts.items() if n != name
    } or (name in before.doubts) != (name in after.doubts)
    if name in before.doubts:
        return
    if name not in after.doubts:
        assert after.reading.excess_c >= before.reading.excess_c
        return
    past = looks.memory.zones.get(name)
    assert (
        value_c + d > 150
        or (past is not None and value_c + d == past.value_c)
        or (past is not None and past.leap is not None)
    )


def test_a_zone_that_rises_does_not_silence_a_hotter_one_in_the_same_look():
    looks = Looks()
    looks.many(400, {"cpu": 80.0, "gpu": 40.0})
    looks.look({"cpu": 80.0, "gpu": 42.0})
    assert looks.look({"cpu": 80.0, "gpu": 44.0}).reading.zone == "cpu"
    assert looks.look({"cpu": 80.0, "gpu": 44.0}).reading.zone == "gpu"
