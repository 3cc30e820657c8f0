"""What enlarging costs, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from faceguard.edge.bench.stopwatch import Timing
from faceguard.edge.bench.upscaling import Row
from faceguard.engines.memory import show_bytes

_HEADS = ("model", "frames", "become", "tile", "tiles", "ms a frame", "warm-up ms", "memory")
_WIDTHS = (11, 11, 11, 12, 6, 11, 11, 9)
PREDICTED_WORDS = (
    "predicted: a frame takes longer than there was time for, so a part of one was measured; "
    "--seconds gives more."
)


def head() -> str:
    """The line above the rows."""
    cells = (f"{name:>{width}}" for name, width in zip(_HEADS, _WIDTHS, strict=True))
    return "  ".join(cells) + "    frames/s"


def line(row: Row) -> str:
    """A row for people."""
    timing = row.timing
    first = [row.model, _size(row.width, row.height), _size(*_grown(row))]
    if timing is None or row.tile is None:
        cells = (f"{cell:>{width}}" for cell, width in zip(first, _WIDTHS, strict=False))
        return "  ".join(cells) + f"  refused: {row.refused}"
    tile = _size(row.tile.width, row.tile.height)
    told = [
        *first,
        tile if row.tile.batch == 1 else f"{row.tile.batch} of {tile}",
        f"{row.tiles}",
        _figure(1000 * timing.seconds),
        "-" if timing.warm_up_s is None else _figure(1000 * timing.warm_up_s),
        "-" if row.peak_bytes is None else show_bytes(row.peak_bytes),
    ]
    cells = (f"{cell:>{width}}" for cell, width in zip(told, _WIDTHS, strict=True))
    mark = " predicted" if timing.is_predicted else ""
    return "  ".join(cells) + f"  {_figure(1 / timing.seconds):>10}{mark}"


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for programs; None where there is no figure."""
    return [_plain(row) for row in rows]


def _plain(row: Row) -> dict[str, Any]:
    wide, tall = _grown(row)
    return {
        "model": row.model,
        "scale": row.scale,
        "width": row.width,
        "height": row.height,
        "output_width": wide,
        "output_height": tall,
        **_times(row.timing),
        "tile": [row.tile.width, row.tile.height] if row.tile else None,
        "batch": row.tile.batch if row.tile else None,
        "tiles": row.tiles or None,
        "peak_bytes": row.peak_bytes,
        "refused": str(row.refused) if row.refused else None,
    }


def _times(timing: Timing | None) -> dict[str, Any]:
    if timing is None:
        return dict.fromkeys(("fps", "frame_ms", "predicted", "frames_measured", "warm_up_ms"))
    warm_up_s = timing.warm_up_s
    return {
        "fps": round(1 / timing.seconds, 4),
        "frame_ms": round(1000 * timing.seconds, 3),
        "predicted": timing.is_predicted,
        "frames_measured": timing.runs,
        "warm_up_ms": None if warm_up_s is None else round(1000 * warm_up_s, 3),
    }


def _grown(row: Row) -> tuple[int, int]:
    return row.width * row.scale, row.height * row.scale


def _size(width: int, height: int) -> str:
    return f"{width}x{height}"


def _figure(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"
