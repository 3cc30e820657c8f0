"""Real builds with TensorRT for RTX, which needs no GPU for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from faceguard.convert.build.backend import gpu_is_here
from faceguard.convert.build.builder import build_engine
from faceguard.engines.spec import Profile
from tests.convert.builds.conftest import Recorder, rtx_request, zombies

pytestmark = pytest.mark.usefixtures("rtx")

VGA = Profile.fixed((1, 3, 480, 640))
ANY = Profile((1, 3, 320, 320), (1, 3, 480, 640), (1, 3, 960, 1280))
BLAZEFACES = ["blazeface-short", "blazeface-back", "blazeface-full", "blazeface-full-sparse"]
PICTURES = {"yunet": "input", "centerface": "input.1"}


def header_is_good(engine: Path) -> bool:
    """The header of TensorRT for RTX: its magic, the size of the whole, and who wrote it."""
    from tensorrt_rtx_bindings import __version__ as installed

    data = engine.read_bytes()
    size = int.from_bytes(data[16:24], "little")
    version = ".".join(str(number) for number in data[24:28])
    return (data[:4], size, version) == (b"vtrt", len(data), installed)


@pytest.mark.models
@pytest.mark.parametrize("name", BLAZEFACES)
def test_blazefaces_become_engines(name, half_precision: Callable[[str], Path], tmp_path, recorder):
    out = tmp_path / f"{name}.engine"
    outcome = build_engine(rtx_request(half_precision(name), out), progress=recorder)
    assert header_is_good(out)
    assert outcome.engine_bytes == out.stat().st_size
    assert 20 < outcome.peak_mb < 2000
    assert outcome.backend_version.count(".") >= 2
    if outcome.layers is not None:
        assert gpu_is_here()
        assert json.loads(outcome.layers)["Layers"]


@pytest.mark.models
@pytest.mark.parametrize("profile", [VGA, ANY], ids=["fixed", "dynamic"])
@pytest.mark.parametrize("name", sorted(PICTURES))
def test_models_of_any_size_become_engines(name, profile, half_precision, tmp_path, recorder):
    out = tmp_path / f"{name}.engine"
    request = rtx_request(half_precision(name), out, profiles={PICTURES[name]: profile})
    outcome = build_engine(request, progress=recorder)
    assert header_is_good(out)
    assert outcome.engine_bytes == out.stat().st_size


def test_progress_is_seen_from_the_first_phase_to_the_last(small_graph, tmp_path, recorder):
    build_engine(rtx_request(small_graph, tmp_path / "small.engine"), progress=recorder)
    assert recorder.stages == ["loading tensorrt-rtx", "reading the graph"]
    names = [name for name, _, _ in recorder.phases]
    assert all(steps > 0 for _, _, steps in recorder.phases)
    roots = [name for name, parent, _ in recorder.phases if parent is None]
    assert roots
    assert recorder.phases[0][0] == roots[0]
    assert {parent for _, parent, _ in recorder.phases} - {None} <= set(names)
    assert sorted(recorder.finished) == sorted(names)
    assert {name for name, _ in recorder.steps} <= set(names)
    assert recorder.steps
    assert recorder.ticks > 0


def test_an_engine_replaces_the_one_that_stood_there(small_graph, tmp_path, recorder):
    out = tmp_path / "small.engine"
    out.write_bytes(b"an old one")
    build_engine(rtx_request(small_graph, out), progress=recorder)
    assert header_is_good(out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.engine", "small.onnx"]
    assert not zombies()


def test_one_engine_for_two_gpus_is_larger(small_graph, tmp_path, recorder):
    sizes = []
    for targets in (("sm86",), ("sm86", "sm89")):
        request = rtx_request(small_graph, tmp_path / "small.engine", targets=targets)
        sizes.append(build_engine(request, progress=recorder).engine_bytes)
    assert sizes[0] < sizes[1]


def test_a_workspace_is_taken(small_graph, tmp_path, recorder):
    request = rtx_request(
        small_graph,
        tmp_path / "small.engine",
        workspace_bytes=64 << 20,
    )
    assert build_engine(request, progress=recorder).warnings == []


def test_a_fixed_input_may_be_given_its_own_shape(small_graph, tmp_path, recorder):
    request = rtx_request(
        small_graph,
        tmp_path / "small.engine",
        profiles={"x": Profile.fixed((1, 8, 16, 16))},
    )
    build_engine(request, progress=recorder)
    assert header_is_good(request.out)


def test_timings_are_told_to_be_unused(small_graph, tmp_path, recorder):
    cache = tmp_path / "some.timing"
    request = rtx_request(small_graph, tmp_path / "small.engine", timing_cache=cache)
    outcome = build_engine(request, progress=recorder)
    assert [str(cache) in warning for warning in outcome.warnings] == [True]
    assert not cache.exists()


def test_without_a_gpu_there_is_no_engine_for_the_gpu_here(small_graph, tmp_path, recorder):
    from faceguard.engines.errors import BuildFailed

    if gpu_is_here():
        pytest.skip("there is a GPU here")
    request = rtx_request(small_graph, tmp_path / "small.engine", targets=())
    with pytest.raises(BuildFailed, match="cannot build it") as caught:
        build_engine(request, progress=recorder)
    assert "\n" not in str(caught.value)
    assert not request.out.exists()


def test_a_large_parent_does_not_count(small_graph, tmp_path, recorder):
    ballast = bytearray(600_000_000)
    ballast[::4096] = b"x" * len(range(0, len(ballast), 4096))
    outcome = build_engine(rtx_request(small_graph, tmp_path / "small.engine"), progress=recorder)
    assert outcome.peak_mb < 500


def test_recorder_follows_the_protocol(recorder: Recorder):
    from faceguard.convert.build.progress import BuildProgress

    progress: BuildProgress = recorder
    progress.tick()
    assert recorder.ticks == 1
