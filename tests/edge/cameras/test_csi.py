"""CSI cameras: real GStreamer pipelines, with another source in the place of Argus'.

What a Jetson has and no other machine, nvarguscamerasrc and nvvidconv, is only checked as text.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faceguard.edge.cameras.csi_pipeline import argus, expected_size
from faceguard.edge.config.camera import CsiCamera
from tests.edge.cameras.children import ask, end_well

CHILD = Path(__file__).with_name("csi_child.py")
ROOT = Path(__file__).resolve().parents[3]
DEBIAN_PYTHON = "/usr/bin/python3"
LIVE = "videotestsrc is-live=true ! video/x-raw,format=NV12,width=322,height=240,framerate=30/1"
ASKED = {"width": 322, "height": 240, "rate": 30}
# Rows of 324 bytes, as GStreamer pads them.
FED = (
    "fdsrc fd=FD do-timestamp=true blocksize=116640 "
    "! rawvideoparse format=nv12 width=322 height=240 framerate=30/1 "
    "plane-strides=<324,324> plane-offsets=<0,77760>"
)
Read = Callable[..., dict[str, Any]]


def _child(kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), kind]
    environment = dict(os.environ)
    if kind == "opencv":
        places = [place for place in sys.path if place.endswith("site-packages")]
        command = [DEBIAN_PYTHON, str(CHILD), kind, *places]
        environment["PYTHONPATH"] = str(ROOT / ".typing")
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def _has(python: str, program: str) -> bool:
    done = subprocess.run([python, "-c", program], check=False, capture_output=True)
    return done.returncode == 0


@pytest.fixture(scope="module")
def children() -> Iterator[dict[str, subprocess.Popen[str]]]:
    started: dict[str, subprocess.Popen[str]] = {}
    yield started
    for process in started.values():
        with process:
            end_well(process)


@pytest.fixture
def read(children: dict[str, subprocess.Popen[str]]) -> Read:
    def run(
        *,
        kind: str = "gi",
        source: str | None = None,
        count: int = 0,
        fed: int = 0,
        times: int = 1,
        open_within_s: float = 20.0,
        silent_after_s: float = 10.0,
        close_after_s: float = 0.0,
        linger_s: float = 0.0,
        **config: object,
    ) -> dict[str, Any]:
        if kind not in children:
            _skip_without(kind)
            children[kind] = _child(kind)
        plan = {
            "source": source,
            "count": count,
            "fed": fed,
            "fed_source": FED,
            "fed_size": [322, 240],
            "times": times,
            "open_within_s": open_within_s,
            "silent_after_s": silent_after_s,
            "close_after_s": close_after_s,
            "linger_s": linger_s,
            "config": {"width": None, "height": None, "rate": None, **config},
        }
        told = ask(children[kind], plan)
        assert told["python_threads_left"] == 0
        return told

    return run


def _skip_without(kind: str) -> None:
    if kind == "gi":
        same = subprocess.run(
            [DEBIAN_PYTHON, "-c", "import sys; print(sys.version_info[:2])"],
            check=False,
            capture_output=True,
            text=True,
        )
        if same.stdout.strip() != str(sys.version_info[:2]):
            pytest.skip("python3-gi here is for another Python than the tests'")
        program = (
            "import gi; gi.require_version('GstApp', '1.0'); gi.require_version('GstVideo', '1.0')"
        )
        if not _has(DEBIAN_PYTHON, program):
            pytest.skip("python3-gi with GStreamer is not on this machine")
        for element in ("videotestsrc", "rawvideoparse", "fdsrc", "identity"):
            inspect = shutil.which("gst-inspect-1.0")
            if inspect and subprocess.run([inspect, "--exists", element], check=False).returncode:
                pytest.skip(f"GStreamer's {element} is not on this machine")
    if kind == "opencv":
        same_python = f"import sys; assert sys.version_info[:2] == {sys.version_info[:2]}"
        program = (
            "import cv2; assert 'GStreamer:                   YES' in cv2.getBuildInformation()"
        )
        if not _has(DEBIAN_PYTHON, f"{same_python}; {program}"):
            pytest.skip("no OpenCV with GStreamer for this Python on this machine")


def test_pixels_arrive_as_they_were_fed(read: Read) -> None:
    told = read(fed=5, silent_after_s=0.5, **ASKED)
    assert told["info"] == {"size": [322, 240], "rate": 30.0, "notes": []}
    assert [picture["number"] for picture in told["pictures"]] == [0, 1, 2, 3, 4]
    assert all(picture["same"] for picture in told["pictures"])
    assert all(picture["size"] == [322, 240] for picture in told["pictures"])
    # Nothing was fed after that, and nobody closed the pipe.
    assert told["error"] == ["CameraSilent", "CSI sensor 0 sent no picture for 0.5 s"]


@pytest.mark.parametrize("kind", ["gi", "opencv"])
def test_a_live_source(read: Read, kind: str) -> None:
    source = LIVE.replace("322", "320")
    told = read(kind=kind, source=source, count=10, through=kind, width=320, height=240, rate=30)
    assert told["error"] is None
    assert told["info"] == {"size": [320, 240], "rate": 30.0, "notes": []}
    assert len(told["pictures"]) == 10
    assert {picture["format"] for picture in told["pictures"]} == {"NV12"}
    assert not any(picture["full_range"] for picture in told["pictures"])
    times = [picture["time_ns"] for picture in told["pictures"]]
    assert times == sorted(set(times))
    assert all(0 <= picture["age_ns"] < 3_000_000_000 for picture in told["pictures"])
    assert told["pictures"][0]["duration_ns"] == 33_333_333


def test_times_are_those_of_capture(read: Read) -> None:
    """The source takes a picture every 33 ms, however late we come for it."""
    told = read(source=LIVE, count=20, **ASKED)
    times = [picture["time_ns"] for picture in told["pictures"]]
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    # Pictures are left out where this machine is busy, but none is taken in between.
    assert all(abs(step / 33_333_333 - round(step / 33_333_333)) < 0.2 for step in steps)


def test_full_range_is_kept(read: Read) -> None:
    source = LIVE + ",colorimetry=1:4:0:0"
    told = read(source=source, count=1, **ASKED)
    assert told["error"] is None
    assert told["pictures"][0]["full_range"]


@pytest.mark.parametrize(
    ("source", "config", "error", "words"),
    [
        (None, {}, "CameraUnfit", "sudo apt install nvidia-l4t-gstreamer"),
        ("nonsense", {}, "CameraUnfit", 'cannot build the pipeline: no element "nonsense"'),
        ("videotestsrc ! audioconvert", {}, "CameraUnfit", "cannot build the pipeline: could not"),
        ("videotestsrc ! video/x-raw,width=99999999", {}, "CameraUnfit", "cannot give the size"),
        (LIVE, {"width": 640, "height": 480}, "CameraUnfit", "asked for 640x480 and gives 322x240"),
        (LIVE, {"rate": 60}, "CameraUnfit", "asked for 60 pictures per second and gives 30"),
        (LIVE + " ! identity error-after=1", {}, "CameraAbsent", "journalctl -u nvargus-daemon"),
        ("videotestsrc num-buffers=0", {}, "CameraAbsent", "ended before its first picture"),
        ("filesrc location=/nothing/here", {}, "CameraAbsent", "No such file"),
    ],
)
def test_refused_in_one_line(
    read: Read, source: str | None, config: dict[str, object], error: str, words: str
) -> None:
    told = read(source=source, **config)
    assert told["error"] is not None
    kind, line = told["error"]
    assert kind == error, line
    assert words in line
    assert "\n" not in line
    assert line.startswith("CSI sensor 0")
    assert told["pictures"] == []


def test_no_first_picture(read: Read) -> None:
    told = read(source=f"{LIVE} ! valve drop=true", open_within_s=0.5)
    assert told["error"][0] == "CameraSilent"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (LIVE + " ! identity error-after=4", "failed: "),
        (LIVE.replace("is-live=true", "is-live=true num-buffers=4"), "ended"),
    ],
)
def test_what_breaks_off_is_lost(read: Read, source: str, words: str) -> None:
    told = read(source=source, count=10)
    assert told["error"][0] == "CameraLost"
    assert words in told["error"][1]
    assert 1 <= len(told["pictures"]) <= 4


def test_closed_while_reading(read: Read) -> None:
    told = read(source=LIVE, count=10_000, close_after_s=0.3)
    assert told["error"][0] == "CameraLost"
    assert "closed" in told["error"][1]


def test_closing_has_a_limit(read: Read) -> None:
    """An element that sleeps holds the pipeline's end up, as Argus does when it hangs."""
    source = f"{LIVE} ! identity sleep-time=5000000"
    # It must be asleep again by then: closed between two sleeps, the pipeline ends at once.
    told = read(source=source, count=1, open_within_s=30.0, linger_s=0.5)
    assert told["error"] is None
    assert told["left_behind"] == ["close camera"]


