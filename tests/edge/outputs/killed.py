"""Records numbered frames in children that are killed at any moment; see test_kill.py.

Run as a program of its own: it forks children from a process that has everything imported and no
threads yet, so that fifty of them take seconds. Each line on standard input is the seconds after
which the next child is killed; a line comes out when it is dead.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.edge.outputs.recorded import safe
from tests.edge.outputs.recorder import set_up


def record(folder: Path) -> None:
    """Until somebody ends this process."""
    made = set_up(folder, segment_s=3, encoding={"keyframe_s": 0.4})
    made.recordings.start()
    for number in itertools.count():
        made.encoder.take(safe(number % 2**16))


def main() -> None:
    folder = Path(sys.argv[1])
    pause = threading.Event()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            record(folder)
            os._exit(1)
        pause.wait(float(line))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.WTERMSIG(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
