"""Inferences that take long are interrupted from another thread, and the next one works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from faceguard.engines.errors import InferenceError
from faceguard.engines.onnx import OnnxRuntime
from tests.engines.slow_graphs import SIDE_PX, write_slow

LIMIT_S = 60.0


@contextmanager
def interrupting(runtime: OnnxRuntime) -> Iterator[None]:
    """Interrupts whatever is under way, until the block ends."""
    ended = threading.Event()

    def again() -> None:
        while not ended.wait(0.1):
            runtime.interrupt()

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()


def picture(side: int) -> dict[str, np.ndarray]:
    return {"in": np.linspace(0, 1, 3 * side * side, dtype=np.float32).reshape(1, 3, side, side)}


@pytest.mark.parametrize("steady", [False, True])
def test_an_interrupted_inference_ends_and_the_next_one_works(tmp_path, steady):
    with OnnxRuntime(write_slow(tmp_path / "slow.onnx"), threads=1, steady=steady) as runtime:
        runtime.interrupt()  # nothing is under way: nothing comes of it
        want = runtime.infer(picture(1))["out"]
        for _ in range(2):
            with (
                interrupting(runtime),
                pytest.raises(InferenceError, match=r"slow.onnx: the inference was interrupted$"),
            ):
                runtime.infer(picture(SIDE_PX))
            np.testing.assert_array_equal(runtime.infer(picture(1))["out"], want)


def test_all_that_are_under_way_end(tmp_path):
    said: list[str] = []
    with OnnxRuntime(write_slow(tmp_path / "slow.onnx"), threads=1) as runtime:

        def work() -> None:
            with pytest.raises(InferenceError) as caught:
                runtime.infer(picture(SIDE_PX))
            said.append(str(caught.value))

        threads = [threading.Thread(target=work) for _ in range(2)]
        with interrupting(runtime):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LIMIT_S)
    assert [one.endswith("was interrupted") for one in said] == [True, True]
