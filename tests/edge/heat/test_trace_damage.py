"""A damaged trace is refused in one line, or read up to where it is sound."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from faceguard.edge.heat.reading import Sensed, Zone
from faceguard.edge.heat.traces.replay import replay, try_out
from faceguard.edge.heat.traces.series import series_of
from faceguard.edge.heat.traces.trace_file import Entry, read_trace
from faceguard.edge.heat.traces.trace_format import MARK
from faceguard.engines.errors import InputError
from tests.edge.heat.traces import (
    BUSY,
    RUNGS,
    SETTINGS,
    read,
    seconds_of,
    survey,
    warming,
    written,
)

DAMAGES = {
    "nothing": (b"", "no whole row"),
    "another file": (b"a,b,c\n1,2,3\n", "no trace"),
    "another format": (b"# faceguard trace 2 {}\n", "a format that this version"),
    "no JSON": (b"# faceguard trace 1 {,}\n", "cannot be read"),
    "deep JSON": (b"# faceguard trace 1 " + b"[" * 100_000 + b"\n", "cannot be read"),
    "other JSON": (b"# faceguard trace 1 [1]\n", "lacks something"),
    "bytes": (b"\x80\x81\x82\n", "no text"),
    "zeros": (bytes(2_000_000), "longer than any line"),
    "a long line": (b"# faceguard trace 1 " + b"a" * 2_000_000 + b"\n", "longer than any line"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_trace_is_refused(tmp_path: Path, damage: str) -> None:
    data, why = DAMAGES[damage]
    path = tmp_path / "line\nbreak.csv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=why) as told:
        read(path)
    assert "\n" not in str(told.value)


HEADS: dict[str, Callable[[dict[str, Any]], object]] = {
    "without a state": lambda told: told.pop("state"),
    "something more": lambda told: told.update(more=1),
    "no settings": lambda told: told.update(settings=None),
    "settings that are none": lambda told: told["settings"].update(limit_c="warm"),
    "sensors or not": lambda told: told["settings"].update(without_sensors="maybe"),
    "no ladder": lambda told: told.update(rungs=[]),
    "a broken rung": lambda told: told["rungs"].append([1]),
    "columns twice": lambda told: told.update(zones=["cpu-thermal", "cpu-thermal"]),
    "columns without names": lambda told: told.update(rails=[1]),
    "other columns": lambda told: told.update(zones=["cpu-thermal"]),
    "no time": lambda told: told.update(wall="yesterday"),
    "no day": lambda told: told.update(wall="2030-02-31T00:00:00.000Z"),
}
OTHER_MINDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a state of another version": lambda told: told["state"].update(more=1),
    "fewer settings": lambda told: told["settings"].pop("hold_s"),
    "more settings": lambda told: told["settings"].update(more=1),
    "a level too low": lambda told: told["state"].update(level=1000),
    "a level below 0": lambda told: told["state"].update(level=-1),
    "a memory that is none": lambda told: told.update(memory=7),
}


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Changes what the first section begins with."""
    head, rest = path.read_text().split("\n", 1)
    told = json.loads(head.removeprefix(f"{MARK}1 "))
    how(told)
    path.write_text(f"{MARK}1 {json.dumps(told)}\n{rest}")


@pytest.mark.parametrize("how", HEADS)
def test_a_section_that_was_changed_is_refused(tmp_path: Path, how: str) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(2)))
    change(path, HEADS[how])
    with pytest.raises(InputError, match=r"a\.csv:[12]: "):
        read(path)


@pytest.mark.parametrize("how", OTHER_MINDS)
def test_a_section_of_another_governor_can_be_drawn_and_not_replayed(
    tmp_path: Path, how: str
) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(20)))
    change(path, OTHER_MINDS[how])
    assert len(series_of(read_trace(path), "old").seconds) == 20
    recorded, _ = try_out(read_trace(path), SETTINGS, RUNGS)
    assert recorded.rows == 20
    with pytest.raises(InputError, match=r"a\.csv:3: what the governor remembered .* which wrote"):
        replay(read_trace(path))


CELLS = {
    "at_ns": ["", "1.5", "soon", "9" * 50],
    "wall": ["yesterday", "2030-02-31T00:00:00.000Z"],
    "cpu-thermal_c": ["warm", "0x10", "1_0", "\u0661", " 1", "+1"],
    "cpu-thermal_why": ["a\\", "\\u{110000}", "\\n"],
    "load": ["", "much"],
    "has_sensors": ["", "yes"],
    "level": ["", "-1", "1000", "0.0"],
    "detect_every": ["", "often"],
    "reason": [""],
    "time_constant_s": ['"1', "1,1"],
}


@pytest.mark.parametrize(("column", "cell"), [(k, v) for k, some in CELLS.items() for v in some])
def test_a_row_that_was_changed_is_refused(tmp_path: Path, column: str, cell: str) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(3)))
    lines = path.read_text().splitlines()
    cells = lines[3].split(",")
    cells[lines[1].split(",").index(column)] = cell
    path.write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:]]) + "\n")
    found = []
    with pytest.raises(InputError, match=r"a\.csv:4: "):
        found.extend(entry.row for entry in read_trace(path))
    lines[3] = lines[3].rsplit(",", 1)[0]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="fewer cells"):
        read(path)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, why in (
        ("missing", "No such file"),
        (".", "no plain file"),
        ("pipe", "no plain file"),
        ("nul\0", "cannot be read"),
    ):
        with pytest.raises(InputError, match=why):
            read(tmp_path / name)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two sections and all kinds of cells."""
    odd = replace(
        survey(70.0, None),
        throttling=("gpu-throttle-alert", ""),
        zones={"a,\n\\": Zone(Sensed(71.5), None), "": BUSY},
    )
    run = seconds_of([*warming(8, to_c=200.0), odd, odd])
    return written(tmp_path_factory.mktemp("sound") / "a.csv", run).read_bytes()


# What is found in traces, and what breaks readers.
bits = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b"\n", b",", b'"', b"#", b"{", b"\\u{", b"null", b"1e308", b"-1", b"nan", b",cut\n", b"9"]
    ),
)
damage = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), bits), min_size=1, max_size=4)


def complaint(use: Callable[[Iterator[Entry]], object], path: Path) -> str:
    try:
        use(read_trace(path))
    except InputError as error:
        return str(error)
    return ""


@with_settings(max_examples=200)
@given(damages=damage)
def test_a_damaged_trace_says_so_or_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    sound: bytes,
    damages: list[tuple[float, int, bytes]],
) -> None:
    data = bytearray(sound)
    for place, length, new in damages:
        at = int(place * len(data))
        data[at : at + length] = new
    path = tmp_path_factory.mktemp("d") / "a.csv"
    path.write_bytes(data)
    words = [complaint(replay, path), complaint(lambda rows: series_of(rows, "damaged"), path)]
    assert all("\n" not in line for line in words)
