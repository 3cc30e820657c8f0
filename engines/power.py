"""What the board draws, as its INA3221 monitor says: VDD_IN and two rails below it on an Orin."""

from __future__ import annotations

from pathlib import Path

_MONITOR = "ina3221"
_INPUT_RAIL = "VDD_IN"
_CHANNELS = (1, 2, 3)


def rails_w(root: Path = Path("/")) -> dict[str, float]:
    """Power of each rail that can be read, in watts; empty where there is no monitor.

    Args:
        root: Where `sys` is.
    """
    found = {}
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        if _read(folder / "name") != _MONITOR:
            continue
        for channel in _CHANNELS:
            label = _read(folder / f"in{channel}_label")
            millivolts = _read(folder / f"in{channel}_input")
            milliamperes = _read(folder / f"curr{channel}_input")
            # Blind is not zero: a rail that cannot be read is left out.
            if label and _is_number(millivolts) and _is_number(milliamperes):
                found[label] = int(millivolts) * int(milliamperes) / 1e6
    return found


def board_power_w(root: Path = Path("/")) -> float | None:
    """What the whole board draws, in watts; None where that cannot be read."""
    return rails_w(root).get(_INPUT_RAIL)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    # A sensor that fails with EAGAIN makes Python's reader raise TypeError.
    except (OSError, UnicodeDecodeError, TypeError):
        return ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
