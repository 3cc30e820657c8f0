"""Which camera is opened, which two are the same, and what is said of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import TypeAdapter

from faceguard.edge.cameras.registry import describe, identity, open_camera
from faceguard.edge.config.camera import CameraConfig
from tests.edge import videos


def camera(kind: str, **settings) -> CameraConfig:
    return TypeAdapter(CameraConfig).validate_python({"kind": kind, **settings})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("rtsp://cam/live", "rtsp://CAM:554/live", True),
        ("rtsp://cam/live", "rtsp://user:word@cam/live/", True),
        ("rtsp://cam/live", "rtsp://cam/Live", True),
        ("rtsp://cam/live", "rtsps://cam:554/live", True),
        ("rtsp://cam/live", "rtsps://cam/live", False),
        ("rtsp://cam/live", "rtsp://cam:8554/live", False),
        ("rtsp://cam/live", "rtsp://cam2/live", False),
        ("rtsp://cam/live?channel=1", "rtsp://cam/live?channel=2", False),
        ("rtsp://[2001:db8::7]/live", "rtsp://[2001:DB8::7]:554/live", True),
    ],
)
def test_network_cameras(one, other, same):
    first, second = camera("rtsp", url=one), camera("rtsp", url=other, transport="udp")
    assert (identity(first) == identity(second)) is same


def test_a_device_under_two_names(tmp_path):
    device = tmp_path / "video0"
    device.touch()
    link = tmp_path / "by-id"
    link.symlink_to(device)
    assert identity(camera("v4l2", device=link)) == identity(camera("v4l2", device=device))
    other = camera("v4l2", device=tmp_path / "video1")  # need not be there
    assert identity(camera("v4l2", device=device)) != identity(other)


def test_kinds_do_not_meet():
    names = {
        identity(camera("csi", sensor=0)),
        identity(camera("csi", sensor=1)),
        identity(camera("v4l2")),
        identity(camera("rtsp", url="rtsp://cam/0")),
    }
    assert len(names) == 4
    assert None not in names


def test_files_and_drawn_pictures_are_nobodys():
    assert identity(camera("file", path="a.mp4")) is None
    assert identity(camera("synthetic")) is None


def test_nothing_of_an_address_is_said():
    for address in ("rtsp://hidden:hidden@hidden.example:1234/hidden?hidden=1",):
        config = camera("rtsp", url=address)
        for text in (str(identity(config)), describe(config)):
            assert "hidden" not in text
            assert "/" not in text
            assert "1234" not in text
    assert describe(config) == "RTSP camera"
    assert describe(camera("file", path="/home/hidden/a.mp4")) == "video file"
    assert describe(camera("csi", sensor=1)) == "CSI sensor 1"
    assert describe(camera("v4l2", device="/dev/video3")) == "/dev/video3"
    assert describe(camera("synthetic")) == "synthetic camera"


def test_files_and_drawn_pictures_are_opened(tmp_path):
    clip = videos.make(tmp_path / "clip.mp4", frames=2)
    for config in (camera("file", path=clip), camera("synthetic", width=96, height=64)):
        with open_camera(config, open_within_s=5, silent_after_s=2) as opened:
            shot = opened.read()
            assert shot is not None
            assert (shot.image.width, shot.image.height) == (96, 64)


def test_only_what_a_kind_needs_is_imported():
    code = (
        "import sys; from faceguard.edge.cameras import registry;"
        "loaded = {'av', 'cv2', 'gi'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
