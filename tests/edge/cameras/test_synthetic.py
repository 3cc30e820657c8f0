"""The camera that is drawn."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from faceguard.edge.cameras.synthetic import Synthetic
from faceguard.edge.config.camera import SyntheticCamera
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import CameraLost

SAFE_S = 20.0


def drawn(*, width=320, height=240, rate=25, frames=None, paced=False, **extras) -> Synthetic:
    config = SyntheticCamera(
        kind="synthetic", width=width, height=height, rate=rate, frames=frames, paced=paced
    )
    return Synthetic(config, **extras)


def planes_of(camera: Synthetic, index: int) -> list[np.ndarray]:
    return [plane.copy() for plane in camera.draw(index).planes]


def test_the_same_for_each_index_and_another_for_the_next():
    ones, others = drawn(faces=2, marks=2), drawn(faces=2, marks=2)
    with ones, others:
        for index in (0, 1, 500):
            for mine, its in zip(planes_of(ones, index), planes_of(others, index), strict=True):
                np.testing.assert_array_equal(mine, its)
        assert not np.array_equal(planes_of(ones, 0)[0], planes_of(ones, 1)[0])


def test_times_sizes_and_the_end():
    with drawn(width=322, height=180, rate=30, frames=4) as camera:
        shots = list(iter(camera.read, None))
        assert camera.read() is None
    assert [shot.time_ns for shot in shots] == [0, 33_333_333, 66_666_667, 100_000_000]
    assert {shot.duration_ns for shot in shots} == {33_333_333}
    for shot in shots:
        image = shot.image
        assert (image.format, image.width, image.height) == (PixelFormat.I420, 322, 180)
    assert (camera.info.rate, camera.info.live) == (30, False)


def test_odd_sizes_are_made_even():
    with drawn(width=321, height=181, marks=1) as camera:
        image = camera.read().image
    assert (image.width, image.height) == (320, 180) == (camera.info.width, camera.info.height)


def test_marks_are_where_they_are_said_to_be():
    with drawn(marks=2, mark_size_px=48, cell_px=2, seed=7) as camera:
        seen = set()
        for index in range(0, 300, 30):
            image = camera.draw(index)
            regions = camera.watermarks(index)
            assert regions == camera.watermarks(index)
            # The last one lies on top.
            region = regions[-1]
            x, y = int(region.x0), int(region.y0)
            seen.add((x, y))
            assert 0 <= x <= 320 - 48
            assert 0 <= y <= 240 - 48
            np.testing.assert_array_equal(
                image.planes[0][y : y + 48, x : x + 48], camera.pattern(1)
            )
            chroma = image.planes[1][y // 2 : y // 2 + 24, x // 2 : x // 2 + 24]
            assert (chroma == 128).all()
        assert len(seen) == 10
        pattern = camera.pattern(0)
        assert set(np.unique(pattern)) == {0, 255}
        assert 0.4 < (pattern == 255).mean() < 0.6
        assert not np.array_equal(pattern, camera.pattern(1))
        # Away from the marks there is nothing like it: neither black nor white.
        outside = camera.draw(0).planes[0].copy()
        for region in camera.watermarks(0):
            x, y = int(region.x0), int(region.y0)
            outside[y : y + 48, x : x + 48] = 100
        assert outside.min() > 16
        assert outside.max() < 250


def test_a_mark_larger_than_the_picture():
    with drawn(width=32, height=32, marks=1, mark_size_px=64) as camera:
        image = camera.read().image
        np.testing.assert_array_equal(image.planes[0], camera.pattern(0)[:32, :32])


def test_pictures_in_use_are_not_drawn_over():
    with drawn(frames=40) as camera:
        kept = [shot.image for shot in iter(camera.read, None)]
        for index, image in enumerate(kept):
            for mine, its in zip(image.planes, planes_of(camera, index), strict=True):
                np.testing.assert_array_equal(mine, its)


def test_memory_is_used_again():
    with drawn() as camera:
        places = {camera.read().image.planes[0].ctypes.data for _ in range(50)}
    assert len(places) <= 8


def test_paced_by_its_rate():
    with drawn(rate=50, frames=10, paced=True) as camera:
        shots = list(iter(camera.read, None))
    assert camera.info.live
    for shot in shots:
        assert shot.captured_ns - shots[0].captured_ns >= shot.time_ns


def test_closing_ends_a_wait():
    camera = drawn(rate=0.001, paced=True)
    camera.read()
    ended: list[BaseException] = []

    def reader() -> None:
        try:
            camera.read()
        except CameraLost as error:
            ended.append(error)

    thread = threading.Thread(target=reader)
    thread.start()
    camera.close()
    thread.join(SAFE_S)
    assert not thread.is_alive()
    assert ended
    with pytest.raises(CameraLost):
        camera.read()
