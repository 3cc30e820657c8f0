"""Whether this is a Jetson, which one, and which JetPack it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faceguard.edge.doctor.finding import Finding, State
from faceguard.engines.l4t import L4t, parse_l4t, release_text

# First L4T of each JetPack, in rising order (NVIDIA's JetPack archive).
_JETPACKS = (
    ((36, 3, 0), "6.0"),
    ((36, 4, 0), "6.1"),
    ((36, 4, 3), "6.2"),
    ((36, 4, 4), "6.2.1"),
    ((36, 5, 0), "6.2.2"),
    ((38, 2, 0), "7.0"),
    ((38, 4, 0), "7.1"),
    ((39, 2, 0), "7.2"),
    ((39, 2, 1), "7.2.1"),
)
_OLDEST_L4T = (36, 4, 0)
_PYTHON = {"6": (3, 10), "7": (3, 12)}
_FLASH = "flash JetPack 6.2 or newer with NVIDIA SDK Manager"


@dataclass(frozen=True)
class Jetson:
    """What a Jetson says of itself.

    Attributes:
        model: The board's name.
        l4t: Jetson Linux as (release, revision, patch); None where it does not say.
        jetpack: The JetPack that belongs to it; None where that is not known.
    """

    model: str
    l4t: L4t | None
    jetpack: str | None

    @property
    def has_nvenc(self) -> bool:
        """Whether the board has NVIDIA's encoder in hardware, which all but Orin Nano do."""
        return "Orin Nano" not in self.model

    @property
    def python(self) -> tuple[int, int] | None:
        """The Python that JetPack's own modules are made for; None where that is not known."""
        return _PYTHON.get(self.jetpack.split(".")[0]) if self.jetpack else None


def read_jetson(root: Path = Path("/")) -> Jetson | None:
    """Reads the device tree and the release file.

    Args:
        root: Where `proc` and `etc` are.

    Returns:
        The Jetson; None on any other machine.
    """
    # Strings of the device tree end with a NUL byte.
    compatible = _read(root / "proc/device-tree/compatible").split("\0")
    release = release_text(root)
    if not release and not any(name.startswith("nvidia,tegra") for name in compatible):
        return None
    model = _read(root / "proc/device-tree/model").strip("\0 \n") or "NVIDIA Jetson"
    l4t = parse_l4t(release)
    return Jetson(model, l4t, _jetpack(l4t) if l4t else None)


def check_jetson(root: Path = Path("/")) -> list[Finding]:
    """Which board and JetPack; nothing on any other machine."""
    jetson = read_jetson(root)
    if jetson is None:
        return []
    if jetson.l4t is None:
        return [
            Finding(
                "Jetson",
                State.NOTE,
                f"{jetson.model}, L4T unknown: /etc/nv_tegra_release is not there or not readable",
                "in a container, mount /etc/nv_tegra_release into it",
            )
        ]
    detail = f"{jetson.model}, L4T {'.'.join(map(str, jetson.l4t))}"
    detail += f" (JetPack {jetson.jetpack})" if jetson.jetpack else " (JetPack unknown)"
    if jetson.l4t < _OLDEST_L4T:
        return [Finding("Jetson", State.NOTE, f"{detail}, older than JetPack 6.1", _FLASH)]
    return [Finding("Jetson", State.OK, detail)]


def _jetpack(l4t: L4t) -> str | None:
    """The JetPack of this L4T; patches that are newer than the table go with the last before."""
    name = None
    for first, candidate in _JETPACKS:
        if first[:2] == l4t[:2] and first <= l4t:
            name = candidate
    return name


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
