"""Pictures of heat: temperature against its limit, frames, level and power over time.

matplotlib is loaded by the first call and not before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from faceguard.edge.atomic import Staged, one_line
from faceguard.edge.heat.series import SHARE, Column, Series
from faceguard.engines.errors import MissingPackage, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOUR = "#b2182b"
_COOL, _GREY, _LIMIT = "#2166ac", "#8c8c8c", "#d6604d"
# Told apart by the colour-blind too (Okabe and Ito), and lighter than what is drawn over them.
_ZONES = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#999933", "#882255", "#777777")
_MOST_NAMES, _LONGEST_NAME = 8, 60
_SHADE = 0.22
_WIDTH_IN, _DPI = 10.0, 120
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY_S = 86_400
_MOST_TICKS = 13
# Name, seconds, and from which span on.
_UNITS = (("h", 3600, 4 * 3600), ("min", 60, 120), ("s", 1, 0))
# What is larger was never measured, and matplotlib fails at what is much larger.
_MOST = 1e6


class Panels(NamedTuple):
    """Where to draw; None for what shall not be drawn."""

    temperature: Axes | None
    rate: Axes | None
    level: Axes | None
    power: Axes | None


def plot_file(series: Series, path: Path, *, force: bool = False) -> None:
    """Draws a picture of one run; the file appears whole or not at all.

    Args:
        series: What to draw.
        path: The picture, `.png`.
        force: Whether it may take the place of one that is there.

    Raises:
        UsageError: The name does not end in `.png`.
        MissingPackage: matplotlib is not there.
        OutputExists: Something stands there and `force` is off.
        OutputError: It cannot be written.
    """
    check(path, force=force)
    with Staged(path, force=force) as staged:
        drawn = figure(series)
        with staged.told():
            drawn.savefig(staged.part, format="png", dpi=_DPI, metadata={"Software": None})
        staged.commit()


def check(path: Path, *, force: bool) -> None:
    """Whether a picture can be drawn there.

    Args:
        path: The picture.
        force: Whether it may take the place of one that is there.

    Raises:
        FaceguardError: As `plot_file` does.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{one_line(path)}: the picture's name must end in .png")
    _matplotlib()
    Staged(path, force=force).close()


def figure(series: Series) -> Figure:
    """A figure of one run, with a panel for all that it has.

    Raises:
        MissingPackage: matplotlib is not there.
    """
    made = _matplotlib()
    heights = [3.4, 1.3, 1.3] + [1.2] * bool(series.power_w)
    drawn: Figure = made.Figure(
        figsize=(_WIDTH_IN, 1.0 + 0.82 * sum(heights)), layout="constrained"
    )
    axes = drawn.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    panels = Panels(*axes, *[None] * (4 - len(axes)))
    draw(series, panels)
    drawn.suptitle(_plain(series.title), fontsize=11, x=0.01, ha="left")
    drawn.align_ylabels(axes)
    return drawn


