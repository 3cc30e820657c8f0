"""Pictures of heat: temperature against its limit, frames, level and power over time.

matplotlib is loaded by the first call and not before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from faceguard.edge.atomic import Staged, one_line
from faceguard.edge.heat.traces.plot_lines import (
    GREY,
    SHADE,
    blind,
    blind_stretches,
    fill,
    known,
    line,
    plain,
    time_axis,
)
from faceguard.edge.heat.traces.series import SHARE, Series
from faceguard.engines.errors import MissingPackage, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOUR = "#b2182b"
_COOL, _LIMIT = "#2166ac", "#d6604d"
# What is believed is a zone's own value, as a rule: a broad band, on which that zone is seen.
_BAND: dict[str, Any] = {"width": 4.5, "alpha": 0.4}
_BOUND: dict[str, Any] = {"width": 1.2, "order": 2.6, "steps": True}
# Told apart by the colour-blind too (Okabe and Ito).
_ZONES = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#0072b2", "#999933", "#882255", "#777777")
_MOST_NAMES = 8
_WIDTH_IN, _DPI = 10.0, 120


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
    drawn.suptitle(plain(series.title), fontsize=11, x=0.01, ha="left")
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
    look: dict[str, Any] = {} if label is None else {"color": colour, "label": plain(label)}
    # What other runs need stays in sight.
    seen = {axes: axes.get_ylim() for axes in panels if axes is not None and axes.has_data()}
    if panels.temperature is not None:
        _temperature(panels.temperature, series, look or {"color": COLOUR}, alone=alone)
    if panels.rate is not None:
        fill(panels.rate, series, series.rate, look or {"color": "#1b7837"}, alone=alone)
        panels.rate.set_ylabel(series.rate_unit)
        top = 100.0 if series.rate_unit == SHARE else max(known(series.rate), default=1.0)
        panels.rate.set_ylim(0, max(0.1, 1.12 * top))
    if panels.level is not None:
        fill(panels.level, series, series.level, look or {"color": "#762a83"}, alone=alone)
        panels.level.set_ylabel("level")
        panels.level.set_ylim(0, max(3.0, 1.12 * max(known(series.level), default=0.0)))
        panels.level.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    if panels.power is not None and series.power_w:
        line(panels.power, series, series.power_w, look or {"color": _COOL}, width=1.2)
        if known(series.power_limit_w):
            line(
                panels.power, series, series.power_limit_w, {"color": _LIMIT}, style="--", **_BOUND
            )
        top = max(known(series.power_w) + known(series.power_limit_w), default=1.0)
        panels.power.set_ylabel("power, W")
        panels.power.set_ylim(0, max(0.1, 1.12 * top))
    for shared, (low, high) in seen.items():
        now_low, now_high = shared.get_ylim()
        shared.set_ylim(min(low, now_low), max(high, now_high))
    for axes in panels:
        if axes is not None:
            blind(axes, series)
            axes.grid(visible=True, color="#e3e3e3", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.margins(x=0)
    time_axis([axes for axes in panels if axes is not None], series)


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


def _temperature(axes: Axes, series: Series, look: dict[str, Any], *, alone: bool) -> None:
    band: dict[str, Any] = _BAND if alone and series.zones_c else {"width": 1.5}
    line(axes, series, series.temperature_c, {"label": "believed", **look}, **band)
    limit = {"color": _LIMIT, "label": "limit" if alone else None}
    line(axes, series, series.limit_c, limit, style="--", **_BOUND)
    if alone:
        emergency = {"color": _LIMIT, "label": "pause at once"}
        if series.emergency_c:
            line(axes, series, series.emergency_c, emergency, style=":", **_BOUND)
        _zones(axes, series)
    axes.set_ylabel("temperature, \N{DEGREE SIGN}C")
    _room(axes, series)


def _zones(axes: Axes, series: Series) -> None:
    """Each zone, thin, and who is who."""
    from matplotlib.patches import Patch

    seen = {name: column for name, column in series.zones_c.items() if known(column)}
    for place, (name, column) in enumerate(seen.items()):
        style = {"color": _ZONES[place % len(_ZONES)], "label": plain(name)}
        line(axes, series, column, style, width=1.1, order=2.55)
    handles, names = axes.get_legend_handles_labels()
    if any(blind_stretches(series)):
        handles.append(Patch(color=GREY, alpha=SHADE, linewidth=0))
        names.append("blind")
    most = 3 + _MOST_NAMES
    left = f"and {len(names) - most} more" if len(names) > most else None
    legend = axes.legend(
        handles[:most],
        names[:most],
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
    seen = known(series.temperature_c) or [c for z in series.zones_c.values() for c in known(z)]
    lines = known(series.limit_c) + known(series.emergency_c)
    zones = [c for column in series.zones_c.values() for c in known(column)]
    if not seen + lines:
        return
    low, high = min(seen + lines), max(seen + lines)
    # A sensor that says -40 or 150 shall not make all the rest a flat line.
    low = min([low, *(c for c in zones if low - 25 <= c)])
    high = max([high, *(c for c in zones if c <= high + 15)])
    axes.set_ylim(low - 2, high + 2)
