"""No leak: the search itself finds what liars let through, wherever it came out."""

from __future__ import annotations

import pytest

from tests.edge.live.faults import FaultyFinder, FinderFault, Script
from tests.edge.live.house import House, assert_none_leaks, until
from tests.edge.live.scene import Scene

pytestmark = pytest.mark.usefixtures("hasty")


def test_a_detector_that_lies_is_found_out_in_raw_pictures_and_recordings(tmp_path):
    scene = Scene()
    lies = Script([FinderFault.EMPTY] * 10_000, FinderFault.NONE)
    with House(tmp_path, scene, finder=FaultyFinder(scene, lies)).start() as house:
        until(lambda: len(house.frames) > 20)
        assert house.finish() == []
    for images in ([one.image for one in house.frames], house.recorded()):
        assert len(images) > 20
        with pytest.raises(AssertionError, match="shows"):
            assert_none_leaks(images, scene)


def test_half_a_mask_is_found_out_in_snapshots(tmp_path):
    scene = Scene()
    lies = Script([FinderFault.SMALL] * 10_000, FinderFault.NONE)
    with House(tmp_path, scene, finder=FaultyFinder(scene, lies)).start() as house:
        until(lambda: len(house.frames) > 20)
        assert house.finish() == []
    assert house.snapshots()
    with pytest.raises(AssertionError, match="shows"):
        assert_none_leaks(house.snapshots(), scene)


def test_a_row_of_pixels_in_a_text_is_found_out(tmp_path):
    with House(tmp_path, Scene()).start() as house:
        until(lambda: house.frames)
        house.finish()
        house.assert_no_leak()
        # As it would be if it were not taken out.
        house.texts = lambda: ["0, 255, 0, 0, 255, 255, 0, 0, 255, 0, 255, 255, 0, 0"]  # type: ignore[method-assign]
        with pytest.raises(AssertionError):
            house.assert_no_leak()