def draw(series: Series, panels: Panels, *, colour: str = COLOUR, label: str | None = None) -> None:
    """Draws a run on axes of one's own; call it once for each run to compare some.

    Args:
        series: What to draw.
        panels: Where to.
        colour: Of this run, in all panels.
        label: Of this run, for a legend of one's own. Without it, the run is drawn as the only
            one: with its zones, a colour for each panel, and a legend.

    Raises:
        MissingPackage: matplotlib is not there.
    """
    _matplotlib()
    from matplotlib.ticker import MaxNLocator

    alone = label is None
    line: dict[str, Any] = {} if label is None else {"color": colour, "label": _plain(label)}
    # What other runs need stays in sight.
    seen = {axes: axes.get_ylim() for axes in panels if axes is not None and axes.has_data()}
    if panels.temperature is not None:
        _temperature(panels.temperature, series, line or {"color": COLOUR}, alone=alone)
    if panels.rate is not None:
        _fill(panels.rate, series, series.rate, line or {"color": "#1b7837"}, alone=alone)
        panels.rate.set_ylabel(series.rate_unit)
        top = 100.0 if series.rate_unit == SHARE else max(_known(series.rate), default=1.0)
        panels.rate.set_ylim(0, max(0.1, 1.12 * top))
    if panels.level is not None:
        _fill(panels.level, series, series.level, line or {"color": "#762a83"}, alone=alone)
        panels.level.set_ylabel("level")
        panels.level.set_ylim(0, max(3.0, 1.12 * max(_known(series.level), default=0.0)))
        panels.level.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    if panels.power is not None and series.power_w:
        _line(panels.power, series, series.power_w, line or {"color": _COOL}, width=1.2)
        top = max([*_known(series.power_w), *_known([series.power_limit_w])], default=1.0)
        if _known([series.power_limit_w]):
            panels.power.axhline(
                series.power_limit_w or 0.0, color=_LIMIT, linestyle="--", linewidth=1.2
            )
        panels.power.set_ylabel("power, W")
        panels.power.set_ylim(0, max(0.1, 1.12 * top))
    for shared, (low, high) in seen.items():
        now_low, now_high = shared.get_ylim()
        shared.set_ylim(min(low, now_low), max(high, now_high))
    for axes in panels:
        if axes is not None:
            _blind(axes, series)
            axes.grid(visible=True, color="#e3e3e3", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.margins(x=0)
    _time(panels, series)


def _matplotlib() -> Any:  # noqa: ANN401 - a module that may not be there has no type
    try:
        # Not pyplot: that looks for a display, and keeps every figure until it is closed.
        from matplotlib import figure as made
    except ImportError as error:
        raise MissingPackage(
            f"a plot needs matplotlib ({' '.join(str(error).split())}); "
            "run: pip install 'faceguard-edge[plot]'"
        ) from error
    return made


def _temperature(axes: Axes, series: Series, line: dict[str, Any], *, alone: bool) -> None:
    _line(axes, series, series.temperature_c, {"label": "believed", **line}, width=1.5)
    limit = {"color": _LIMIT, "label": "limit" if alone else None}
    _line(axes, series, series.limit_c, limit, width=1.2, style="--", order=2.6)
    if alone:
        emergency = {"color": _LIMIT, "label": "pause at once"}
        if series.emergency_c:
            _line(axes, series, series.emergency_c, emergency, width=1.2, style=":", order=2.6)
        _zones(axes, series)
    axes.set_ylabel("temperature, \N{DEGREE SIGN}C")
    _room(axes, series)


def _zones(axes: Axes, series: Series) -> None:
    """Each zone, thin, and who is who."""
    from matplotlib.patches import Patch

    seen = {name: column for name, column in series.zones_c.items() if _known(column)}
    for place, (name, column) in enumerate(seen.items()):
        style = {"color": _ZONES[place % len(_ZONES)], "label": _plain(name)}
        _line(axes, series, column, style, width=0.7, alpha=0.8, order=2.4)
    handles, names = axes.get_legend_handles_labels()
    if any(_blind_stretches(series)):
        handles.append(Patch(color=_GREY, alpha=_SHADE, linewidth=0))
        names.append("blind")
    known = 3 + _MOST_NAMES
    left = f"and {len(names) - known} more" if len(names) > known else None
    legend = axes.legend(
        handles[:known],
        names[:known],
        title=left,
        loc="lower left",
        bbox_to_anchor=(-0.005, 1.0),
        ncols=6,
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        alignment="left",
        borderaxespad=0.2,
        handlelength=1.5,
        columnspacing=1.6,
    )
    for handle in legend.get_lines():
        handle.set_linewidth(max(1.4, handle.get_linewidth()))


def _room(axes: Axes, series: Series) -> None:
    """All that is near the limit, and no zone that is far off."""
    seen = _known(series.temperature_c) or [c for z in series.zones_c.values() for c in _known(z)]
    lines = _known(series.limit_c) + _known(series.emergency_c)
    zones = [c for column in series.zones_c.values() for c in _known(column)]
    if not seen + lines:
        return
    low, high = min(seen + lines), max(seen + lines)
    # A sensor that says -40 or 150 shall not make all the rest a flat line.
    low = min([low, *(c for c in zones if low - 25 <= c)])
    high = max([high, *(c for c in zones if c <= high + 15)])
    axes.set_ylim(low - 2, high + 2)


def _line(
    axes: Axes,
    series: Series,
    column: Column,
    look: dict[str, Any],
    *,
    width: float,
    style: str = "-",
    alpha: float = 1.0,
    order: float = 2.5,
) -> None:
    axes.plot(
        series.seconds,
        _finite(column),
        linestyle=style,
        linewidth=width,
        alpha=alpha,
        zorder=order,
        solid_joinstyle="round",
        **look,
    )


def _fill(axes: Axes, series: Series, column: Column, look: dict[str, Any], *, alone: bool) -> None:
    """What changes in steps: each value holds until the next."""
    values = _finite(column)
    axes.step(series.seconds, values, where="post", linewidth=1.2, **look)
    if alone:
        axes.fill_between(
            series.seconds, values, step="post", alpha=0.18, linewidth=0, color=look["color"]
        )


def _blind(axes: Axes, series: Series) -> None:
    """Shades where no temperature is believed."""
    for begun, ended in _blind_stretches(series):
        axes.axvspan(begun, ended, color=_GREY, alpha=_SHADE, linewidth=0, zorder=0.5)


def _blind_stretches(series: Series) -> Iterator[tuple[float, float]]:
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


def _time(panels: Panels, series: Series) -> None:
    """Ticks at whole minutes or hours; the lowest panel names them."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    there = [axes for axes in panels if axes is not None]
    span_s = max(1.0, series.seconds[-1] - series.seconds[0])
    fitting = (step for step in _STEPS_S if span_s / step <= _MOST_TICKS)
    step_s = next(fitting, _DAY_S * math.ceil(span_s / _DAY_S / _MOST_TICKS))
    unit, one_s = next((name, one_s) for name, one_s, from_s in _UNITS if span_s >= from_s)

    def told(at_s: float, _place: int) -> str:
        return f"{at_s / one_s:g}"

    for axes in there:
        axes.xaxis.set_major_locator(MultipleLocator(step_s))
        axes.xaxis.set_major_formatter(FuncFormatter(told))
    there[-1].set_xlabel(f"time, {unit}")


def _known(column: Column) -> list[float]:
    return [value for value in _finite(column) if not math.isnan(value)]


def _finite(column: Column) -> list[float]:
    """NaN where there is nothing to draw."""
    return [math.nan if v is None or not -_MOST < v < _MOST else float(v) for v in column]


def _plain(text: str) -> str:
    """A text with nothing in it that matplotlib reads as more, of letters that its font has."""
    shown = one_line(text)[:_LONGEST_NAME].encode("latin-1", "replace").decode("latin-1")
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")
