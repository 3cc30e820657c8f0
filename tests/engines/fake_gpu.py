"""A plugin of pytest for the process that test_trt.py starts: a fresh fake GPU for each test."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from tests.engines.runtimes import DRIVER

KINDS = ("device", "host", "stream", "graph", "exec", "context")
OUT_OF_MEMORY, ILLEGAL_ADDRESS, NOT_SUPPORTED = 2, 700, 801
FEEDS = {
    "a": np.arange(6, dtype=np.float32).reshape(1, 3, 2),
    "b": np.array([10, 20], np.float32),
}
WANT = FEEDS["a"] + FEEDS["b"]


def calls(name):
    return DRIVER.fake_calls(name.encode())


def fail(name, nth=1, *, times=0, code=NOT_SUPPORTED):
    DRIVER.fake_fail(name.encode(), nth, times, code)


def living():
    return {kind: n for kind in KINDS if (n := DRIVER.fake_live(kind.encode()))}


def assert_nothing_is_left():
    assert living() == {}
    assert DRIVER.fake_shares() == 0  # of the primary context
    assert DRIVER.fake_depth() == 0  # contexts on this thread's stack
    assert DRIVER.fake_would_hang() == 0


@pytest.fixture(autouse=True, scope="module")
def _old_objects():
    """What is there before the tests need not be looked through again by each collection."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, params=["discrete", "integrated"])
def gpu(request):
    """A fresh GPU; after each test nothing may be left on it."""
    gc.collect()
    DRIVER.fake_reset()
    DRIVER.fake_integrated(request.param == "integrated")
    yield request.param
    gc.collect()
    if request.node.get_closest_marker("leaves") is None:
        assert_nothing_is_left()
    DRIVER.fake_reset()
