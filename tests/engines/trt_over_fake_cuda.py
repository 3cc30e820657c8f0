"""The TensorRT runtime over the real pycuda, a fake driver and a double: how it works and ends.

No test file of its own: `test_trt.py` runs it in a process where the driver is the fake one.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from faceguard.engines.errors import InferenceError
from faceguard.engines.trt import TensorRtRuntime
from tests.engines.fake_gpu import FEEDS, WANT, assert_nothing_is_left, calls, fail, living
from tests.engines.runtimes import DRIVER, FAKE_CUDA, adder_plan
from tests.engines.trt_double import make_plan


@pytest.mark.parametrize("rows", [3, None])
def test_takes_nothing_more_however_often_it_runs(rows):
    with TensorRtRuntime(adder_plan(rows)) as runtime:
        held, allocations = living(), (calls("cuMemAlloc"), calls("cuMemHostAlloc"))
        for _ in range(1000):
            answer = runtime.infer(FEEDS)["y"]
        np.testing.assert_array_equal(answer, WANT)
        assert living() == held
        assert (calls("cuMemAlloc"), calls("cuMemHostAlloc")) == allocations
    assert_nothing_is_left()


def test_an_integrated_gpu_copies_nothing(gpu):
    with TensorRtRuntime(adder_plan(None)) as runtime:
        np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)
        assert runtime.is_zero_copy == (gpu == "integrated")
    copies = calls("cuMemcpyHtoDAsync"), calls("cuMemcpyDtoHAsync")
    assert calls("cuMemHostAlloc") == 3
    if gpu == "integrated":
        assert copies == (0, 0)
        assert calls("cuMemAlloc") == 0
    else:
        assert copies == (2 * 2, 1 * 2)  # the run on zeros, and ours
        assert calls("cuMemAlloc") == 3


def test_copies_only_what_this_run_needs():
    with TensorRtRuntime(adder_plan(None)) as runtime:
        small = {**FEEDS, "a": FEEDS["a"][:, :1]}
        np.testing.assert_array_equal(runtime.infer(small)["y"], WANT[:, :1])


def test_fixed_shapes_are_recorded_once(gpu):
    with TensorRtRuntime(adder_plan(3)) as runtime:
        assert runtime.uses_cuda_graph
        kernels, launches = calls("launch"), calls("cuGraphLaunch")
        copies = calls("cuMemcpyHtoDAsync")
        for factor in (1, 2, 3):
            feeds = {name: factor * array for name, array in FEEDS.items()}
            np.testing.assert_array_equal(runtime.infer(feeds)["y"], factor * WANT)
        assert calls("cuGraphLaunch") == launches + 3
        assert calls("launch") == kernels
        assert calls("cuMemcpyHtoDAsync") == copies


@pytest.mark.parametrize(("rows", "wanted"), [(None, True), (3, False)])
def test_other_runs_are_not_recorded(rows, wanted):
    with TensorRtRuntime(adder_plan(rows), cuda_graph=wanted) as runtime:
        assert not runtime.uses_cuda_graph
        np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)
    assert calls("cuStreamBeginCapture") == calls("cuGraphLaunch") == 0


@pytest.mark.parametrize("call", [None, "cuStreamBeginCapture", "cuStreamEndCapture"])
def test_what_cannot_be_recorded_runs_all_the_same(call, caplog):
    caplog.set_level("INFO")
    if call:
        fail(call)
    with TensorRtRuntime(adder_plan(3, **({} if call else {"waits": True}))) as runtime:
        assert not runtime.uses_cuda_graph
        np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)
    assert "runs without a CUDA graph" in caplog.text


def test_a_refusal_while_recording_is_survived():
    # The run on zeros is the first, the recorded one the second.
    with TensorRtRuntime(adder_plan(3, refuses=2)) as runtime:
        assert not runtime.uses_cuda_graph
        np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)


def test_a_context_of_others_stays_current():
    import pycuda.driver as pycuda

    theirs = pycuda.Device(0).make_context()
    try:
        current = DRIVER.fake_current()
        with TensorRtRuntime(adder_plan(3)) as runtime:
            assert DRIVER.fake_current() == current
            np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)
            assert DRIVER.fake_current() == current
        assert DRIVER.fake_current() == current
        assert DRIVER.fake_depth() == 1
    finally:
        theirs.pop()
        theirs.detach()
        DRIVER.fake_reset()


def test_is_freed_in_order_whoever_closes_it(gpu):
    runtime = TensorRtRuntime(adder_plan(3))
    runtime.infer(FEEDS)
    closer = threading.Thread(target=runtime.close)
    closer.start()
    closer.join(timeout=60)
    _assert_freed_in_order(gpu)


BF16 = {"dtype": "BF16", "shape": [2]}


@pytest.mark.parametrize(
    "plan",
    [
        adder_plan(None, open_ended=True),
        adder_plan(3, no_memory=True),
        make_plan("same", {"x": {**BF16, "mode": "INPUT"}, "y": {**BF16, "mode": "OUTPUT"}}),
    ],
    ids=["no bound", "no memory", "no dtype"],
)
def test_is_freed_in_order_while_an_error_is_still_looked_at(gpu, plan):
    """A traceback keeps the variables of its frames; none may hold a part of TensorRT."""
    with pytest.raises(InferenceError) as caught:
        TensorRtRuntime(plan)
    assert caught.value.__traceback__ is not None
    freed = DRIVER.fake_trace().decode().split()
    assert freed.index("~ICudaEngine") < freed.index("~Runtime") < freed.index("~stream")
    assert freed[-1] == "~primary"


def test_is_freed_in_order_after_a_failed_run(gpu):
    with pytest.raises(InferenceError) as caught, TensorRtRuntime(adder_plan(None, refuses=2)) as r:
        r.infer(FEEDS)
    assert caught.value.__traceback__ is not None
    _assert_freed_in_order(gpu, graph=False)


def _assert_freed_in_order(gpu, *, graph=True):
    freed = list(dict.fromkeys(DRIVER.fake_trace().decode().split()))
    memory = ["~host"] if gpu == "integrated" else ["~device", "~host"]
    assert freed == [
        *(["~graph"] if graph else []),
        "~IExecutionContext",
        "~ICudaEngine",
        "~Runtime",
        *memory,
        "~stream",
        "~primary",
    ]


def test_is_freed_when_it_is_forgotten():
    runtime = TensorRtRuntime(adder_plan(3))
    assert living()
    del runtime
    gc.collect()
    assert_nothing_is_left()


def test_a_program_that_never_closes_ends_quietly():
    # What is registered first runs last, so this tells what there was to see for the driver.
    script = (
        "import atexit\n"
        "atexit.register(lambda: print(DRIVER.fake_trace().decode().split()[-2:]))\n"
        "from tests.engines.runtimes import DRIVER, adder_plan\n"
        "from faceguard.engines.trt import TensorRtRuntime\n"
        "import numpy as np\n"
        "runtime = TensorRtRuntime(adder_plan(3))\n"
        "feeds = {'a': np.zeros((1, 3, 2), 'f4'), 'b': np.ones(2, 'f4')}\n"
        "print(runtime.infer(feeds)['y'].sum())\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "FACEGUARD_TEST_FAKE_CUDA": str(FAKE_CUDA)},
    )
    told = "6.0\n['~stream', '~primary']\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
