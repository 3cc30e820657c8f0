"""The power modes of a Jetson: which there are, and which one is in force, as its files say."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

_CONFIGURATION = "etc/nvpmodel.conf"
_STATUS = "var/lib/nvpmodel/status"

# A configuration is some 10 kB, a status some bytes; what is longer is something else.
_MOST_BYTES = 1_000_000

_SECTION = re.compile(r"\s*<\s*(\w+)([^>]*)>")
_ID = re.compile(r"\bID\s*=\s*([0-9]{1,6})\b")
_NAME = re.compile(r"\bNAME\s*=\s*([A-Za-z0-9_.+-]{1,40})(?=\s|$)")
_DEFAULT = re.compile(r"\bDEFAULT\s*=\s*([0-9]{1,6})\b")
_CORE_OFF = re.compile(r"\s*CPU_ONLINE\s+CORE_[0-9]+\s+0\s*$")
_PRESENT = re.compile(r"\bpmode:\s*([0-9]{1,6})\b")
_WATTS = re.compile(r"(?:MODE_)?([0-9]{1,3})W(?:_|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Mode:
    """A power mode. Numbers differ from board to board, so that only names can be compared.

    Attributes:
        id: What `nvpmodel -m` takes on this board.
        name: What people call it: "15W", "MAXN_SUPER".
        cores_off: How many CPU cores it switches off.
    """

    id: int
    name: str
    cores_off: int = 0

    @property
    def watts(self) -> float | None:
        """The budget that its name tells; infinite for MAXN; None for a name that tells none."""
        told = _WATTS.match(self.name)
        if told is not None:
            return float(told.group(1))
        return float("inf") if self.name.upper().startswith("MAXN") else None


@dataclass(frozen=True)
class Modes:
    """What a board's configuration offers.

    Attributes:
        all: In the order of the file.
        default: The one that a board starts in that was never told another; None where the file
            names none of its own.
    """

    all: tuple[Mode, ...] = ()
    default: Mode | None = None

    def by_id(self, number: int) -> Mode | None:
        """The mode of this number."""
        return next((mode for mode in self.all if mode.id == number), None)

    def by_name(self, name: str) -> Mode | None:
        """The mode of this name; capitals do not matter."""
        return next((mode for mode in self.all if mode.name.upper() == name.upper()), None)


def read_modes(root: Path = Path("/")) -> Modes:
    """The modes that this board has; none where it has no such file, or a damaged one.

    Args:
        root: Where `etc` is.
    """
    found: dict[int, Mode] = {}
    default: int | None = None
    current: int | None = None
    for line in _read(root / _CONFIGURATION).splitlines():
        section = _SECTION.match(line)
        if section is None:
            if current is not None and _CORE_OFF.match(line):
                found[current] = replace(found[current], cores_off=found[current].cores_off + 1)
            continue
        kind, fields = section.groups()
        current = None
        if kind == "POWER_MODEL":
            number, name = _ID.search(fields), _NAME.search(fields)
            if number is not None and name is not None and int(number.group(1)) not in found:
                current = int(number.group(1))
                found[current] = Mode(current, name.group(1))
        elif kind == "PM_CONFIG":
            told = _DEFAULT.search(fields)
            default = default if told is None else int(told.group(1))
    modes = Modes(tuple(found.values()))
    return modes if default is None else replace(modes, default=modes.by_id(default))


def read_mode(root: Path = Path("/")) -> Mode | None:
    """The mode that is in force; None where that cannot be known.

    Args:
        root: Where `etc` and `var` are.
    """
    told = _PRESENT.search(_read(root / _STATUS))
    return None if told is None else read_modes(root).by_id(int(told.group(1)))


def _read(path: Path) -> str:
    """The file's text, or nothing: the configuration may be a link that leads nowhere."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
