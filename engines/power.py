"""What the board draws, as its INA3221 monitor says: VDD_IN and two rails below it on an Orin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faceguard.engines.sysfs import Number, ask, ask_number, names_in

_MONITOR = "ina3221"
_INPUT_RAIL = "VDD_IN"
# The channels above these are sums and voltages over the shunts.
_CHANNELS = (1, 2, 3)
_NOT_CONNECTED = "NC"
_MOST_W = 1000.0


@dataclass(frozen=True)
class Rail:
    """One channel of a monitor.

    Attributes:
        name: What the board calls it: "VDD_IN".
        folder: Where the monitor's files are.
        channel: Which of its channels.
    """

    name: str
    folder: Path
    channel: int

    def watts(self) -> Number:
        """What it draws now, in watts, or why that is not known."""
        # The kernel gives millivolts and milliamperes.
        volts = ask_number(self.folder / f"in{self.channel}_input")
        amperes = ask_number(self.folder / f"curr{self.channel}_input")
        if volts.value is None or amperes.value is None:
            return Number(None, volts.reason or amperes.reason)
        power_w = volts.value * amperes.value / 1e6
        if not 0 <= power_w <= _MOST_W:
            return Number(None, f"absurd ({power_w:g})")
        return Number(power_w, None)


def monitor_rails(folder: Path) -> list[Rail]:
    """The rails of one hwmon folder; none where it is no such monitor."""
    if ask(folder / "name").text != _MONITOR:
        return []
    names = {channel: ask(folder / f"in{channel}_label").text for channel in _CHANNELS}
    return [
        Rail(name, folder, channel)
        for channel, name in names.items()
        if name is not None and name != _NOT_CONNECTED
    ]


def rails_w(root: Path = Path("/")) -> dict[str, float]:
    """Power of each rail that can be read, in watts; empty where there is no monitor.

    Args:
        root: Where `sys` is.
    """
    top = root / "sys/class/hwmon"
    rails = [rail for name in names_in(top) or [] for rail in monitor_rails(top / name)]
    answers = {rail.name: rail.watts().value for rail in rails}
    # Blind is not zero: a rail that cannot be read is left out.
    return {name: power_w for name, power_w in answers.items() if power_w is not None}


def board_power_w(root: Path = Path("/")) -> float | None:
    """What the whole board draws, in watts; None where that cannot be read."""
    return rails_w(root).get(_INPUT_RAIL)
