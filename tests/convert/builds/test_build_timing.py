"""Timings of earlier builds."""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path

import pytest

from faceguard.convert.build.builder import build_engine
from faceguard.convert.build.listener import Listener, make_logger
from faceguard.convert.build.timing import TimingCache, timing_cache_path
from faceguard.engines.errors import UsageError
from faceguard.engines.manifest import BuiltFor
from tests.convert.builds.conftest import rtx_request

ORIN = BuiltFor(version="10.3.0", cuda="12.6", gpu="Orin (nvgpu)", compute_capability="8.7")


def test_each_gpu_tensorrt_and_cuda_has_its_own_file(tmp_path):
    path = timing_cache_path(tmp_path, ORIN, "tensorrt")
    assert path == tmp_path / "Orin_nvgpu-sm87-tensorrt10.3.0-cuda12.6.timing"
    others = [
        ORIN.model_copy(update=change)
        for change in (
            {"gpu": "RTX 3060"},
            {"version": "10.16.2"},
            {"cuda": "13.2"},
            {"compute_capability": "8.6"},
        )
    ]
    assert len({path, *(timing_cache_path(tmp_path, o, "tensorrt") for o in others)}) == 5


def test_a_strange_name_stays_within_the_folder(tmp_path):
    strange = ORIN.model_copy(update={"gpu": "../../etc/x\n"})
    path = timing_cache_path(tmp_path, strange, "tensorrt")
    assert path is not None
    assert path.parent == tmp_path
    assert path.name.isprintable()


def test_no_timings_without_a_gpu_or_with_rtx(tmp_path):
    assert timing_cache_path(tmp_path, ORIN, "tensorrt-rtx") is None
    assert timing_cache_path(tmp_path, BuiltFor(), "tensorrt") is None


# TensorRT for RTX has the interface still, empties what it loads without a GPU, and says that the
# interface is to go; TensorRT itself keeps it.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def listener():
    return Listener()


@pytest.fixture
def config(rtx, listener):
    import tensorrt_rtx_bindings as trt

    logger = make_logger(trt, listener)
    builder = trt.Builder(logger)
    yield builder.create_builder_config()
    del builder, logger


def test_the_first_build_makes_the_file(config, listener, tmp_path):
    path = tmp_path / "new" / "a.timing"
    TimingCache(config, path, listener).save()
    assert path.read_bytes()
    assert listener.warnings == []
    assert sorted(left.name for left in path.parent.iterdir()) == [".a.timing.lock", "a.timing"]


def test_damaged_timings_are_replaced_with_a_warning(config, listener, tmp_path):
    path = tmp_path / "a.timing"
    path.write_bytes(b"garbage" * 100)
    cache = TimingCache(config, path, listener)
    assert [line for line in listener.warnings if str(path) in line and "replaced" in line]
    cache.save()
    assert not path.read_bytes().startswith(b"garbage")


@pytest.mark.parametrize("data", [b"garbage" * 100, b"\x08\x08 an ONNX graph"])
def test_a_file_that_holds_something_else_is_never_replaced(data, config, listener, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"model\.onnx: holds no timings that this .*; remove it"):
        TimingCache(config, path, listener)
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_an_engine_is_no_timing_cache(config, listener, tmp_path, small_graph, recorder):
    """Both begin with the same four letters in some versions of TensorRT."""
    request = rtx_request(small_graph, tmp_path / "small.engine")
    build_engine(request, progress=recorder)
    with pytest.raises(UsageError, match="holds no timings"):
        TimingCache(config, request.out, listener)


def test_a_file_that_became_something_else_during_the_build_stays(config, listener, tmp_path):
    path = tmp_path / "own.cache"
    cache = TimingCache(config, path, listener)
    path.write_bytes(b"a letter")
    cache.save()
    assert path.read_bytes() == b"a letter"
    assert any("is something else now" in line for line in listener.warnings)


@pytest.mark.parametrize("before", [None, b""])
def test_a_file_of_one_s_own_is_made_where_there_is_none(before, config, listener, tmp_path):
    path = tmp_path / "own.cache"
    if before is not None:
        path.write_bytes(before)
    TimingCache(config, path, listener).save()
    assert path.read_bytes()


def test_what_is_no_plain_file_is_neither_read_nor_replaced(config, listener, tmp_path):
    path = tmp_path / "a.timing"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="no plain file"):
        TimingCache(config, path, listener)
    assert path.is_fifo()


def test_what_another_build_saved_meanwhile_does_no_harm(config, listener, tmp_path):
    path = tmp_path / "a.timing"
    cache = TimingCache(config, path, listener)
    path.write_bytes(b"saved by another build, and damaged")
    cache.save()
    assert path.read_bytes()
    assert not path.read_bytes().startswith(b"saved")


def test_builds_that_save_at_once_leave_a_whole_file(config, listener, tmp_path):
    path = tmp_path / "a.timing"
    cache = TimingCache(config, path, listener)
    cache.save()
    whole = path.read_bytes()

    def save() -> None:
        with warnings.catch_warnings():
            for _ in range(20):
                cache.save()

    threads = [threading.Thread(target=save) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == whole
    assert {left.name for left in tmp_path.iterdir()} == {".a.timing.lock", "a.timing"}


@pytest.mark.parametrize("place", ["file/a.timing", "folder.timing"])
def test_a_place_that_cannot_be_written_is_a_warning(place, config, listener, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.timing").mkdir()
    path: Path = tmp_path / place
    TimingCache(config, path, listener).save()
    assert any("cannot be written" in line and str(path) in line for line in listener.warnings)
