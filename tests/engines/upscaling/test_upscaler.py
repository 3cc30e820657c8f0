"""An upscaler: the network's own answer, whatever the tiles; nothing else but what it promises."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceguard.engines.catalogue import Enlarging
from faceguard.engines.errors import InferenceError, ModelError, NoRoom
from faceguard.engines.fake import FakeRuntime
from faceguard.engines.types import TensorSpec
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.upscaler import Upscaler
from tests.engines.upscaling.enlarging_graphs import (
    REACH_PX,
    SmallNetwork,
    always,
    apart,
    drawing,
    noise,
    upscaler,
)

LUMA2, BGR3 = SmallNetwork.make(2, 1), SmallNetwork.make(3, 3)
SIZES = [(1, 1), (3, 5), (5, 3), (1, 300), (300, 1), (40, 61), (61, 40), (97, 128)]


@pytest.fixture(scope="module")
def luma2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return LUMA2.write(tmp_path_factory.mktemp("luma2") / "small.onnx")


@pytest.fixture(scope="module")
def bgr3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return BGR3.write(tmp_path_factory.mktemp("bgr3") / "small.onnx")


@pytest.fixture(scope="module", params=["luma", "bgr"])
def kind(request, luma2, bgr3):
    return (luma2, LUMA2) if request.param == "luma" else (bgr3, BGR3)


def pictures(height: int, width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(height * 1000 + width)
    return [noise(rng, height, width), drawing(rng, height, width)]


# Tiles make no difference.


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile", [(7, 7, 1), (16, 31, 3), (50, 20, 2)])
def test_tiled_as_whole(kind, size, tile):
    path, network = kind
    with upscaler(path, network) as whole, upscaler(path, network, always(*tile)) as tiled:
        for picture in pictures(*size):
            assert apart(tiled.bgr(picture), whole.bgr(picture)) <= 1


def test_sizes_and_tiles_by_chance(kind):
    path, network = kind
    rng = np.random.default_rng(5)
    with upscaler(path, network) as whole:
        for _ in range(20):
            height, width = rng.integers(1, 150, 2)
            across, down, batch = (int(v) for v in (*rng.integers(7, 80, 2), rng.integers(1, 5)))
            with upscaler(path, network, always(across, down, batch)) as tiled:
                for picture in pictures(int(height), int(width)):
                    assert apart(tiled.bgr(picture), whole.bgr(picture)) <= 1


def test_too_little_overlap_would_be_seen(bgr3):
    """The tests above could fail."""
    blind = BGR3.enlarging.model_copy(update={"overlap_px": 0})
    picture = pictures(60, 60)[0]
    with upscaler(bgr3, BGR3) as whole:
        tiled = Upscaler(whole._runtime, blind, always(20, 20), name="blind")
        assert apart(tiled.bgr(picture), whole.bgr(picture)) > 1


def test_bicubic_chroma_has_no_seams_either(luma2):
    picture = pictures(60, 70)[0]
    with upscaler(luma2, LUMA2, chroma="bicubic") as whole:
        soft = upscaler(luma2, LUMA2).bgr(picture)
        with upscaler(luma2, LUMA2, always(21, 17), chroma="bicubic") as tiled:
            assert apart(tiled.bgr(picture), whole.bgr(picture)) <= 1
        assert apart(whole.bgr(picture), soft) > 5


def test_large_pictures_are_worked_on_in_strips(luma2):
    """Strips of an output wider than high, and of one tile that is more than a strip."""
    picture = pictures(300, 900)[1]
    with upscaler(luma2, LUMA2) as whole, upscaler(luma2, LUMA2, always(300, 90)) as tiled:
        assert apart(tiled.bgr(picture), whole.bgr(picture)) <= 1


def test_one_row_of_ten_thousand(luma2):
    picture = pictures(1, 10_000)[0]
    with upscaler(luma2, LUMA2) as whole, upscaler(luma2, LUMA2, always(64, 64)) as tiled:
        assert apart(tiled.bgr(picture), whole.bgr(picture)) <= 1


def test_part_of_a_picture(kind):
    picture = pictures(50, 60)[0]
    part = picture[7:40, 11:50]
    with upscaler(*kind, always(20, 20)) as one:
        assert (one.bgr(part) == one.bgr(part.copy())).all()
        assert (one.bgr(picture[:, ::-1]) == one.bgr(picture[:, ::-1].copy())).all()


# The right values, by a reference in float64.


def test_bgr_by_luma_as_in_float64(luma2):
    for picture in pictures(30, 41):
        b, g, r = picture.astype(float).transpose(2, 0, 1)
        y = np.rint(0.299 * r + 0.587 * g + 0.114 * b)
        differences = [np.rint((c - y) * k + 128) for c, k in ((r, 0.713), (b, 0.564))]
        y = np.clip(np.rint(LUMA2(y[None] / 255)[0] * 255), 0, 255)
        cr, cb = (np.rint(_bilinear(np.clip(each, 0, 255), 2)) - 128 for each in differences)
        planes = [y + 1.773 * cb, y - 0.714 * cr - 0.344 * cb, y + 1.403 * cr]
        want = np.clip(np.rint(np.stack(planes, 2)), 0, 255)
        with upscaler(luma2, LUMA2, always(19, 23)) as one:
            off = np.abs(one.bgr(picture).astype(float) - want)
        # Rounded four times on the way, by others a little differently.
        assert off.mean() < 0.3
        assert off.max() <= 4


def test_bgr_as_in_float64(bgr3):
    means = np.array([103.1545782, 111.561547, 114.35629928])[:, None, None]
    for picture in pictures(30, 41):
        want = BGR3(picture.astype(float).transpose(2, 0, 1) - means) + means
        want = np.clip(np.rint(want), 0, 255).transpose(1, 2, 0).astype(np.uint8)
        with upscaler(bgr3, BGR3, always(19, 23)) as one:
            assert apart(one.bgr(picture), want) <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("full_range", [True, False])
def test_luma_as_in_float64(luma2, bits, full_range):
    unit = 1 << (bits - 8)
    black, white = (0, (1 << bits) - 1) if full_range else (16 * unit, 235 * unit)
    dtype = np.uint8 if bits == 8 else np.uint16
    # Also what a limited range should not hold: it must not come out.
    plane = np.random.default_rng(bits).integers(0, 1 << bits, (30, 41), dtype)
    want = LUMA2((plane.astype(float)[None] - black) / (white - black))[0]
    want = np.rint(np.clip(want, 0, 1) * (white - black) + black)
    with upscaler(luma2, LUMA2, always(19, 23)) as one:
        large = one.luma(plane, bits=bits, full_range=full_range)
    assert large.dtype == dtype
    assert large.shape == (60, 82)
    assert want.min() == black  # so clipping counts
    assert large.min() >= black
    assert large.max() <= white
    assert np.abs(large.astype(float) - want).max() <= 1
    assert np.mean(large != want) < (0.01 if bits <= 10 else 0.2)


def _bilinear(plane: np.ndarray, scale: int) -> np.ndarray:
    for axis in (0, 1):
        length = plane.shape[axis]
        at = np.clip((np.arange(length * scale) + 0.5) / scale - 0.5, 0, length - 1)
        low = np.minimum(at.astype(int), max(0, length - 2))
        share = np.expand_dims(at - low, 1 - axis)
        high = np.minimum(low + 1, length - 1)
        plane = plane.take(low, axis) * (1 - share) + plane.take(high, axis) * share
    return plane


# Engines that take less.


@pytest.mark.parametrize("size", [(20, 28), (24, 32), (1, 1), (10, 90), (70, 80)])
@pytest.mark.parametrize("batch", [1, 3, None])
def test_an_engine_of_one_shape(tmp_path, luma2, size, batch):
    path = LUMA2.write(tmp_path / "fixed.onnx", shape=(batch, 24, 32))
    choose = always(500, 500, 2)
    with upscaler(luma2, LUMA2) as free, upscaler(path, LUMA2, choose) as fixed:
        for picture in pictures(*size):
            got, want = fixed.bgr(picture), free.bgr(picture)
            assert got.shape == want.shape
            # Where a picture ends within its tile, the network sees it mirrored, not zeros.
            rows = -2 * REACH_PX if size[0] < 24 else None
            columns = -2 * REACH_PX if size[1] < 32 else None
            near = got[:rows, :columns]
            if near.size:
                assert apart(near, want[:rows, :columns]) <= 1
        assert {shape[2:] for shape in fixed._runtime.shapes} == {(24, 32)}
        if batch is not None:
            assert {shape[0] for shape in fixed._runtime.shapes} == {batch}


def test_a_small_picture_is_mirrored_outward(tmp_path):
    """The answer is that of the mirrored picture, cut."""
    path = LUMA2.write(tmp_path / "fixed.onnx", shape=(1, 24, 32))
    plane = pictures(10, 13)[0][:, :, 0]
    mirrored = np.pad(plane, ((0, 14), (0, 19)), "symmetric")
    with upscaler(path, LUMA2) as fixed:
        assert (fixed.luma(plane) == fixed.luma(mirrored)[:20, :26]).all()


def test_a_profile_s_least_tile(luma2):
    with upscaler(luma2, LUMA2, always(40, 40), least=(32, 24)) as one:
        for size in [(3, 5), (30, 90), (100, 20)]:
            picture = pictures(*size)[0]
            assert one.bgr(picture).shape == (2 * size[0], 2 * size[1], 3)
        assert all(shape[2] >= 24 and shape[3] >= 32 for shape in one._runtime.shapes)


def test_half_precision(tmp_path, luma2):
    path = LUMA2.write(tmp_path / "half.onnx", half=True)
    picture = pictures(40, 50)[1]
    with upscaler(path, LUMA2, always(30, 30)) as half, upscaler(luma2, LUMA2) as single:
        assert half._runtime.inputs[0].dtype == np.float16
        assert apart(half.bgr(picture), single.bgr(picture)) <= 3


# Several at once.


def test_many_as_each_alone_in_common_batches(kind):
    choose = always(24, 24, 3)
    several = [pictures(*size)[0] for size in [(40, 40), (24, 24), (40, 40), (10, 10), (24, 24)]]
    with upscaler(*kind, choose) as one:
        together = one.many(several)
        shapes, asked = list(one._runtime.shapes), list(choose.asked)
        alone = [one.bgr(each) for each in several]
    assert [apart(a, b) <= 1 for a, b in zip(together, alone, strict=True)] == [True] * 5
    # 40 px are two tiles of 23 px on each axis: eight tiles in all.
    assert [shape[0] for shape in shapes if shape[2] == 23] == [3, 3, 2]
    assert [shape[0] for shape in shapes if shape[2] == 24] == [2]
    assert [shape[0] for shape in shapes if shape[2] == 10] == [1]
    assert asked == [(40, 40, 2), (24, 24, 2), (10, 10, 1)]


def test_none_is_none(luma2):
    with upscaler(luma2, LUMA2) as one:
        assert one.many([]) == []


def test_what_a_picture_would_be_cut_into(luma2):
    with upscaler(luma2, LUMA2, always(24, 24, 4)) as one:
        assert one.planned(40, 10) == (Tile(23, 10, 2), 2)


# Telling and ending.


def test_progress(luma2):
    told = []
    with upscaler(luma2, LUMA2, always(20, 20, 2)) as one:
        one.bgr(pictures(30, 40)[0], on_tile=lambda done, of: told.append((done, of)))
    assert told == [(0, 6), (2, 6), (4, 6), (6, 6)]


@pytest.mark.parametrize("after", [0, 1, 6])
def test_on_tile_ends_the_call(luma2, after):
    class Enough(Exception):
        pass

    def stop(done: int, of: int) -> None:
        if done == after:
            raise Enough

    picture = pictures(30, 40)[0]
    with upscaler(luma2, LUMA2, always(20, 20)) as one:
        want = one.bgr(picture)
        one._runtime.shapes.clear()
        with pytest.raises(Enough):
            one.bgr(picture, on_tile=stop)
        assert len(one._runtime.shapes) == after
        assert (one.bgr(picture) == want).all()


def test_calls_from_several_threads_take_turns(kind):
    several = [pictures(30 + 7 * k, 50 - 5 * k)[0] for k in range(6)]
    with upscaler(*kind, always(20, 20, 2)) as one:
        want = [one.bgr(each) for each in several]
        got = {}
        threads = [
            threading.Thread(target=lambda k=k: got.update({k: one.bgr(several[k])}))
            for k in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not one._runtime.met
    assert [(got[k] == want[k]).all() for k in range(6)] == [True] * 6


def test_close_closes_the_runtime(luma2):
    one = upscaler(luma2, LUMA2)
    one.bgr(pictures(5, 5)[0])
    one.close()
    one.close()
    assert one._runtime.closed == 2
    with pytest.raises(InferenceError, match="closed"):
        one.bgr(pictures(5, 5)[0])


# What cannot be.


@pytest.mark.parametrize("gain", [np.nan, np.inf, -np.inf, 1e12, -1e12])
def test_an_answer_that_is_no_picture(tmp_path, gain):
    path = LUMA2.write(tmp_path / "bad.onnx", gain=gain)
    with upscaler(path, LUMA2) as one:
        for call in (
            lambda: one.bgr(pictures(9, 9)[0]),
            lambda: one.luma(pictures(9, 9)[0][:, :, 0]),
        ):
            with pytest.raises(InferenceError, match="no picture"):
                call()


@pytest.mark.parametrize("gain", [100.0, -100.0])
def test_an_answer_far_beyond_white_or_black_is_clipped(tmp_path, gain):
    path = LUMA2.write(tmp_path / "bright.onnx", gain=gain)
    grey = np.full((9, 9, 3), 100, np.uint8)
    with upscaler(path, LUMA2) as one:
        want = 255 if gain > 0 else 0
        assert (one.bgr(grey) == want).all()
        assert (one.luma(grey[:, :, 0]) == want).all()


def test_a_network_of_another_scale(luma2):
    other = LUMA2.enlarging.model_copy(update={"scale": 3})
    with upscaler(luma2, LUMA2) as one:
        wrong = Upscaler(one._runtime, other, always(9, 9), name="wrong")
        with pytest.raises(InferenceError, match=r"\(1, 1, 18, 18\) and not \(1, 1, 27, 27\)"):
            wrong.bgr(pictures(9, 9)[0])


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([("a", (None, 3, None, None), "f4")], [("b", (None, 3, None, None), "f4")]),
        ([("a", (None, 1, None, None), "u1")], [("b", (None, 1, None, None), "f4")]),
        ([("a", (None, 1, None), "f4")], [("b", (None, 1, None, None), "f4")]),
        ([("a", (None, 1, None, None), "f4")], []),
        ([("a", (None, 1, None, None), "f4")] * 2, [("b", (None, 1, None, None), "f4")]),
    ],
)
def test_a_runtime_that_does_not_enlarge(inputs, outputs):
    specs = [
        [TensorSpec(name, shape, np.dtype(dtype)) for name, shape, dtype in side]
        for side in (inputs, outputs)
    ]
    with pytest.raises(ModelError, match="small: want one input and one output"):
        Upscaler(FakeRuntime(*specs, dict), LUMA2.enlarging, always(9, 9), name="small")


def test_what_is_no_picture_is_refused(luma2, bgr3):
    with upscaler(luma2, LUMA2) as one, upscaler(bgr3, BGR3) as colours:
        for bad in [
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4, 4), np.uint8),
            np.zeros((4, 4, 3), np.uint16),
            np.zeros((0, 4, 3), np.uint8),
        ]:
            with pytest.raises(ValueError, match="want uint8"):
                one.bgr(bad)
        for plane, bits in [
            (np.zeros((4, 4), np.uint16), 8),
            (np.zeros((4, 4), np.uint8), 10),
            (np.zeros((4, 4), np.uint16), 17),
            (np.zeros((4, 0), np.uint8), 8),
            (np.zeros((4, 4, 1), np.uint8), 8),
        ]:
            with pytest.raises(ValueError, match="want uint8"):
                one.luma(plane, bits=bits)
        with pytest.raises(ValueError, match="no luma alone"):
            colours.luma(np.zeros((4, 4), np.uint8))


def test_no_room_comes_through_and_leaves_the_next_call_free(luma2):
    picture = pictures(20, 20)[0]

    def choose(width: int, height: int, pictures: int = 1) -> Tile:
        if width > 20:
            raise NoRoom("too little")
        return Tile(20, 20)

    with upscaler(luma2, LUMA2) as inner:
        one = Upscaler(inner._runtime, LUMA2.enlarging, choose, name="small")
        with pytest.raises(NoRoom, match="too little"):
            one.bgr(pictures(20, 21)[0])
        assert one.bgr(picture).shape == (40, 40, 3)


def test_memory_that_runs_out(luma2):
    """An output that no machine has room for, of an input that takes none."""
    endless = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (1 << 24, 1 << 24, 3))
    with upscaler(luma2, LUMA2, always(1 << 23, 1 << 23)) as one:
        with pytest.raises(NoRoom, match="small: memory ran out while 16777216x16777216 px"):
            one.bgr(endless)
        assert one.bgr(pictures(5, 5)[0]).shape == (10, 10, 3)


@pytest.mark.parametrize("batch", [1, 3])
def test_memory_does_not_grow_with_the_picture(kind, batch):
    path, network = kind
    beyond = []
    for count in (2, 18):
        side = count * (64 - 2 * REACH_PX) + 2 * REACH_PX  # tiles of just 64 px
        picture = drawing(np.random.default_rng(side), side, side)
        with upscaler(path, network, always(64, 64, batch)) as one:
            assert one.planned(side, side)[0].width == 64
            tracemalloc.start()
            try:
                large = one.bgr(picture)
                beyond.append(tracemalloc.get_traced_memory()[1] - large.nbytes)
            finally:
                tracemalloc.stop()
    # Eighty times the pixels; what grows is a list of tiles.
    assert beyond[0] > 64 * 64
    assert beyond[1] < beyond[0] + 300_000


def test_colours_are_kept(luma2):
    """Areas of one colour come out as they went in, whatever the network does to luma's detail."""
    picture = cv2.cvtColor(np.full((40, 40, 1), 128, np.uint8), cv2.COLOR_GRAY2BGR)
    picture[:, :, 2] = 200
    with upscaler(luma2, LUMA2, always(20, 20)) as one:
        blue, green, red = one.bgr(picture)[30:50, 30:50].astype(int).reshape(-1, 3).T
    assert np.abs((red - green) - 72).max() <= 2
    assert np.abs(blue - green).max() <= 2


def test_an_enlarging_of_no_overlap_has_enough_for_chroma(luma2):
    without = Enlarging(scale=2, colours="luma", overlap_px=0)
    with upscaler(luma2, LUMA2) as inner:
        one = Upscaler(inner._runtime, without, always(20, 4), name="small")
        with pytest.raises(ValueError, match="at least 5 px"):
            one.bgr(pictures(20, 20)[0])
