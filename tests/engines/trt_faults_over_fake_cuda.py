"""The TensorRT runtime over the real pycuda, a fake driver and a double: what goes wrong.

No test file of its own: `test_trt.py` runs it in a process where the driver is the fake one.
"""

from __future__ import annotations

import gc
import sys

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
from tests.engines.fake_gpu import (
    FEEDS,
    ILLEGAL_ADDRESS,
    OUT_OF_MEMORY,
    WANT,
    assert_nothing_is_left,
    calls,
    fail,
    living,
)
from tests.engines.runtimes import DRIVER, adder_plan
from tests.engines.trt_double import make_plan

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
