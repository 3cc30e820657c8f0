"""The TensorRT runtime over the real pycuda, a fake driver and a double of TensorRT.

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

from faceguard.engines import cuda_device
from faceguard.engines.errors import (
    EngineStale,
    InferenceError,
    InferenceTimeout,
    MissingPackage,
    ModelCorrupt,
    ModelMissing,
    TensorMismatch,
)
from faceguard.engines.trt import TensorRtRuntime
from tests.engines.runtimes import DRIVER, FAKE_CUDA, adder_plan
from tests.engines.trt_double import make_plan

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


OPENING = (
    "cuInit",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuCtxPushCurrent",
    "cuStreamCreate",
    "cuMemHostAlloc",
    "cuMemHostGetDevicePointer",
    "cuMemAlloc",
    "cuMemcpyHtoDAsync",
    "cuMemcpyDtoHAsync",
    "launch",
    "cuStreamQuery",
    "cuGraphLaunch",
)


@pytest.mark.parametrize("call", OPENING)
def test_a_failure_at_any_step_of_opening_frees_everything(call):
    TensorRtRuntime(adder_plan(3)).close()
    steps = calls(call)
    if call == "cuCtxPushCurrent":
        steps -= 1  # the last is that of closing
    refused = 0
    for nth in range(1, steps + 1):
        integrated = calls("cuMemHostGetDevicePointer") > 0
        DRIVER.fake_reset()
        DRIVER.fake_integrated(integrated)
        # pycuda asks twice for memory, with a collection between.
        fail(call, nth, times=2 if "Alloc" in call else 1, code=OUT_OF_MEMORY)
        said = _open_and_close()
        if said:
            refused += 1
            assert "out of memory" in said or "TensorRT gave no reason" in said
            assert said.startswith("engine: opening it failed: ")
            assert "\n" not in said
        assert_nothing_is_left()
        fail(call, 1 << 20)
        with TensorRtRuntime(adder_plan(3)) as runtime:  # nothing is spoilt for the next one
            np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)
    # Those that only fail while a run is recorded are done without.
    assert refused >= steps / 2


def _open_and_close():
    """What opening was refused for; None where it was not."""
    try:
        TensorRtRuntime(adder_plan(3)).close()
    except InferenceError as error:
        return str(error)
    return None


def test_every_step_of_opening_was_tried(gpu):
    TensorRtRuntime(adder_plan(3)).close()
    unused = {name for name in OPENING if calls(name) == 0}
    copies = {"cuMemAlloc", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync"}
    assert unused == (copies if gpu == "integrated" else {"cuMemHostGetDevicePointer"})


@pytest.mark.parametrize("rows", [3, None])
def test_a_failed_start_is_told_and_ends_the_runtime(rows):
    with TensorRtRuntime(adder_plan(rows)) as runtime:
        fail("cuGraphLaunch" if rows else "launch", times=1)
        with pytest.raises(InferenceError, match=r"^engine: inference failed: ") as caught:
            runtime.infer(FEEDS)
        assert "\n" not in str(caught.value)
        with pytest.raises(InferenceError, match="an inference failed; close this runtime"):
            runtime.infer(FEEDS)
    with TensorRtRuntime(adder_plan(rows)) as runtime:
        np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)


def test_what_tensorrt_says_is_in_the_error(caplog):
    runtime = TensorRtRuntime(adder_plan(None, refuses=2))
    with runtime, pytest.raises(InferenceError) as caught:
        runtime.infer(FEEDS)
    line = "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (fake reason)"
    assert str(caught.value) == f"engine: inference failed: {line}"
    assert f"TensorRT: {line}" in caplog.text


@pytest.mark.leaves
@pytest.mark.parametrize("rows", [3, None])
def test_an_error_of_the_gpu_is_told_and_closing_hides_it_not(rows):
    """The context is lost for good, as after an illegal address on a real one."""
    runtime = TensorRtRuntime(adder_plan(rows))
    DRIVER.fake_async_error(ILLEGAL_ADDRESS)
    with pytest.raises(InferenceError, match="illegal memory access") as caught, runtime:
        runtime.infer(FEEDS)
    assert str(caught.value).startswith("engine: inference failed: cuStreamQuery failed")
    assert DRIVER.fake_shares() == DRIVER.fake_depth() == 0
    with pytest.raises(InferenceError, match="closed"):
        runtime.infer(FEEDS)


@pytest.mark.parametrize("timeout_s", [None, 60.0])
def test_waits_for_a_slow_gpu(timeout_s):
    with TensorRtRuntime(adder_plan(3), timeout_s=timeout_s) as runtime:
        if timeout_s:
            DRIVER.fake_stall(50)
        np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)


@pytest.mark.leaves
def test_a_hanging_gpu_is_given_up_and_left_behind(caplog):
    runtime = TensorRtRuntime(adder_plan(3), timeout_s=0.02)
    DRIVER.fake_stall(-1)
    with pytest.raises(InferenceTimeout, match=r"^engine: the GPU gave no answer in the time"):
        runtime.infer(FEEDS)
    with pytest.raises(InferenceError, match="an inference did not end in time; close this"):
        runtime.infer(FEEDS)
    held = living()
    runtime.close()
    assert living() == held
    assert DRIVER.fake_would_hang() == 0
    assert DRIVER.fake_depth() == 0
    assert "the GPU still hangs" in caplog.text
    del runtime
    gc.collect()
    assert living() == held  # no destructor tried either


def test_a_late_gpu_is_closed_when_it_is_done():
    runtime = TensorRtRuntime(adder_plan(3), timeout_s=0.02)
    DRIVER.fake_stall(-1)
    with pytest.raises(InferenceTimeout):
        runtime.infer(FEEDS)
    DRIVER.fake_stall(20)
    runtime.close()


def test_a_hang_while_opening_is_given_up(monkeypatch):
    from faceguard.engines import trt_session

    monkeypatch.setattr(trt_session, "_WARM_UP_LIMIT_S", 0.02)
    DRIVER.fake_stall(-1)
    monkeypatch.setattr(cuda_device.time, "sleep", _then_finish_after(0.02))
    with pytest.raises(InferenceTimeout):
        TensorRtRuntime(adder_plan(3))


def _then_finish_after(limit_s):
    """A sleep under which the GPU comes to its end once the limit has passed."""
    real, slept = cuda_device.time.sleep, []

    def sleep(wait_s):
        slept.append(wait_s)
        real(wait_s)
        if sum(slept) > 3 * limit_s:
            DRIVER.fake_stall(0)

    return sleep


def test_an_interrupt_ends_the_runtime(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    with TensorRtRuntime(adder_plan(3)) as runtime:
        DRIVER.fake_stall(2)
        with monkeypatch.context() as patch:
            patch.setattr(cuda_device.time, "sleep", interrupt)
            with pytest.raises(KeyboardInterrupt):
                runtime.infer(FEEDS)
        with pytest.raises(InferenceError, match="broken off; close this runtime"):
            runtime.infer(FEEDS)


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


@pytest.mark.parametrize("rows", [7, 100])
def test_shapes_outside_the_profile_are_stopped(rows):
    with TensorRtRuntime(adder_plan(None)) as runtime:
        feeds = {**FEEDS, "a": np.zeros((1, rows, 2), np.float32)}
        with pytest.raises(TensorMismatch, match=f"takes 1x1x2 to 1x6x2, not 1x{rows}x2"):
            runtime.infer(feeds)
        np.testing.assert_array_equal(runtime.infer(FEEDS)["y"], WANT)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dtype": "BF16"}, "'x' is of type BF16"),
        ({"location": "HOST"}, "'x' is a shape tensor or not in linear order"),
        ({"format": "CHW4"}, "'x' is a shape tensor or not in linear order"),
    ],
)
def test_refuses_tensors_that_it_cannot_fill(change, says):
    tensor = {"dtype": "FLOAT", "shape": [2]}
    tensors = {"x": {**tensor, "mode": "INPUT", **change}, "y": {**tensor, "mode": "OUTPUT"}}
    with pytest.raises(InferenceError, match=says) as caught:
        TensorRtRuntime(make_plan("same", tensors))
    assert "\n" not in str(caught.value)


def test_refuses_outputs_without_a_bound():
    with pytest.raises(InferenceError, match="the shape of output 'y' depends on the picture"):
        TensorRtRuntime(adder_plan(None, open_ended=True))


def test_no_memory_for_the_engine():
    with pytest.raises(InferenceError, match="no memory for this engine: Requested amount of GPU"):
        TensorRtRuntime(adder_plan(3, no_memory=True))


def test_refuses_garbage(tmp_path):
    path = tmp_path / "face.engine"
    path.write_bytes(b"no engine")
    with pytest.raises(ModelCorrupt) as caught:
        TensorRtRuntime(path)
    said = "IRuntime::deserialize: Error Code 1: magic"
    assert str(caught.value) == (
        f"face.engine: TensorRT 10.3.0 cannot load this engine: {said}; "
        "run: faceguard engines build"
    )
    with pytest.raises(ModelMissing, match=r"none\.engine: cannot be read: No such file"):
        TensorRtRuntime(tmp_path / "none.engine")


@pytest.mark.parametrize(
    "said",
    [
        "The engine plan file is generated on an incompatible device, please rebuild.",
        "Serialization assertion failed.Version tag does not match. Note: Current Version: 239",
    ],
)
def test_an_engine_of_elsewhere_is_stale_and_not_corrupt(said):
    with pytest.raises(EngineStale, match="run: faceguard engines build"):
        TensorRtRuntime(adder_plan(3, foreign=said))


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        ("tensorrt", "sudo apt install python3-libnvinfer.*pip install tensorrt"),
        ("tensorrt-rtx", r"pip install 'faceguard-edge\[rtx\]'"),
    ],
)
def test_says_how_to_install_tensorrt(monkeypatch, backend, says):
    for name in ("tensorrt", "tensorrt_bindings", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackage, match=says) as caught:
        TensorRtRuntime(adder_plan(3), backend=backend)
    assert "\n" not in str(caught.value)


def test_says_how_to_install_pycuda(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    with pytest.raises(MissingPackage, match=r"PATH=\$PATH:/usr/local/cuda/bin pip install pycuda"):
        TensorRtRuntime(adder_plan(3))


def test_says_that_there_is_no_gpu():
    fail("cuInit", code=100)
    with pytest.raises(InferenceError, match="cuInit failed: no CUDA-capable device"):
        TensorRtRuntime(adder_plan(3))
