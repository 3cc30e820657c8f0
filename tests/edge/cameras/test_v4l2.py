"""The V4L2 camera before a fake device that speaks the kernel's protocol, in a child process.

The same class ran before the kernel's own test driver: packaging/drills/v4l2_vivid.sh.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.edge.cameras.children import end_well

ROOT = Path(__file__).resolve().parents[3]
CHILD = Path(__file__).with_name("v4l2_child.py")
DEVICE = "/dev/video7"
Read = Callable[..., dict[str, Any]]


def _packets(film: Path) -> list[bytes]:
    """The pictures of a film."""
    whole, place, packets = film.read_bytes(), 0, []
    while place < len(whole):
        (length,) = struct.unpack_from("<I", whole, place)
        packets.append(whole[place + 4 : place + 4 + length])
        place += 4 + length
    return packets


def _film(path: Path, packets: list[bytes]) -> Path:
    path.write_bytes(b"".join(struct.pack("<I", len(packet)) + packet for packet in packets))
    return path


def _tools() -> Any:
    spec = importlib.util.spec_from_file_location("test_tools", ROOT / "tests/engines/tools.py")
    assert spec is not None
    assert spec.loader is not None
    tools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tools)
    return tools


@pytest.fixture(scope="module")
def fake() -> Path:
    if sys.maxsize < 2**32:
        pytest.skip("the structures are those of 64-bit Linux")
    return Path(_tools().compile_library(ROOT / "tests/native/fake_v4l2.c", "libfake_v4l2.so"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pictures that get brighter, as a camera's MJPEG and H.264."""
    folder = tmp_path_factory.mktemp("films")
    made = {}
    for name, codec, form, options in (
        ("MJPG", "mjpeg", "yuvj422p", {}),
        ("H264", "libx264", "yuv420p", {"tune": "zerolatency", "x264-params": "keyint=5"}),
    ):
        encoder: Any = av.CodecContext.create(codec, "w")
        encoder.width, encoder.height, encoder.pix_fmt = 640, 480, form
        encoder.time_base, encoder.options = Fraction(1, 30), options
        packets: list[bytes] = []
        for number in range(10):
            frame = av.VideoFrame(640, 480, form)
            for plane, value in zip(frame.planes, (40 + 10 * number, 100, 180), strict=True):
                plane.update(np.full(plane.buffer_size, value, np.uint8).tobytes())
            frame.pts = number
            packets += [bytes(packet) for packet in encoder.encode(frame)]
        packets += [bytes(packet) for packet in encoder.encode(None)]
        assert len(packets) == 10
        made[name] = _film(folder / f"{name}.bin", packets)
    return made


