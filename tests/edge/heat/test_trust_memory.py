"""Trust: what is remembered stays small, and outlives JSON and damage."""

from __future__ import annotations

import copy
import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faceguard.edge.heat.memory import MOST_ZONES
from faceguard.edge.heat.trust import from_plain, judge, to_plain
from tests.edge.heat.looks import BUSY, LOOKS, STEADY, STORIES, USUAL, Looks, S, lived, survey_of


def test_zones_that_vanish_are_forgotten_after_ten_minutes():
    looks = Looks()
    looks.look({"cpu": 45.0, "gpu": 50.0})
    looks.look({"cpu": 45.0, "gpu": 50.0})
    looks.many(599, {"cpu": 45.0})
    looks.look({"cpu": 45.0})
    assert set(looks.memory.zones) == {"cpu", "gpu"}
    assert set(looks.memory.zones["cpu"].others_c) == {"gpu"}
    looks.look({"cpu": 45.0})
    assert set(looks.memory.zones) == {"cpu"}
    assert looks.memory.zones["cpu"].others_c == {}


def test_a_clock_that_goes_back_forgets_the_zones_that_are_away():
    looks = Looks()
    looks.look({"cpu": 45.0, "gpu": 50.0})
    looks.look({"cpu": 45.0}, after_s=-5)
    assert set(looks.memory.zones) == {"cpu"}


def test_a_zone_that_is_there_without_a_value_is_not_forgotten():
    looks = Looks()
    looks.look({"cpu": 45.0})
    looks.many(900, {"cpu": BUSY})
    assert set(looks.memory.zones) == {"cpu"}
    looks.many(600, {"gpu": BUSY})
    assert set(looks.memory.zones) == {"cpu"}
    looks.look({"gpu": BUSY})
    assert looks.memory.zones == {}


def test_names_that_change_for_ever_leave_the_newest_64():
    looks = Looks()
    for index in range(200):
        looks.look({f"zone {index}": 40.0, f"zone {index + 1}": 41.0, "cpu": 42.0 + index % 7})
    assert len(looks.memory.zones) == MOST_ZONES
    assert set(looks.memory.zones) == {"cpu"} | {f"zone {index}" for index in range(138, 201)}
    assert all(len(past.others_c) < MOST_ZONES for past in looks.memory.zones.values())


def test_of_more_than_64_zones_each_is_judged():
    looks = Looks()
    zones = {f"zone {index:03}": 40.0 + index / 10 for index in range(300)}
    judged = looks.many(3, zones)
    assert judged.reading.zone == "zone 299"
    assert len(looks.memory.zones) == MOST_ZONES


def test_a_memory_is_not_changed_by_the_next_look():
    looks = Looks()
    looks.many(3, {"cpu": 45.0, "gpu": 50.0})
    before = looks.memory
    kept = copy.deepcopy(before)
    looks.look({"cpu": 20.0, "gpu": 50.5, "soc": 30.0})
    assert before == kept


def test_zones_in_another_order_are_judged_alike():
    one, other = Looks(), Looks()
    zones = {"b": 40.0, "a": 40.0, "d": BUSY, "c": 200.0}
    for step in range(5):
        zones["b"] = 40.0 + step
        first, second = one.look(zones), other.look(dict(reversed(zones.items())))
        assert repr(first) == repr(second)
    assert json.dumps(to_plain(one.memory)) == json.dumps(to_plain(other.memory))
    assert list(one.memory.zones) == ["a", "b"]


def test_the_memory_is_in_the_order_of_names_in_every_process():
    looks = Looks()
    looks.look({f"zone {index}": 40.0 for index in range(40, 10, -1)})
    assert list(looks.memory.zones) == [f"zone {index}" for index in range(11, 41)]


def test_a_whole_number_in_json_becomes_a_float():
    plain = json.loads(PLAIN)
    plain["zones"]["a"]["value_c"] = 31
    assert repr(from_plain(plain)) == repr(from_plain(json.loads(PLAIN)))


# Looks with a zone that stands, one that falls, one that fails, and two that are well.
FULL = [
    (
        survey_of(
            {"a": 31.0, "b": 74.0 if n < 10 else 31.0, "c": BUSY, "d": 40 + n / 8, "e": 50 + n / 8}
        ),
        9,
        n % 2,
    )
    for n in range(25)
]
LEAPT = [(FULL[9][0], 9, 0.5), (FULL[10][0], 1, 0.5)]


