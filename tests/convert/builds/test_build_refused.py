"""Graphs, targets and places that cannot be built; each ends in one clear line."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import helper

from faceguard.convert.build import engine_file
from faceguard.convert.build.builder import build_engine
from faceguard.convert.build.engine_file import EngineFile
from faceguard.convert.build.request import BuildRequest
from faceguard.engines.errors import (
    BadModelFile,
    BuildFailed,
    MissingPackage,
    ModelMissing,
    OutputError,
    UnsupportedOp,
    UsageError,
)
from faceguard.engines.spec import Profile
from tests.convert.builds.conftest import Recorder, rtx_request, save_graph, zombies

REFUSED = """
import resource, sys
from pathlib import Path
from faceguard.convert.build.builder import build_engine
from faceguard.convert.build.progress import Silence
from faceguard.convert.build.request import BuildRequest
from faceguard.engines.errors import OutputError
graph, out, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    build_engine(BuildRequest(graph, out, "tensorrt-rtx", targets=("sm86",)), progress=Silence())
except OutputError as error:
    print(error)
    print([str(left) for left in out.parent.iterdir()])
"""


def refused(kind, told, graph, tmp_path, **values):
    """Builds, and wants this error; gives its line."""
    out = tmp_path / "never" / "never.engine"
    out.parent.mkdir()
    request = BuildRequest(
        graph, out, **{"backend": "tensorrt-rtx", "targets": ("sm86",), **values}
    )
    with pytest.raises(kind, match=told) as caught:
        build_engine(request, progress=Recorder())
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert list(out.parent.iterdir()) == []
    assert not zombies()
    return str(caught.value)


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize("data", [b"", b"garbage" * 1000, b"\x08\x07"], ids=["none", "junk", "bit"])
def test_what_is_no_graph(data, tmp_path):
    graph = tmp_path / "junk.onnx"
    graph.write_bytes(data)
    refused(BadModelFile, "junk.onnx", graph, tmp_path)


@pytest.mark.usefixtures("rtx")
def test_a_truncated_graph(long_graph, tmp_path):
    graph = tmp_path / "cut.onnx"
    graph.write_bytes(long_graph.read_bytes()[:-2000])
    refused(BadModelFile, "truncated", graph, tmp_path)


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize(
    ("operation", "domain"), [("Wobble", ""), ("Wobble", "other"), ("Det", "")]
)
def test_an_unknown_operation_is_named(operation, domain, tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node(operation, ["a"], ["y"], name="the second", domain=domain),
    ]
    graph = save_graph(tmp_path / "odd.onnx", nodes, (1, 8, 16, 16))
    line = refused(UnsupportedOp, operation, graph, tmp_path)
    assert "node 1 'the second'" in line


@pytest.mark.usefixtures("rtx")
def test_a_node_without_its_inputs_is_named(tmp_path):
    node = helper.make_node("TopK", ["x"], ["y"], name="bare")
    graph = save_graph(tmp_path / "bare.onnx", [node], (1, 8, 16, 16))
    refused(BuildFailed, r"TopK \(node 0 'bare': .*two input tensors", graph, tmp_path)


@pytest.mark.usefixtures("rtx")
def test_an_open_input_wants_a_profile(open_graph, tmp_path):
    refused(UsageError, r"'x' is 1x8x\?x\?; say how large.*--shape x=", open_graph, tmp_path)


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("z", (1, 8, 16, 16), "no input is called 'z'; it takes x"),
        ("x", (1, 8, 16), r"1x8x\?x\?, and 1x8x16 is not"),
        ("x", (2, 8, 16, 16), "and 2x8x16x16 is not"),
    ],
)
def test_a_profile_must_fit(name, shape, told, open_graph, tmp_path):
    refused(UsageError, told, open_graph, tmp_path, profiles={name: Profile.fixed(shape)})


@pytest.mark.usefixtures("rtx")
def test_a_gpu_that_the_library_does_not_know(small_graph, tmp_path):
    refused(
        UsageError, "not build for sm99; it knows .*sm86", small_graph, tmp_path, targets=("sm99",)
    )


def test_a_jetson_is_no_target_of_rtx(small_graph, tmp_path):
    refused(
        UsageError, "no engine of TensorRT for RTX runs", small_graph, tmp_path, targets=("sm87",)
    )


def test_a_graph_that_is_not_there(tmp_path):
    refused(ModelMissing, "no such graph", tmp_path / "nothing.onnx", tmp_path)


def test_a_backend_that_is_not_there(small_graph, tmp_path):
    if any(map(importlib.util.find_spec, ("tensorrt", "tensorrt_bindings"))):
        pytest.skip("TensorRT is installed here")
    refused(MissingPackage, "python3-libnvinfer", small_graph, tmp_path, backend="tensorrt")


def test_a_backend_that_does_not_load(small_graph, tmp_path, monkeypatch):
    library = tmp_path / "library"
    library.mkdir()
    (library / "tensorrt.py").write_text("import ctypes; ctypes.CDLL('libnowhere.so.10')")
    monkeypatch.syspath_prepend(library)
    refused(MissingPackage, "libnowhere.so.10", small_graph, tmp_path, backend="tensorrt")


@pytest.mark.parametrize("place", ["missing/a.engine", "small.onnx/a.engine", "folder"])
def test_a_place_that_cannot_be_written_is_known_before_the_build(place, small_graph, tmp_path):
    (tmp_path / "folder").mkdir()
    recorder = Recorder()
    request = rtx_request(small_graph, tmp_path / place)
    with pytest.raises(OutputError):
        build_engine(request, progress=recorder)
    assert recorder.stages == []


@pytest.mark.usefixtures("rtx")
def test_a_file_that_may_not_grow(small_graph, tmp_path):
    out = tmp_path / "small" / "small.engine"
    out.parent.mkdir()
    done = run_refused([], small_graph, out, limit=1000)
    assert "File too large" in done[0]
    assert done[1:] == ["[]"]


@pytest.mark.usefixtures("rtx")
@pytest.mark.parametrize(
    ("options", "told"), [("size=16k", "No space left"), ("ro", "Read-only file system")]
)
def test_a_disk_that_is_full_or_read_only(options, told, small_graph, tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    alone = ["unshare", "--mount", "sh", "-c"]
    mount = f'mount -t tmpfs -o {options} none "{place}" && exec "$0" "$@"'
    tried = subprocess.run([*alone, mount, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("mounting needs root")
    done = run_refused([*alone, mount], small_graph, place / "small.engine")
    assert told in done[0]
    assert done[1:] == ["[]"]


def run_refused(before, graph, out, limit=0):
    command = [*before, sys.executable, "-c", REFUSED, str(graph), str(out), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


@pytest.fixture
def no_nameless_files(monkeypatch):
    """As on NFS or FAT."""
    real = os.open

    def refusing(path, flags, *rest, **more):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(engine_file.os, "open", refusing)


@pytest.mark.usefixtures("no_nameless_files")
def test_without_nameless_files_a_draft_does(tmp_path):
    path = tmp_path / "a.engine"
    with EngineFile(path) as file:
        os.write(file.handle, b"half")
        assert not path.exists()
    assert list(tmp_path.iterdir()) == []
    with EngineFile(path) as file:
        os.write(file.handle, b"whole")
        file.publish()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("no_nameless_files", "rtx")
def test_a_build_into_such_a_place(small_graph, tmp_path):
    request = rtx_request(small_graph, Path(tmp_path / "a.engine"))
    build_engine(request, progress=Recorder())
    assert request.out.read_bytes()[:4] == b"vtrt"
    assert sorted(left.name for left in tmp_path.iterdir()) == ["a.engine", "small.onnx"]
