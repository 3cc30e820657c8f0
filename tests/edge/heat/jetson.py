"""An Orin Nano's files in a folder, and a program called nvpmodel that changes them, or lies."""

from __future__ import annotations

import os
from pathlib import Path

MODEL = "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
CORES = "".join(f"CPU_ONLINE CORE_{core} 1\n" for core in range(6))
FOUR_CORES = CORES.replace("CORE_4 1", "CORE_4 0").replace("CORE_5 1", "CORE_5 0")

# Laid out as on the board: comments that name the sections, parameters, modes, the default.
CONFIGURATION = f"""\
#
# FORMAT:
# < PARAM TYPE=PARAM_TYPE NAME=PARAM_NAME >
# < POWER_MODEL ID=id_num NAME=mode_name >
# < PM_CONFIG DEFAULT=default_mode >

< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_0 /sys/devices/system/cpu/cpu0/online
CORE_4 /sys/devices/system/cpu/cpu4/online
<PARAM TYPE=CLOCK NAME=EMC >
MAX_FREQ /sys/kernel/nvpmodel_emc_cap/emc_iso_cap

< POWER_MODEL ID=0 NAME=15W >
{CORES}GPU MAX_FREQ 612000000
EMC MAX_FREQ 2133000000

< POWER_MODEL ID=1 NAME=25W >
{CORES}GPU MAX_FREQ 918000000
EMC MAX_FREQ 3199000000

< POWER_MODEL ID=2 NAME=MAXN_SUPER >
{CORES}GPU MAX_FREQ -1

< POWER_MODEL ID=3 NAME=7W >
{FOUR_CORES}GPU MAX_FREQ 408000000

# mandatory section to configure the default power mode
< PM_CONFIG DEFAULT=1 >
"""

# `in_force` is what the hardware does; the status file is only what was noted.
_PROGRAM = """\
#!/bin/sh
root={root}
kind=$(cat "$root/kind")
name() {{ sed -n "s/^< POWER_MODEL ID=$1 NAME=\\([^ ]*\\) >/\\1/p" "$root/etc/nvpmodel.conf"; }}
note() {{ printf 'pmode:%04d fmode:fan_mode_quiet\\n' "$1" > "$root/var/lib/nvpmodel/status"; }}
switch() {{ note "$1"; echo "$1" > "$root/in_force"; }}
echo "$*" >> "$root/calls"
if [ "$1" = -q ]; then
  [ "$kind" = mute ] && exit 1
  [ "$kind" = deaf ] && exec sleep 600
  echo "NVPM WARN: fan mode is not set to cool"
  echo "NV Power Mode: $(name "$(cat "$root/in_force")")"
  cat "$root/in_force"
  echo "NVPM ERROR: Error opening /sys/kernel/nvpmodel_emc_cap/emc_iso_cap: 13" >&2
  exit 0
fi
before=$(cat "$root/in_force")
case "$kind" in
honest | mute | deaf) switch "$2" ;;
lies) echo "switched" ;;
notes_only) note "$2" ;;
forgets) echo "$2" > "$root/in_force" ;;
falls_back)
  switch "$2"
  (sleep 1; switch "$before") > /dev/null 2>&1 &
  ;;
asks | asks_well)
  echo "NVPM WARN: Reboot required for changing to this power mode: $2" >&2
  echo "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:" >&2
  if read -r answer && [ "$answer" = YES ]; then touch "$root/restarted"; exit 0; fi
  echo "NVPM ERROR: optMask is 1, no request for power mode" >&2
  [ "$kind" = asks_well ]
  ;;
hangs)
  echo $$ > "$root/pid"
  exec sleep 600
  ;;
forbidden)
  echo "NVPM ERROR: Error opening /sys/devices/system/cpu/cpu4/online: 13" >&2
  exit 1
  ;;
breaks)
  echo "NVPM ERROR: failed to set power \033[31mmode!" >&2
  exit 3
  ;;
esac
"""


class Board:
    """An Orin Nano in a folder."""

    def __init__(self, root: Path, mode: int = 1, kind: str = "honest") -> None:
        """Lays it out.

        Args:
            root: The folder.
            mode: Number of the mode in force.
            kind: How its nvpmodel behaves.
        """
        self.root = root
        self.lay("proc/device-tree/model", f"{MODEL}\0")
        self.lay("proc/device-tree/compatible", "nvidia,p3767-0005\0nvidia,tegra234\0")
        self.lay("etc/nvpmodel/nvpmodel_p3767_0003_super.conf", CONFIGURATION)
        (root / "etc/nvpmodel.conf").symlink_to("nvpmodel/nvpmodel_p3767_0003_super.conf")
        self.lay("var/lib/nvpmodel/status", f"pmode:{mode:04d} fmode:fan_mode_quiet\n")
        self.lay("in_force", f"{mode}\n")
        self.lay("calls", "")
        self.behave(kind)
        self.lay("usr/sbin/nvpmodel", _PROGRAM.format(root=root)).chmod(0o755)

    def lay(self, name: str, text: str) -> Path:
        """Writes one of its files."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def chip(self, number: int, name: str, **files: object) -> None:
        """Adds a hwmon chip."""
        folder = f"sys/class/hwmon/hwmon{number}"
        self.lay(f"{folder}/name", f"{name}\n")
        for file, value in files.items():
            self.lay(f"{folder}/{file}", f"{value}\n")

    def zone(self, number: int, kind: str, millidegrees: int | None, trip: int = 99000) -> None:
        """Adds a thermal zone; one without a temperature is empty."""
        folder = f"sys/class/thermal/thermal_zone{number}"
        self.lay(f"{folder}/type", f"{kind}\n")
        self.lay(f"{folder}/temp", "" if millidegrees is None else f"{millidegrees}\n")
        self.lay(f"{folder}/trip_point_0_type", "passive\n")
        self.lay(f"{folder}/trip_point_0_temp", f"{trip}\n")

    def behave(self, kind: str) -> None:
        """Makes its nvpmodel behave otherwise."""
        self.lay("kind", f"{kind}\n")

    @property
    def calls(self) -> list[str]:
        """What its nvpmodel was called with."""
        return (self.root / "calls").read_text().splitlines()

    @property
    def in_force(self) -> int:
        """Number of the mode that the hardware is in."""
        return int((self.root / "in_force").read_text())


def path_with(folder: Path) -> str:
    """A search path that has a folder first."""
    return os.pathsep.join((str(folder), os.environ["PATH"]))
