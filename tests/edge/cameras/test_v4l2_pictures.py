"""Pictures of a V4L2 camera: pixels, times and marks, damage that is left out, and breaking off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.cameras.v4l2_fake import Read, read_film, write_film


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
    packets = read_film(films["MJPG"])
    packets[3] = packets[3][: len(packets[3]) // 2]
    packets[7] = b"\xff\xd8" + bytes(500)
    broken = write_film(tmp_path / "broken.bin", packets)
    told = read(format="mjpeg", width=640, height=480, rate=30, count=8, film={"MJPG": broken})
    assert told["error"] is None
    assert [picture["damaged"] for picture in told["pictures"]] == [0, 0, 0, 1, 0, 0, 1, 0]
    assert [round(picture["mean"][0], -1) for picture in told["pictures"]] == [
        40, 50, 60, 80, 90, 100, 120, 130
    ]  # fmt: skip


def test_h264_waits_for_a_key_frame(read: Read, films: dict[str, Path], tmp_path: Path) -> None:
    """What came before the first key frame, and what follows damage, is not shown."""
    packets = read_film(films["H264"])
    # From the third picture on; key frames are the first and the sixth of ten.
    late = write_film(tmp_path / "late.bin", packets[2:] + packets[:2])
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
