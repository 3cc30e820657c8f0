"""A picture of each board: temperature, frames and level of the three ways, over two hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator, MultipleLocator

from benchmarks.parts.heat_table import BEST, GOVERNOR, SOURCE, Row
from benchmarks.parts.plant import CAMERA_RATE

# In the order in which they are drawn.
_STYLES = {SOURCE: ("#fd9a50", 0.8), BEST: ("#333333", 1.2), GOVERNOR: ("#0868ac", 1.6)}
_STRETCH_S = 20
_DPI = 100


def plot_models(rows: Sequence[Row], folder: Path, limit_c: float) -> list[Path]:
    """Draws each model with all its loads beside each other, from the first seed.

    Args:
        rows: What was measured.
        folder: Where `heat-MODEL.png` goes.
        limit_c: The limit.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for key in dict.fromkeys(row.model.key for row in rows):
        file = folder / f"heat-{key.replace('_', '-')}.png"
        _plot([row for row in rows if row.model.key == key], file, limit_c)
        files.append(file)
    return files


def _plot(rows: Sequence[Row], file: Path, limit_c: float) -> None:
    figure, axes = plt.subplots(
        3,
        len(rows),
        figsize=(5.6 * len(rows), 6.4),
        sharex=True,
        sharey="row",
        squeeze=False,
        gridspec_kw={"height_ratios": (3, 2, 1.6)},
        layout="constrained",
    )
    for number, row in enumerate(rows):
        _column(row, axes[:, number], limit_c)
    lowest_c = min(min(row.known[BEST].temperatures_c) for row in rows)
    axes[0, 0].set_ylim(min(lowest_c, limit_c - 24) - 1, limit_c + 6)
    axes[1, 0].set_ylim(0, CAMERA_RATE * 1.08)
    # Level 0 is all that was configured: at the top.
    axes[2, 0].set_ylim(max(4, *(max(row.governed[0].levels) for row in rows)) + 1, -1)
    for axis, name in zip(axes[:, 0], ("temperature, C", "frames/s", "its level"), strict=True):
        axis.set_ylabel(name)
    figure.suptitle(f"Heat model: {rows[0].model.label} (simulated, no board)", fontsize=12)
    figure.savefig(file, dpi=_DPI, metadata={"Software": None})
    plt.close(figure)


def _column(row: Row, axes: Any, limit_c: float) -> None:  # noqa: ANN401 - NumPy's array of them
    outcomes = {GOVERNOR: row.governed[0], SOURCE: row.ruled[0], BEST: row.known[BEST]}
    temperature, rate, level = axes
    temperature.set_title(f"20 W, {row.load.label}", fontsize=10)
    temperature.axhline(
        limit_c, color="#c00000", linewidth=1, linestyle="--", label=f"limit: {limit_c:g} C"
    )
    minutes = [index / 60 for index in range(len(row.governed[0].rates))]
    for name, (colour, width) in _STYLES.items():
        outcome = outcomes[name]
        label = f"{name}: {outcome.frames:,.0f} frames, {outcome.hottest_c:.1f} C"
        style = {"color": colour, "linewidth": width}
        temperature.plot(minutes, outcome.temperatures_c, label=label, **style)
        means = list(_means(outcome.rates))
        rate.plot([index * _STRETCH_S / 60 for index in range(len(means))], means, **style)
    colour, width = _STYLES[GOVERNOR]
    level.step(minutes, row.governed[0].levels, where="post", color=colour, linewidth=width)
    level.set_xlabel("minutes")
    level.set_xlim(0, len(minutes) / 60)
    level.xaxis.set_major_locator(MultipleLocator(20))
    level.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    temperature.legend(loc="lower right", fontsize=8, framealpha=0.9)
    for axis in axes:
        axis.grid(visible=True, color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)


def _means(values: Sequence[float]) -> Iterator[float]:
    """Means over stretches: a rule that flickers would be a solid block."""
    for start in range(0, len(values), _STRETCH_S):
        stretch = values[start : start + _STRETCH_S]
        yield sum(stretch) / len(stretch)
