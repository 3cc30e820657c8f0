"""An Orin Nano's /sys/class/thermal as a FUSE tree; its temperature follows what a daemon does.

Run as `python -m tests.edge.heat.fuse_board FOLDER`, in a mount namespace of its own; see
board_process.py, which does it. FOLDER has `settings.json`, and gets `truth.jsonl`: what is so,
five times a second. Its `control.json`, read again at each access, breaks things while it runs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import Any

from tests.edge.heat.board_heat import Hot, Settings

MOUNTED = Path("/sys/class/thermal")
# These have no sensor behind them, and always say "try again".
BLIND = ("cv0", "cv1", "cv2")
ZONES = ("cpu", "gpu", *BLIND, "soc0", "soc1", "soc2", "tj")
THROTTLES = tuple(f"{name}-throttle-alert" for name in ("cpu", "gpu", *BLIND))
# The fan turns, and the alert about a hot surface comes, long before anything throttles.
COOLERS = ("pwm-fan", *THROTTLES, "hot-surface-alert")
THROTTLES_C, HOT_SURFACE_C = 99.0, 70.0
TRIPS = ((99_000, "passive"), (104_500, "critical"))
# Only a notice is bound to this one; it looks as if throttling began here.
NOTICE_TRIP = (70_000, "passive")
_PR_SET_PDEATHSIG = 1


class Tree:
    """The files; what fusepy calls."""

    use_ns = True

    def __init__(self, hot: Hot, settings: Settings) -> None:
        self._hot = hot
        usual = {name: (*TRIPS, NOTICE_TRIP) if name == "tj" else TRIPS for name in ZONES}
        self._trips = {name: (*usual[name], *settings.trips.get(name, ())) for name in ZONES}
        # By zone: its cooling device, and the trip point at which the kernel uses that.
        self._bound = {name: (f"{name}-throttle-alert", 0) for name in ("cpu", "gpu", *BLIND)}
        self._bound["tj"] = ("hot-surface-alert", usual["tj"].index(NOTICE_TRIP))
        self._zones = {f"thermal_zone{n}": name for n, name in enumerate(ZONES)}
        self._coolers = {f"cooling_device{n}": name for n, name in enumerate(COOLERS)}

    def __call__(self, operation: str, *args: Any) -> Any:
        return getattr(self, operation)(*args)

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        folder, _, name = path.strip("/").partition("/")
        if not folder or (not name and folder in self._folders()):
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if name == "cdev0" and name in self._files(folder):
            return {"st_mode": stat.S_IFLNK | 0o777, "st_nlink": 1}
        if name and name in self._files(folder):
            # As sysfs has it: every file is a page long, whatever it says.
            return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": 4096}
        raise OSError(errno.ENOENT, "no such file")

    def readdir(self, path: str, _handle: int) -> list[str]:
        folder = path.strip("/")
        return [".", "..", *(self._files(folder) if folder else self._folders())]

    def readlink(self, path: str) -> str:
        cooler, _trip = self._bound[self._zones[path.strip("/").split("/")[0]]]
        return f"../cooling_device{COOLERS.index(cooler)}"

    def read(self, path: str, size: int, offset: int, _handle: int) -> bytes:
        folder, _, name = path.strip("/").partition("/")
        if folder not in self._folders():
            # It was there when it was opened.
            raise OSError(errno.ENODEV, "gone")
        if offset:
            # A driver is asked once: whoever reads on only learns that this was all.
            return b""
        is_zone = folder in self._zones
        text = (
            self._of_zone(self._zones[folder], name) if is_zone else self._of_cooler(folder, name)
        )
        return text[:size]

    def _folders(self) -> list[str]:
        there = [
            path for path, name in self._zones.items() if not self._hot.fault(name).get("gone")
        ]
        return [*there, *self._coolers]

    def _files(self, folder: str) -> list[str]:
        if folder not in self._folders():
            return []
        if folder in self._coolers:
            return ["type", "cur_state", "max_state"]
        zone = self._zones[folder]
        bound = ["cdev0", "cdev0_trip_point"] if zone in self._bound else []
        return ["type", "temp", "mode", *bound] + [
            f"trip_point_{n}_{what}"
            for n in range(len(self._trips[zone]))
            for what in ("type", "temp", "hyst")
        ]

    def _of_zone(self, zone: str, name: str) -> bytes:
        if name == "temp":
            fault = self._hot.fault(zone)
            # Nothing is held meanwhile: other reads go on.
            threading.Event().wait(fault.get("slow_s", 0))
            if zone in BLIND or fault.get("busy"):
                raise OSError(errno.EAGAIN, "try again")
            return self._hot.shown(zone)
        if name == "cdev0_trip_point":
            return b"%d\n" % self._bound[zone][1]
        if name.startswith("trip_point_"):
            number, what = name.split("_")[2:]
            temp, kind = self._trips[zone][int(number)]
            return f"{ {'type': kind, 'temp': temp, 'hyst': 0}[what] }\n".encode()
        return {"type": f"{zone}-thermal\n", "mode": "enabled\n"}[name].encode()

    def _of_cooler(self, folder: str, name: str) -> bytes:
        kind = self._coolers[folder]
        if name == "type":
            return f"{kind}\n".encode()
        if name == "max_state":
            return b"1\n"
        at_c = {"pwm-fan": 0.0, "hot-surface-alert": HOT_SURFACE_C}.get(kind, THROTTLES_C)
        return b"%d\n" % (self._hot.hottest_c() > at_c)


def main(folder: Path) -> None:
    """Mounts the tree and serves it until it is killed, or until its parent ends."""
    from fuse import FUSE

    settings = Settings.from_json((folder / "settings.json").read_text())
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != settings.parent:
        sys.exit("the tests that wanted this board are gone")
    hot = Hot(folder, settings)
    hot.start()
    FUSE(
        Tree(hot, settings),
        str(MOUNTED),
        foreground=True,
        nonempty=True,
        direct_io=True,
        allow_other=True,
        ro=True,
        # What vanishes is gone at once.
        attr_timeout=0,
        entry_timeout=0,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