def test_nothing_is_left_after_many_connections(read: Read) -> None:
    told = read(source=LIVE, count=1, times=30)
    assert told["error"] is None
    assert len(told["pictures"]) == 30
    assert told["descriptors_left"] <= 0
    assert told["threads_left"] <= 2  # GStreamer keeps some for the next one


@pytest.mark.parametrize("through", ["auto", "gi", "opencv"])
def test_without_gstreamer_it_says_what_to_install(read: Read, through: str) -> None:
    told = read(kind="none", through=through)
    assert told["error"][0] == "CameraUnfit"
    assert "python3-gi" in told["error"][1]
    assert "--system-site-packages" in told["error"][1]


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("nonsense", "CameraAbsent"),
        (LIVE.replace("is-live=true", "is-live=true num-buffers=4"), "CameraLost"),
    ],
)
def test_opencv_errors(read: Read, source: str, error: str) -> None:
    told = read(kind="opencv", through="opencv", source=source, count=10)
    assert told["error"][0] == error


def test_the_pipeline_of_a_jetson() -> None:
    config = CsiCamera.model_validate(
        {"kind": "csi", "sensor": 1, "width": 1920, "height": 1080, "rate": 29.97, "flip": 2}
    )
    assert argus(config) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),format=(string)NV12,"
        "width=(int)1920,height=(int)1080,framerate=(fraction)2997/100 "
        "! nvvidconv flip-method=2 ! video/x-raw,format=(string)NV12"
    )
    assert expected_size(config) == (1920, 1080)
    turned = config.model_copy(update={"flip": 1})
    assert expected_size(turned) == (1080, 1920)
    free = CsiCamera.model_validate({"kind": "csi", "width": None, "height": None, "rate": None})
    assert "width" not in argus(free)
    assert expected_size(free) is None
