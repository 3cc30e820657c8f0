"""10,000 frames through all rooms, encoder and recordings: what is held does not grow.

Memory is that of a process of its own, which does nothing else. RssAnon is what it took for itself;
VmRSS, the figure that people see, has pages of libraries besides. Both are looked at after 2,000
frames, when all queues, pools and caches have been full many times, and again at the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest

from tests.edge.live.house import NAME
from tests.edge.outputs.recorder import closed

ROOT = Path(__file__).parents[3]
FRAMES, FIRST = 10_000, 2_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("soak")


@pytest.fixture(scope="module")
def soaked(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.edge.live.soaked"]
    done = subprocess.run(
        [*command, str(folder), str(FRAMES), str(FIRST)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_every_frame_comes_out_covered_by_masks(soaked):
    assert soaked["frames"] == FRAMES
    assert soaked["masks"] == 2 * FRAMES
    assert (soaked["whole"], soaked["dropped"], soaked["hanging"]) == (0, 0, [])


@pytest.mark.parametrize("measure", ["RssAnon", "VmRSS"])
def test_memory_is_flat_to_two_per_cent(soaked, measure):
    assert soaked["last"][measure] <= soaked["first"][measure] * 1.02


def test_no_file_stays_open(soaked):
    assert soaked["last"]["files"] <= soaked["first"]["files"]


def test_no_frame_is_allocated_once_it_runs(soaked):
    """All copies lie in the one pool that was taken with the first frame."""
    assert soaked["pools"] == 1
    assert soaked["blanks"] == 0
    assert soaked["free"] == soaked["count"]


def test_every_frame_is_in_the_recordings(soaked, folder):
    packets = 0
    for path in closed(folder / "recordings" / NAME):
        with av.open(str(path)) as container:
            packets += sum(1 for packet in container.demux(video=0) if packet.size)
    assert packets == FRAMES
