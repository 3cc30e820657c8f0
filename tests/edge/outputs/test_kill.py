"""kill -9 at 50 random moments: what is closed plays, what was open plays to its last fragment."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from faceguard.edge.outputs.disk import Shelf
from faceguard.edge.outputs.part import whole_bytes
from tests.edge.outputs.recorded import numbers
from tests.edge.outputs.recorder import NAME, closed, opened, order

KILLS = 50
CUT_OFF = 5


def test_killed_at_any_moment(tmp_path):
    moments = random.Random(4)
    place = tmp_path / NAME
    known: dict[int, list[int]] = {}  # by inode, which a new name does not change
    cut_off: set[int] = set()
    lengths, longest_s = [], 0.08
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        # On a slow machine it takes longer runs, and more, until some are cut off in the middle.
        while len(lengths) < KILLS or (len(cut_off) < CUT_OFF and len(lengths) < 4 * KILLS):
            parent.stdin.write(f"{moments.uniform(0, longest_s)}\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == "9\n"
            run = []
            for path in sorted(closed(place) + opened(place), key=order):
                file = path.stat().st_ino
                if file in known or not has_fragment(path):
                    continue
                known[file] = numbers(path)
                run += known[file]
                if ".part." in path.name:
                    cut_off.add(file)
            # Nothing is missing from a run up to its last fragment.
            assert run == list(range(len(run)))
            lengths.append(len(run))
            longest_s = min(2.0, longest_s * (1 if run else 1.1))
        parent.stdin.close()
        assert parent.wait(20) == 0
    with Shelf(tmp_path, NAME) as shelf:
        shelf.adopt()
    assert opened(place) == []
    files = {path.stat().st_ino: path for path in closed(place)}
    assert files.keys() == known.keys()
    for file in cut_off:
        assert numbers(files[file]) == known[file]
    assert len(cut_off) >= CUT_OFF


def has_fragment(path: Path) -> bool:
    if ".part." not in path.name:
        return True
    with path.open("rb") as file:
        return whole_bytes(file.fileno()) > 0