@settings(max_examples=100, deadline=None)
@example(FULL, [*LEAPT, *FULL])
@given(STORIES, st.lists(LOOKS | STEADY, max_size=10))
def test_a_memory_out_of_json_judges_the_same_for_ever(story, more):
    looks = lived(story)
    text = json.dumps(to_plain(looks.memory), allow_nan=False)
    again = Looks()
    again.memory, again.now_ns = from_plain(json.loads(text)), looks.now_ns
    assert repr(again.memory) == repr(looks.memory)
    for survey, gap_s, load in more:
        first = looks.survey(survey, after_s=gap_s, load=load)
        second = again.survey(survey, after_s=gap_s, load=load)
        assert repr(first) == repr(second)
        again.memory = from_plain(json.loads(json.dumps(to_plain(again.memory))))
        assert repr(again.memory) == repr(looks.memory)


PLAIN = json.dumps(to_plain(lived([*FULL, *LEAPT]).memory))
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(10**400), 10**400, 1e999, math.nan])
    | st.floats()
    | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3)
    ),
    max_leaves=5,
)


def test_the_memory_that_the_next_tests_damage_holds_everything():
    zones = json.loads(PLAIN)["zones"]
    assert zones["a"]["stuck"]
    assert zones["b"]["leap"]
    assert zones["d"]["others_c"]
    assert "c" not in zones


def places(plain: object, at: tuple = ()) -> list[tuple]:
    if not isinstance(plain, dict):
        return [at]
    return [at, *(place for key, part in plain.items() for place in places(part, (*at, key)))]


def part_of(plain, at: tuple):
    for key in at:
        plain = plain[key]
    return plain


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(places(json.loads(PLAIN))[1:]), JUNK, st.booleans())
def test_a_damaged_memory_is_refused_or_judges_on(at, junk, drop):
    plain = json.loads(PLAIN)
    parent = part_of(plain, at[:-1])
    if drop:
        del parent[at[-1]]
    else:
        parent[at[-1]] = junk
    try:
        memory = from_plain(plain)
    except ValueError:
        return
    assert from_plain(json.loads(json.dumps(to_plain(memory), allow_nan=False))) == memory
    for step in range(3):
        memory, judged = judge(memory, FULL[step][0], step * S, 0.5, USUAL)
        assert judged.reading.zone is None or math.isfinite(judged.reading.excess_c)


@settings(max_examples=100, deadline=None)
@given(JUNK)
def test_what_is_no_memory_is_refused(junk):
    with pytest.raises(ValueError, match="remembered"):
        from_plain(junk)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("looked_ns",), 1.5),
        (("looked_ns",), True),
        (("looked_ns",), 2**63),
        (("has_sensors",), 1),
        (("has_sensors",), None),
        (("over_current",), -1),
        (("over_current",), "3"),
        (("zones",), []),
        (("zones",), None),
        (("zones", "a"), None),
        (("zones", "a", "value_c"), None),
        (("zones", "a", "value_c"), math.nan),
        (("zones", "a", "value_c"), 151.0),
        (("zones", "a", "value_c"), True),
        (("zones", "a", "load_most"), 1.1),
        (("zones", "a", "since_ns"), None),
        (("zones", "a", "moved"), 0),
        (("zones", "a", "more"), 0),
        (("zones", "b", "leap"), {}),
        (("zones", "b", "leap", "to_c"), math.inf),
        (("zones", "d", "others_c", "a"), None),
        (("zones", "d", "others_c"), {f"{n}": 40.0 for n in range(65)}),
    ],
)
def test_a_memory_with_one_wrong_part_is_refused(at, value):
    plain = json.loads(PLAIN)
    part_of(plain, at[:-1])[at[-1]] = value
    with pytest.raises(ValueError, match="remembered"):
        from_plain(plain)


def test_more_zones_than_are_ever_remembered_are_refused():
    plain = json.loads(PLAIN)
    plain["zones"] = {f"zone {index}": plain["zones"]["a"] for index in range(64)}
    assert len(from_plain(plain).zones) == 64
    plain["zones"]["one more"] = plain["zones"]["zone 0"]
    with pytest.raises(ValueError, match="more than 64"):
        from_plain(plain)
