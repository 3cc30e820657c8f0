"""A call that takes long is interrupted from another thread, and the next one works."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from faceguard.engines.catalogue import Enlarging
from faceguard.engines.errors import InferenceError
from faceguard.engines.onnx import OnnxRuntime
from faceguard.engines.upscaling.admission import Admission
from faceguard.engines.upscaling.admitted import AdmittedUpscaler
from faceguard.engines.upscaling.footprint import Footprint, Key, Measure, Need
from faceguard.engines.upscaling.upscaler import Upscaler
from tests.engines.slow_graphs import SIDE_PX, write_slow
from tests.engines.upscaling.enlarging_graphs import SmallNetwork, always, noise, upscaler

LIMIT_S = 60.0
SLOW = Enlarging(scale=2, colours="bgr", overlap_px=4)


def slow(path: Path, *, is_admitted: bool) -> Upscaler:
    runtime = OnnxRuntime(write_slow(path), threads=1, steady=is_admitted)
    if not is_admitted:
        return Upscaler(runtime, SLOW, always(SIDE_PX, SIDE_PX), name="slow")
    key = Key(sha256="0" * 64, form="plain", runtime="some 1.0", threads=1, device="some")
    nothing = Need(resident=0, address=0)
    little = (Measure(pixels=1024, need=nothing),)
    footprint = Footprint(key=key, load=nothing, loaded=nothing, tiles=little)
    return AdmittedUpscaler(runtime, SLOW, Admission("slow", SLOW, footprint), name="slow")


@pytest.mark.parametrize("is_admitted", [False, True])
def test_the_tile_at_hand_is_given_up(tmp_path, is_admitted):
    begun, ended = threading.Event(), threading.Event()
    starts: list[int] = []

    def on_tile(done: int, of: int) -> None:
        del of
        starts.append(done)
        begun.set()

    with slow(tmp_path / "slow.onnx", is_admitted=is_admitted) as large:

        def interrupt() -> None:
            begun.wait(LIMIT_S)
            while not ended.wait(0.1):
                large.interrupt()

        small = noise(np.random.default_rng(1), 2, 2)
        want = large.bgr(small)
        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            with pytest.raises(InferenceError, match="interrupted"):
                large.bgr(noise(np.random.default_rng(2), SIDE_PX, SIDE_PX), on_tile=on_tile)
        finally:
            ended.set()
            thread.join(LIMIT_S)
        assert starts == [0]  # and it was not begun again
        assert (large.bgr(small) == want).all()


def test_a_runtime_that_cannot_be_interrupted_ends_after_its_tile(tmp_path):
    network = SmallNetwork.make(2, 3)
    picture = noise(np.random.default_rng(3), 40, 90)
    with upscaler(network.write(tmp_path / "small.onnx"), network, always(30, 40)) as small:
        runtime = small._runtime
        want = small.bgr(picture)
        whole = len(runtime.shapes)
        assert whole > 2

        def on_tile(done: int, of: int) -> None:
            del of
            if done == 1:
                small.interrupt()

        with pytest.raises(InferenceError, match=r"^small: it was interrupted$"):
            small.bgr(picture, on_tile=on_tile)
        assert len(runtime.shapes) == whole + 1
        small.interrupt()  # none is under way: nothing comes of it
        assert (small.bgr(picture) == want).all()