@pytest.fixture(scope="module")
def child(fake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that has the fake camera."""
    control = tmp_path_factory.mktemp("v4l2") / "control"
    control.write_text("-")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(fake),
        "FAKE_V4L2": DEVICE,
        "FAKE_V4L2_CONTROL": str(control),
    }
    with subprocess.Popen(
        [sys.executable, str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield process
        end_well(process)


@pytest.fixture
def read(child: subprocess.Popen[str], films: dict[str, Path]) -> Read:
    """Reads the fake camera."""

    def run(
        *,
        setup: str = "",
        formats: str = "YUYV,MJPG,NV12,H264",
        count: int = 0,
        then: list[tuple[str, int]] | None = None,
        times: int = 1,
        open_within_s: float = 10.0,
        silent_after_s: float = 5.0,
        film: dict[str, Path] | None = None,
        **config: object,
    ) -> dict[str, Any]:
        plan = {
            "config": {"kind": "v4l2", "device": DEVICE, **config},
            "read": count,
            "then": then or [],
            "times": times,
            "open_within_s": open_within_s,
            "silent_after_s": silent_after_s,
            "environment": {
                "FAKE_V4L2_FORMATS": formats,
                "FAKE_V4L2_SETUP": setup,
                **{f"FAKE_V4L2_{k}": str(path) for k, path in {**films, **(film or {})}.items()},
            },
        }
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(plan) + "\n")
        child.stdin.flush()
        assert select.select([child.stdout], [], [], 60)[0], "no answer within 60 s"
        told: dict[str, Any] = json.loads(child.stdout.readline())
        assert told["descriptors_left"] == 0
        assert told["threads_left"] == 0
        return told

    return run


@pytest.mark.parametrize(
    ("form", "size", "planes"),
    [
        ("YUYV", (640, 480), "NV12"),
        ("UYVY", (64, 48), "NV12"),
        ("NV12", (320, 240), "NV12"),
        ("YU12", (64, 48), "I420"),
        ("GREY", (64, 48), "GRAY"),
    ],
)
def test_pixels_arrive_as_they_were_drawn(
    read: Read, form: str, size: tuple[int, int], planes: str
) -> None:
    told = read(formats=form, width=size[0], height=size[1], count=5)
    assert told["error"] is None
    assert told["info"]["size"] == list(size)
    numbers = [picture["number"] for picture in told["pictures"]]
    assert numbers == list(range(numbers[0], numbers[0] + 5)), "lost, or not the same pixels"
    for picture in told["pictures"]:
        assert picture["format"] == planes
        assert picture["size"] == list(size)
        assert not picture["full_range"]
        assert picture["damaged"] == 0
        assert 0 <= picture["age_ns"] < 2_000_000_000
    times = [picture["time_ns"] for picture in told["pictures"]]
    assert times == sorted(set(times))


@pytest.mark.parametrize(("form", "code"), [("mjpeg", "MJPEG"), ("h264", "H.264")])
def test_compressed_pictures_are_decoded_without_delay(read: Read, form: str, code: str) -> None:
    told = read(format=form, width=640, height=480, rate=30, count=9)
    assert told["error"] is None
    assert told["info"]["format"] == code
    assert [picture["format"] for picture in told["pictures"]] == ["I420"] * 9
    for number, picture in enumerate(told["pictures"]):
        luma, u, v = picture["mean"]
        assert abs(luma - (40 + 10 * number)) < 3, "another picture than the first ones, in order"
        assert abs(u - 100) < 3
        assert abs(v - 180) < 3
        assert picture["full_range"] == (form == "mjpeg")
        assert picture["duration_ns"] == 33_333_333


@pytest.mark.parametrize(
    ("asked", "took"),
    [
        ({"width": 640, "height": 480, "rate": 30}, "YUYV"),
        ({"width": 640, "height": 480, "rate": 60}, "MJPEG"),
        ({"width": 640, "height": 480}, "YUYV"),
        ({"width": 1280, "height": 720}, "MJPEG"),
        ({"width": 1280, "height": 720, "rate": 10}, "YUYV"),
        ({"width": 320, "height": 240}, "NV12"),
        ({"width": 640, "height": 480, "format": "h264"}, "H.264"),
        ({}, "YUYV"),
    ],
)
def test_auto_takes_what_reaches_the_rate(read: Read, asked: dict[str, object], took: str) -> None:
    told = read(**asked)
    assert told["error"] is None
    assert told["info"]["format"] == took
    assert told["info"]["live"]
    if "rate" in asked:
        assert told["info"]["rate"] == asked["rate"]


def test_sizes_in_steps_are_understood(read: Read) -> None:
    asked = {"width": 640, "height": 360, "rate": 25, "format": "yuyv"}
    told = read(setup="steps", count=2, **asked)
    assert told["error"] is None
    assert told["info"]["size"] == [640, 360]
    assert told["info"]["rate"] == 25
    told = read(setup="steps", **{**asked, "width": 642})
    assert told["error"][0] == "CameraUnfit"
    assert "32x32 to 1920x1080" in told["error"][1]


def test_a_driver_that_lists_nothing_is_asked_and_checked(read: Read) -> None:
    told = read(setup="no-lists", formats="YUYV", width=320, height=200, rate=20, count=2)
    assert told["error"] is None
    assert told["info"]["size"] == [320, 200]
    assert told["info"]["rate"] == 20


def test_a_driver_without_a_rate_is_noted(read: Read) -> None:
    told = read(setup="no-rate", width=640, height=480, rate=30, count=1)
    assert told["error"] is None
    assert told["info"]["rate"] is None
    assert told["info"]["notes"] == ["it does not say its rate; 30 was asked for"]


@pytest.mark.parametrize(
    ("setup", "asked", "error", "words"),
    [
        ("", {"format": "nv12", "width": 640, "height": 480}, "CameraUnfit", "NV12 320x240"),
        (
            "",
            {"width": 800, "height": 600},
            "CameraUnfit",
            "YUYV 640x480 to 30 fps, 1280x720 to 10 fps; MJPEG",
        ),
        (
            "",
            {"width": 640, "height": 480, "rate": 25},
            "CameraUnfit",
            "YUYV 640x480 at 30, 15; MJPEG 640x480 at 60, 30",
        ),
        ("other-size", {"width": 640, "height": 480}, "CameraUnfit", "took YUYV 352x288"),
        ("rgb", {"width": 640, "height": 480}, "CameraUnfit", "took another format"),
        ("other-rate", {"width": 640, "height": 480, "rate": 30}, "CameraUnfit", "and took 7"),
        ("fields", {}, "CameraUnfit", "half of the lines"),
        ("metadata", {}, "CameraUnfit", "does not capture"),
        ("multi-planar", {}, "CameraUnfit", "multi-planar"),
        ("no-streaming", {}, "CameraUnfit", "cannot stream"),
        ("no-camera", {}, "CameraUnfit", "no camera"),
        ("denied", {}, "CameraAbsent", "group video"),
        ("busy-open", {}, "CameraAbsent", "fuser -v /dev/video7"),
        ("busy-format", {}, "CameraAbsent", "another program"),
        ("busy-buffers", {}, "CameraAbsent", "another program"),
    ],
)
def test_refused_in_one_line(
    read: Read, setup: str, asked: dict[str, object], error: str, words: str
) -> None:
    told = read(setup=setup, **asked)
    assert told["error"] is not None
    kind, line = told["error"]
    assert kind == error, line
    assert words in line
    assert "\n" not in line
    assert line.startswith(DEVICE)


def test_a_format_that_nobody_here_understands(read: Read) -> None:
    told = read(formats="RGB3")
    assert told["error"][0] == "CameraUnfit"
    assert "only RGB3" in told["error"][1]


@pytest.mark.parametrize(
    ("letter", "error"),
    [
        ("f", "CameraSilent"),
        ("u", "CameraLost"),
        ("i", "CameraLost"),
        ("e", "CameraCorrupt"),
        ("s", "CameraCorrupt"),
        ("z", "CameraCorrupt"),
        ("close", "CameraLost"),
    ],
)
@pytest.mark.parametrize("form", ["yuyv", "mjpeg"])
def test_each_way_to_break_off_has_its_name(read: Read, letter: str, error: str, form: str) -> None:
    told = read(
        format=form,
        width=640,
        height=480,
        rate=30,
        count=3,
        then=[(letter, 100)],
        silent_after_s=0.5,
    )
    assert told["error"] is not None
    assert told["error"][0] == error, told["error"]
    assert len(told["pictures"]) >= 3


@pytest.mark.parametrize("form", ["yuyv", "mjpeg", "h264"])
def test_damaged_pictures_are_left_out_and_counted(read: Read, form: str) -> None:
    told = read(format=form, width=640, height=480, rate=30, count=3, then=[("for a while", 20)])
    assert told["error"] is None
    damaged = [picture["damaged"] for picture in told["pictures"]]
    assert sum(damaged) >= 2
    assert damaged[:3] == [0, 0, 0]
    if form == "yuyv":
        assert all(picture["number"] is not None for picture in told["pictures"])
    if form == "h264":
        # Key frames are every fifth; what follows damage builds on what is missing.
        after = next(n for n, lost in enumerate(damaged) if lost)
        assert round(told["pictures"][after]["mean"][0], -1) in (40, 90)


def test_a_broken_picture_in_the_middle(read: Read, films: dict[str, Path], tmp_path: Path) -> None:
    """MJPEG cut short, as from a bad cable: no patched picture, and the next ones come."""
    packets = _packets(films["MJPG"])
    packets[3] = packets[3][: len(packets[3]) // 2]
    packets[7] = b"\xff\xd8" + bytes(500)
    broken = _film(tmp_path / "broken.bin", packets)
    told = read(format="mjpeg", width=640, height=480, rate=30, count=8, film={"MJPG": broken})
    assert told["error"] is None
    assert [picture["damaged"] for picture in told["pictures"]] == [0, 0, 0, 1, 0, 0, 1, 0]
    assert [round(picture["mean"][0], -1) for picture in told["pictures"]] == [
        40, 50, 60, 80, 90, 100, 120, 130
    ]  # fmt: skip


def test_h264_waits_for_a_key_frame(read: Read, films: dict[str, Path], tmp_path: Path) -> None:
    """What came before the first key frame, and what follows damage, is not shown."""
    packets = _packets(films["H264"])
    # From the third picture on; key frames are the first and the sixth of ten.
    late = _film(tmp_path / "late.bin", packets[2:] + packets[:2])
    told = read(format="h264", width=640, height=480, rate=30, count=4, film={"H264": late})
    assert told["error"] is None
    means = [round(picture["mean"][0], -1) for picture in told["pictures"]]
    assert means == [90, 100, 110, 120]


@pytest.mark.parametrize("setup", ["wall-clock", "future"])
def test_times_that_cannot_be_true_are_not_believed(read: Read, setup: str) -> None:
    told = read(setup=setup, width=640, height=480, count=4)
    assert told["error"] is None
    assert all(0 <= picture["age_ns"] < 2_000_000_000 for picture in told["pictures"])
    times = [picture["time_ns"] for picture in told["pictures"]]
    assert times == sorted(set(times))


@pytest.mark.parametrize(("setup", "form"), [("", "yuyv"), ("no-count", "yuyv"), ("", "mjpeg")])
def test_a_picture_given_again_has_the_same_mark(read: Read, setup: str, form: str) -> None:
    """Though its time of capture was made to differ."""
    told = read(setup=setup, format=form, width=640, height=480, count=5, then=[("r", 10)])
    assert told["error"] is None
    marks = [picture["mark"] for picture in told["pictures"]]
    assert None not in marks
    assert len(set(marks[:5])) == 5
    # Those that were filled already when it began come first.
    assert len(set(marks[-5:])) == 1
    times = [picture["time_ns"] for picture in told["pictures"]]
    assert times == sorted(set(times))


def test_a_driver_that_never_gives_a_time_makes_no_marks(read: Read) -> None:
    told = read(setup="no-time,no-count", width=640, height=480, count=5)
    assert told["error"] is None
    assert {picture["mark"] for picture in told["pictures"]} == {None}


def test_full_range_is_kept(read: Read) -> None:
    told = read(setup="full-range", width=640, height=480, count=1)
    assert told["pictures"][0]["full_range"]


def test_opening_has_a_limit(read: Read) -> None:
    told = read(setup="slow-open", open_within_s=0.3)
    assert told["error"][0] == "CameraSilent"
    assert "within 0.3 s" in told["error"][1]


def test_closing_has_a_limit(read: Read) -> None:
    told = read(setup="slow-stop", count=1)
    assert told["error"] is None


def test_nothing_is_left_after_many_connections(read: Read) -> None:
    told = read(width=640, height=480, rate=30, count=1, times=40)
    assert told["error"] is None
    assert len(told["pictures"]) == 40


def test_a_device_that_is_not_there(read: Read) -> None:
    told = read(device="/dev/video99")
    assert told["error"][0] == "CameraAbsent"
    assert "/dev/video99 is not there; plug the camera in" in told["error"][1]


def test_a_name_by_id_stays_out_of_messages(read: Read) -> None:
    told = read(device="/dev/v4l/by-id/usb-Somebodys_Camera_0815-video-index0")
    assert told["error"][0] == "CameraAbsent"
    assert "Somebody" not in told["error"][1]


def test_a_file_is_no_camera(read: Read, tmp_path: Path) -> None:
    file = tmp_path / "film"
    file.write_bytes(b"no camera")
    told = read(device=str(file))
    assert told["error"][0] == "CameraUnfit"
    assert "no camera" in told["error"][1]
