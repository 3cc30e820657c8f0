"""A process that follows the sensors of a folder and the fake GPUs, and says what it sees.

For each line that it is told it prints the survey in one line; at the end of its input it closes
the sensors and prints how often the library was begun and not ended, and the threads that are left.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from faceguard.edge.heat.sensing.sensors import Sensors


def main() -> None:
    loaded = "pynvml" in sys.modules
    with Sensors(Path(sys.argv[1]), period_s=0.02, nvml=True) as sensors:
        sensors.start()
        for _ in sys.stdin:
            print(json.dumps(asdict(sensors.latest)), flush=True)  # noqa: T201 - a test reads it
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("sensors")]
    begun = ctypes.CDLL("libnvidia-ml.so.1").fake_begun()
    print(json.dumps({"begun": begun, "threads": names, "early": loaded}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
