"""What every panel of a picture of heat is drawn with: lines, steps, shades, and the axis of time.

What is drawn may be anything that was recorded: values that no axis takes, names that no font has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from faceguard.edge.atomic import one_line
from faceguard.edge.heat.traces.series import Column, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY, SHADE = "#8c8c8c", 0.22
_LONGEST_NAME = 60
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY_S = 86_400
_MOST_TICKS = 13
_UNITS = (("h", 3600), ("min", 60), ("s", 1))
# What is larger was never measured, and matplotlib fails at what is much larger.
_MOST = 1e6


def line(
    axes: Axes,
    series: Series,
    column: Column,
    look: dict[str, Any],
    *,
    width: float,
    style: str = "-",
    alpha: float = 1.0,
    order: float = 2.5,
    steps: bool = False,
) -> None:
    """A line that ends where nothing is known.

    Args:
        axes: Where to.
        series: Of which the column is.
        column: What to draw.
        look: Colour and label.
        width: Points.
        style: As matplotlib has it.
        alpha: 1 covers what is below.
        order: What is higher is drawn over what is lower.
        steps: Whether each value holds until the next.
    """
    axes.plot(
        series.seconds,
        finite(column),
        linestyle=style,
        drawstyle="steps-post" if steps else "default",
        linewidth=width,
        alpha=alpha,
        zorder=order,
        solid_joinstyle="round",
        **look,
    )


def fill(axes: Axes, series: Series, column: Column, look: dict[str, Any], *, alone: bool) -> None:
    """What changes in steps, each value holding until the next; filled where a run is alone."""
    values = finite(column)
    axes.step(series.seconds, values, where="post", linewidth=1.2, **look)
    if alone:
        axes.fill_between(
            series.seconds, values, step="post", alpha=0.18, linewidth=0, color=look["color"]
        )


def blind(axes: Axes, series: Series) -> None:
    """Shades where no temperature is believed."""
    for begun, ended in blind_stretches(series):
        axes.axvspan(begun, ended, color=GREY, alpha=SHADE, linewidth=0, zorder=0.5)


def blind_stretches(series: Series) -> Iterator[tuple[float, float]]:
    """From when to when no temperature is believed, though there are rows."""
    start: float | None = None
    columns = zip(series.seconds, series.temperature_c, series.level, strict=True)
    for seconds, temperature_c, level in columns:
        is_blind = temperature_c is None and level is not None
        if is_blind and start is None:
            start = seconds
        elif not is_blind and start is not None:
            yield start, seconds
            start = None
    if start is not None:
        yield start, series.seconds[-1]


def time_axis(panels: Sequence[Axes], series: Series) -> None:
    """Ticks at whole seconds, minutes or hours.

    Args:
        panels: All that share it; the lowest, which is last, names the unit.
        series: What they show.
    """
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    span_s = max(1.0, series.seconds[-1] - series.seconds[0])
    fitting = (step for step in _STEPS_S if span_s / step <= _MOST_TICKS)
    step_s = next(fitting, _DAY_S * math.ceil(span_s / _DAY_S / _MOST_TICKS))
    # The largest of which each step is a whole number.
    unit, one_s = next((name, one_s) for name, one_s in _UNITS if step_s % one_s == 0)

    def told(at_s: float, _place: int) -> str:
        return f"{at_s / one_s:.0f}"

    for axes in panels:
        axes.xaxis.set_major_locator(MultipleLocator(step_s))
        axes.xaxis.set_major_formatter(FuncFormatter(told))
    panels[-1].set_xlabel(f"time, {unit}")


def known(column: Column) -> list[float]:
    """What of a column can be drawn."""
    return [value for value in finite(column) if not math.isnan(value)]


def finite(column: Column) -> list[float]:
    """NaN where there is nothing to draw."""
    return [math.nan if v is None or not -_MOST < v < _MOST else float(v) for v in column]


def plain(text: str) -> str:
    """A text with nothing in it that matplotlib reads as more, of letters that its font has."""
    shown = one_line(text)[:_LONGEST_NAME].encode("latin-1", "replace").decode("latin-1")
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")
