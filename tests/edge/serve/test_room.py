"""What pictures take beside those that are counted, and what is left to them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from faceguard.edge.enhance.alpha import colour_to_enlarge, with_alpha_of
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.serve import tools
from faceguard.edge.serve.answer import encode
from faceguard.edge.serve.app import room_bytes
from faceguard.edge.serve.asking import Asking
from faceguard.edge.serve.held import Held
from faceguard.edge.serve.settings import ServeSettings
from faceguard.edge.serve.still import Size
from faceguard.edge.serve.tools import limits_beside, open_tools
from faceguard.engines.upscaling.limits import Limit, read_limits
from tests.edge.serve.served import noise, pixels_of, safe_frame

MIB = 1 << 20


def peak_bytes(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def laid_on_white(pixels):
    alpha = pixels[..., 3:].astype(np.int64)
    return (pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255


def test_transparency_is_laid_on_white_in_little_memory(monkeypatch):
    monkeypatch.setattr("faceguard.edge.serve.answer._STRIP_PIXELS", 24 * 5)
    pixels = noise(channels=4)
    # Of one colour in pieces of a JPEG's own, so that nothing is lost.
    pixels[:] = pixels[:1, :1]
    pixels[8:] = (10, 200, 30, 128)
    data = encode(safe_frame(pixels), "jpeg", 100)
    assert np.abs(pixels_of(data).astype(int) - laid_on_white(pixels)).max() <= 3
    monkeypatch.undo()
    large = safe_frame(np.full((1500, 1000, 4), 77, np.uint8))
    # Its colours alone, the JPEG and a strip.
    assert peak_bytes(lambda: encode(large, "jpeg", 90)) < 1_500_000 * 5 + 8 * MIB


def with_holes(height, width):
    """A picture that is transparent but for a few pixels."""
    pixels = noise(width, height, seed=3, channels=4)
    pixels[..., 3] = 0
    seen = np.random.default_rng(5).integers(0, height * width, height * width // 200)
    pixels.reshape(-1, 4)[seen, 3] = 255
    pixels[pixels[..., 3] == 0] = 0
    return pixels


def test_colours_behind_transparency_are_filled_in_little_memory(monkeypatch):
    pixels = with_holes(150, 170)
    whole = colour_to_enlarge(pixels)
    monkeypatch.setattr("faceguard.edge.enhance.alpha._BLOCK_PX", 40)
    assert np.array_equal(colour_to_enlarge(pixels), whole)
    monkeypatch.undo()
    large = with_holes(1500, 1000)
    assert peak_bytes(lambda: colour_to_enlarge(large)) < 1_500_000 * 4 + 24 * MIB


def test_pictures_with_and_without_alpha_keep_what_they_have():
    plain, clear = noise(), with_holes(16, 24)
    assert colour_to_enlarge(plain) is plain
    large = plain.repeat(2, 0).repeat(2, 1)
    assert with_alpha_of(large, plain, 2) is large
    joined = with_alpha_of(large, clear, 2)
    assert joined.shape == (32, 48, 4)
    assert not joined[joined[..., 3] == 0].any()


@pytest.mark.parametrize(("channels", "asked"), [(3, "png"), (4, "png"), (4, "jpeg")])
def test_what_lies_beside_a_picture_is_counted(channels, asked):
    size = Size(100, 100, "png", channels)
    asking = Asking({"espcn-x2": 2}, RedactorSettings())
    room = room_bytes(size, asking.enlargement([("format", asked)]))
    beside = 0 if channels == 3 else 3 * 10_000 + (3 * 40_000 if asked == "jpeg" else 0)
    assert room == channels * (2 * 10_000 + 2 * 40_000) + beside


def test_tiles_leave_what_pictures_were_promised(monkeypatch):
    own = [
        Limit(1000 * MIB, 128 * MIB, "of the machine's memory", "resident", shared=True),
        Limit(300 * MIB, 64 * MIB, "under RLIMIT_AS (ulimit -v) 1.0 GB", "address", shared=False),
        Limit(10 * MIB, 24 * MIB, "under --memory-limit 1.0 GB", "resident", shared=False),
    ]
    asked = []
    monkeypatch.setattr(tools, "read_limits", lambda limit: asked.append(limit) or own)
    held = Held(200 * MIB)

    def left_mb():
        return [limit.bytes // MIB for limit in limits_beside(held, 7)]

    # Half of what is free is left to tiles, so that a small machine enlarges at all.
    assert left_mb() == [672, 118, -14]
    assert held.take(150 * MIB)
    assert left_mb() == [822, 186, -14]
    assert held.take(50 * MIB)
    assert limits_beside(held, 7) == own
    assert set(asked) == {7}


@pytest.mark.models
def test_the_networks_heed_it(monkeypatch):
    held, said = Held(1 << 30), []
    asked = []
    monkeypatch.setattr(tools, "limits_beside", lambda *words: asked.append(words) or read_limits())
    with open_tools(ServeSettings(port=0), {"espcn-x2": 2}, held, said.append) as opened:
        opened.enlargers["espcn-x2"].many([noise()])
    assert asked
    assert set(asked) == {(held, None)}
