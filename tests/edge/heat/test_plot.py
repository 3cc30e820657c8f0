"""Pictures of traces: whole or not at all, with what belongs in them, of whatever was recorded."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from PIL import Image

from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.heat.traces import plot
from faceguard.edge.heat.traces.plot import Panels, draw, figure, plot_file
from faceguard.edge.heat.traces.series import FRAMES_PER_S, SHARE, Series, series_of
from faceguard.edge.heat.traces.trace_file import read_trace
from faceguard.engines.errors import InputError, OutputExists, UsageError
from tests.edge.heat.traces import (
    BUSY,
    RUNGS,
    SETTINGS,
    S,
    anything,
    seconds_of,
    survey,
    warming,
    written,
)

pytest.importorskip("matplotlib")

BLIND = replace(survey(50.0), zones={"cpu-thermal": BUSY, "cv0-thermal": BUSY})
RUN = Series(
    title="A simulated run",
    seconds=[0.0, 60.0, 120.0],
    temperature_c=[50.0, 60.0, 70.0],
    limit_c=[75.0] * 3,
    level=[0, 1, 2],
    rate=[30.0, 28.5, 27.0],
)


def series(path: Path) -> Series:
    return series_of(read_trace(path), "Test")


def test_the_columns_of_a_trace(tmp_path: Path) -> None:
    run = seconds_of([*warming(30), *[BLIND] * 20, *warming(10)])
    drawn = series(written(tmp_path / "a.csv", run))
    rows = [row for _, row, _ in run]
    assert drawn.title == "Test, from 2030-03-17 18:03:20 UTC"
    assert list(drawn.seconds) == [float(second) for second in range(60)]
    assert list(drawn.temperature_c) == [row.reading.temperature_c for row in rows]
    assert list(drawn.temperature_c)[30:50] == [None] * 20
    assert set(drawn.limit_c) == {75.0}
    assert set(drawn.emergency_c) == {80.0}
    assert list(drawn.level) == [row.budget.level for row in rows]
    assert drawn.rate_unit == FRAMES_PER_S
    assert drawn.rate[0] == 30.0
    assert drawn.rate[49] == rows[49].budget.frames_per_s
    assert list(drawn.power_w) == [12.5] * 60
    assert list(drawn.zones_c) == ["cpu-thermal", "cv0-thermal"]
    assert set(drawn.zones_c["cv0-thermal"]) == {None}


def test_without_a_camera_s_rate_shares_are_drawn_and_a_pause_is_none(tmp_path: Path) -> None:
    hot = seconds_of([survey(60.0), survey(81.0)], rate=None)
    drawn = series(written(tmp_path / "a.csv", hot))
    assert drawn.rate_unit == SHARE
    assert list(drawn.rate) == [100.0, 0.0]
    paused = series(written(tmp_path / "b.csv", seconds_of([survey(60.0), survey(81.0)])))
    assert list(paused.rate) == [30.0, 0.0]


def test_gaps_are_gaps_as_long_as_the_clocks_say(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    first = seconds_of(warming(3))
    late = seconds_of(warming(2), begin_ns=1_100 * S)
    started_anew = seconds_of(warming(2), begin_ns=5 * S)  # and the clock is behind, too
    drawn = series(written(path, first, late, started_anew))
    assert list(drawn.seconds) == [0.0, 1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 161.0, 162.0]
    assert [level is None for level in drawn.level] == [
        place in (3, 6) for place in range(len(drawn.level))
    ]
    # A section that only has other columns is no gap.
    other = replace(survey(50.0), zones={"gpu-thermal": Zone(Sensed(51.0))})
    drawn = series(written(tmp_path / "b.csv", seconds_of([*warming(2), other])))
    assert list(drawn.seconds) == [0.0, 1.0, 2.0]
    assert list(drawn.zones_c["gpu-thermal"]) == [None, None, 51.0]


def test_a_long_trace_is_thinned_and_its_peak_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceguard.edge.heat.traces.series._MOST_POINTS", 50)
    board = [survey(50 + second % 3 / 10) for second in range(900)]
    board[617] = survey(73.25)
    gap = seconds_of([survey(50.0)] * 300, begin_ns=9_000 * S)
    drawn = series(written(tmp_path / "a.csv", seconds_of(board), gap))
    assert len(drawn.seconds) <= 52
    known = {c: s for s, c in zip(drawn.seconds, drawn.temperature_c, strict=True) if c}
    assert known[73.25] == 617.0
    assert sum(level is None for level in drawn.level) == 1
    assert drawn.seconds[-1] > 8_200
    assert list(drawn.seconds) == sorted(drawn.seconds)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def near(picture: np.ndarray, colour: str) -> int:
    """How many pixels have about a colour."""
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return int((np.abs(picture.astype(int) - wanted).max(axis=2) < 12).sum())


def test_a_picture_shows_what_was_recorded(tmp_path: Path) -> None:
    run = seconds_of([*warming(300, to_c=82.0), *[BLIND] * 60, *warming(60)])
    path, picture = written(tmp_path / "a.csv", run), tmp_path / "a.png"
    plot_file(series(path), picture)
    shown = pixels(picture)
    assert shown.shape[1] == 1200
    for colour in (plot._ZONES[0], "#1b7837", "#762a83", "#2166ac"):
        assert near(shown, colour) > 200
    drawn = figure(series(path))
    names = [axes.get_ylabel() for axes in drawn.axes]
    assert names == ["temperature, \N{DEGREE SIGN}C", "frames/s", "level", "power, W"]
    legend = drawn.axes[0].get_legend()
    assert legend is not None
    told = [text.get_text() for text in legend.get_texts()]
    assert told == ["believed", "limit", "pause at once", "cpu-thermal", "blind"]
    shades = [patch.get_extents().width for patch in drawn.axes[2].patches]
    assert len(shades) == 1
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_a_picture_that_exists_stays_unless_forced(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        plot_file(RUN, picture)
    assert picture.read_bytes() == b"mine"
    plot_file(RUN, picture, force=True)
    assert pixels(picture).size
    with pytest.raises(UsageError, match=r"end in \.png"):
        plot_file(RUN, tmp_path / "a.pdf")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]


def test_the_same_run_gives_the_same_picture(tmp_path: Path) -> None:
    plot_file(RUN, tmp_path / "a.png")
    plot_file(RUN, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_run_without_power_has_no_panel_for_it() -> None:
    assert len(figure(RUN).axes) == 3


def test_runs_are_compared_on_axes_of_one_s_own() -> None:
    from matplotlib.figure import Figure

    made = Figure()
    temperature, rate = made.subplots(2, 1)
    panels = Panels(temperature, rate, None, None)
    draw(RUN, panels, colour="#112233", label="ours")
    faster = replace(RUN, rate=[60.0, 60.0, 60.0], temperature_c=[50.0, 70.0, 90.0])
    draw(faster, panels, colour="#aabbcc", label="theirs, $1$")
    labels = [line.get_label() for line in rate.get_lines()]
    assert labels == ["ours", r"theirs, \$1\$"]
    assert [line.get_color() for line in rate.get_lines()] == ["#112233", "#aabbcc"]
    draw(RUN, panels, colour="#112233", label="again")
    assert rate.get_ylim()[1] > 60
    assert temperature.get_ylim()[1] > 90


def test_far_off_zones_do_not_make_the_rest_flat(tmp_path: Path) -> None:
    odd = {"cpu-thermal": Zone(Sensed(70.0)), "dead": Zone(Sensed(-127.0)), "": Zone(Sensed(1e300))}
    board = [survey(70.0, zones=odd)] * 3
    drawn = figure(series(written(tmp_path / "a.csv", seconds_of(board))))
    low, high = drawn.axes[0].get_ylim()
    assert low > 40
    assert high < 100


# Names that mean something to matplotlib, and that no font has.
odd_names = st.sampled_from(["$x^", "_hidden", "a\nb", "\x00", "\ud800", "%s", "€", "x" * 300])


@with_settings(max_examples=8)
@given(
    board=st.lists(
        st.one_of(
            st.floats(20, 100).map(survey),
            anything,
            odd_names.map(lambda name: Survey(zones={name: Zone(Sensed(60.0))})),
        ),
        min_size=1,
        max_size=6,
    ),
    rate=st.none() | st.floats(1, 60),
)
def test_anything_that_was_recorded_can_be_drawn(
    tmp_path_factory: pytest.TempPathFactory, board: list[Survey], rate: float | None
) -> None:
    folder = tmp_path_factory.mktemp("p")
    path = written(folder / "a.csv", seconds_of(board, rate=rate))
    plot_file(series(path), folder / "a.png")
    assert pixels(folder / "a.png").size


def test_a_damaged_trace_has_no_picture(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(3)))
    path.write_text(path.read_text() + "a row\n")
    with pytest.raises(InputError):
        series(path)


def test_without_matplotlib_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", seconds_of(warming(3)))
    code = (
        "import sys; sys.modules['matplotlib'] = None; from faceguard.edge.cli import main; "
        f"sys.exit(main(['thermal', 'plot', {str(path)!r}, '-o', {str(tmp_path / 'a.png')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "pip install 'faceguard-edge[plot]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "a.png").exists()


def test_a_change_of_limit_is_a_step() -> None:
    changed = replace(RUN, limit_c=[75.0, 60.0, 60.0], emergency_c=[80.0, 65.0, 65.0])
    lines = {line.get_label(): line for line in figure(changed).axes[0].get_lines()}
    for name in ("limit", "pause at once"):
        (path,) = [lines[name].get_path()]
        slopes = [(a, b) for a, b in pairwise(path.vertices) if a[0] != b[0] and a[1] != b[1]]
        assert len(path.vertices) == 5
        assert slopes == []


def test_a_change_of_the_limit_of_power_is_kept(tmp_path: Path) -> None:
    wanted = replace(SETTINGS, power_limit_w=10.0)
    strict = seconds_of(warming(3), settings=wanted, begin_ns=1_003 * S)
    drawn = series(written(tmp_path / "a.csv", seconds_of(warming(3)), strict))
    assert list(drawn.power_limit_w) == [None] * 3 + [10.0] * 3
    limit = figure(drawn).axes[3].get_lines()[1]
    assert list(limit.get_ydata())[3:] == [10.0] * 3
    assert series(written(tmp_path / "b.csv", seconds_of(warming(3)))).power_limit_w == ()


def test_the_zone_that_is_believed_is_seen_too(tmp_path: Path) -> None:
    path, picture = written(tmp_path / "a.csv", seconds_of(warming(300))), tmp_path / "a.png"
    plot_file(series(path), picture)
    # Its whole way, and not in the legend alone.
    shown = pixels(picture)[100:480]
    assert near(shown, plot._ZONES[0]) > 500
    drawn = {line.get_label(): line for line in figure(series(path)).axes[0].get_lines()}
    assert drawn["believed"].get_zorder() < drawn["cpu-thermal"].get_zorder()
    assert drawn["believed"].get_linewidth() > drawn["cpu-thermal"].get_linewidth()


@pytest.mark.parametrize(
    ("span_s", "unit", "told"),
    [
        (2, "s", ["0", "1", "2"]),
        (90, "s", ["0", "10", "20"]),
        (180, "s", ["0", "15", "30"]),
        (300, "s", ["0", "30", "60"]),
        (500, "min", ["0", "1", "2"]),
        (5 * 3600, "min", ["0", "30", "60"]),
        (12 * 3600, "h", ["0", "1", "2"]),
        (100 * 86_400, "h", ["0", "192", "384"]),
    ],
)
def test_ticks_are_whole_seconds_minutes_or_hours(span_s: int, unit: str, told: list[str]) -> None:
    lowest = figure(replace(RUN, seconds=[0.0, span_s / 2, float(span_s)])).axes[-1]
    assert lowest.get_xlabel() == f"time, {unit}"
    ticks = [at for at in lowest.get_xticks() if at >= 0]
    assert [lowest.xaxis.get_major_formatter()(at) for at in ticks][:3] == told
    one_s = {"s": 1, "min": 60, "h": 3600}[unit]
    assert all(at % one_s == 0 for at in ticks)


def test_levels_of_a_ladder_are_whole_numbers(tmp_path: Path) -> None:
    hot = seconds_of(warming(200, to_c=84.0))
    drawn = figure(series(written(tmp_path / "a.csv", hot)))
    ticks = drawn.axes[2].get_yticks()
    assert all(math.isclose(tick, round(tick)) for tick in ticks)
    assert max(row.budget.level for _, row, _ in hot) < len(RUNGS)
    assert SETTINGS.limit_c == 75.0
