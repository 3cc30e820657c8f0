"""What a V4L2 camera is asked for, what is taken, what is refused in one line, and its limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.cameras.v4l2_fake import DEVICE, Read


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
