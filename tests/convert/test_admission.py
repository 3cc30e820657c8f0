"""A build that would not fit does not begin."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest

from faceguard.convert.accuracy.golden import shipped_pictures
from faceguard.convert.admission import (
    DEFAULT_WORKSPACE_BYTES,
    LEAST_WORKSPACE_BYTES,
    MIB,
    Need,
    admit,
    peak_activations,
    predict,
)
from faceguard.convert.graph.fold import fold
from faceguard.convert.graph.shapes import resolve_shapes
from faceguard.convert.precision.half import to_half
from faceguard.convert.precision.int8 import to_int8
from faceguard.engines.errors import NotEnoughMemory
from faceguard.engines.memory import Free, free_memory
from faceguard.engines.spec import Profile
from tests.convert.graphs import conv, graph, network, node, noise, value
from tests.convert.rtx import build_with_rtx

MACHINE = "of the machine's memory"
FIXED = {"picture": Profile.fixed((1, 3, 16, 16))}


def test_tensors_count_while_they_live():
    """x, a, b of 4 KiB and y of 16 KiB: at the last operation x, b, y; at the middle x, a, b, y."""
    nodes = [
        node("Relu", ["x"], ["a"]),
        node("Neg", ["a"], ["b"]),
        node("Concat", ["b", "b", "b", "b"], ["y"], axis=0),
    ]
    model = graph(nodes, [value("x", [1024])], [value("y", [4096])])
    kib = 1024
    assert peak_activations(model, {}) == (4 + 16 + 4 + 4) * kib


def test_the_largest_shapes_count():
    model = network(height="height", width="width")
    small = {"picture": Profile.fixed((1, 3, 16, 16))}
    ranged = {"picture": Profile((1, 3, 16, 16), (1, 3, 16, 16), (1, 3, 160, 160))}
    assert peak_activations(model, ranged) == 100 * peak_activations(model, small)
    # picture, the output, and two tensors of eight channels before the sum.
    assert peak_activations(model, small) == 4 * 16 * 16 * (3 + 8 + 8 + 8)


def test_half_precision_needs_about_half():
    single = predict(network(), FIXED, "fp32")
    half = predict(to_half(network(), []).model, FIXED, "fp16")
    assert half.weights_bytes < 0.7 * single.weights_bytes
    assert half.activations_bytes < single.activations_bytes
    assert half.library_bytes == single.library_bytes
    # Asked before the cast, it is the same within a little.
    before = predict(network(), FIXED, "fp16")
    assert before.weights_bytes == pytest.approx(half.weights_bytes, rel=0.2)


def test_only_a_backend_that_times_layers_takes_workspace():
    assert predict(network(), FIXED, "fp32").workspace_bytes == DEFAULT_WORKSPACE_BYTES
    for backend in ("tensorrt-rtx", "onnx"):
        assert predict(network(), FIXED, "fp32", backend=backend).workspace_bytes == 0


def need(workspace: int) -> Need:
    return Need(100 * MIB, 50 * MIB, workspace, 250 * MIB)


def test_what_fits_gets_all_that_it_asked_for():
    assert admit(need(512 * MIB), Free(2048 * MIB, MACHINE), name="small") == 512 * MIB


def test_the_workspace_gives_way():
    given = admit(need(512 * MIB), Free(600 * MIB, MACHINE), name="small")
    assert LEAST_WORKSPACE_BYTES <= given < 512 * MIB
    assert need(given).total_bytes <= 600 * MIB
    # What is ours alone needs no reserve for others.
    assert admit(need(512 * MIB), Free(600 * MIB, "", shared=False), name="small") == 200 * MIB


def test_a_backend_without_workspace_gets_none():
    assert admit(need(0), Free(500 * MIB, MACHINE), name="small") == 0


def test_too_little_is_refused_with_need_figure_and_whom_to_stop(tmp_path):
    for pid, name, pages in ((11, "chromium", 300_000), (12, "gdm", 20_000)):
        folder = tmp_path / f"proc/{pid}"
        folder.mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "statm").write_text(f"1 {pages} 0 0 0 0 0\n")
    with pytest.raises(NotEnoughMemory) as caught:
        admit(need(512 * MIB), Free(300 * MIB, MACHINE), name="small", root=tmp_path)
    message = str(caught.value)
    assert message.startswith(
        "small: building it takes 464 MB (weights 100 MB, activations 50 MB, workspace 64 MB, "
        "library 250 MB), and 300 MB is free of the machine's memory; stop chromium ("
    )
    # The one is enough; and where both are not, neither is named.
    assert message.endswith("pid 11), or build for a smaller --shape")
    assert os.sysconf("SC_PAGE_SIZE") * 300_000 > 1 << 30
    assert "\n" not in message
    with pytest.raises(NotEnoughMemory, match=r"memory; build for a smaller --shape$"):
        admit(Need(9 << 30, 0, 0, 0), Free(300 * MIB, MACHINE), name="small", root=tmp_path)


def test_under_a_limit_it_says_what_to_raise_it_to():
    free = Free(8192 * MIB, MACHINE).within(300 * MIB)
    with pytest.raises(
        NotEnoughMemory, match=r"under --memory-limit 300 MB; raise it to at least"
    ) as caught:
        admit(need(512 * MIB), free, name="small")
    wanted = Free(464 * MIB, "", shared=False)
    assert str(caught.value).endswith("464 MB")
    assert admit(need(512 * MIB), wanted, name="small") == LEAST_WORKSPACE_BYTES


def upscaler(blocks: int, channels: int) -> onnx.ModelProto:
    """Residual blocks, as EDSR has them."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []

    def layer(name: str, source: str, target: str, inputs: int, outputs: int) -> None:
        made, stored = conv(name, source, target, rng, (outputs, inputs, 3, 3))
        nodes.append(made)
        weights.extend(stored)

    layer("head", "x", "t0", 3, channels)
    for block in range(blocks):
        layer(f"a{block}", f"t{block}", f"a{block}", channels, channels)
        nodes.append(node("Relu", [f"a{block}"], [f"r{block}"], f"relu{block}"))
        layer(f"b{block}", f"r{block}", f"b{block}", channels, channels)
        nodes.append(node("Add", [f"t{block}", f"b{block}"], [f"t{block + 1}"], f"add{block}"))
    layer("tail", f"t{blocks}", "y", channels, 3)
    sides = [1, 3, 64, 64]
    return graph(nodes, [value("x", sides)], [value("y", sides)], weights)


def holds(model: onnx.ModelProto, profiles, precision, folder) -> None:
    """The prediction is never under the real peak, and where it matters at most twice it."""
    wanted = predict(model, profiles, precision, backend="tensorrt-rtx").total_bytes
    ranges = [f"{name}={item}" for name, item in profiles.items() if not item.is_fixed]
    real = build_with_rtx(model, folder, *ranges).peak_bytes
    assert real <= wanted <= 2 * real
    assert wanted > 100 * MIB


PROOF = """
import re, sys
from pathlib import Path
from faceguard.convert.engine.backend import judge
from faceguard.convert.engine.prepared import prepare_graph
from faceguard.convert.engine.request import Request
from faceguard.convert.engine.source import Source
from faceguard.engines.machine import read_machine
path, precision, calibration, limit = sys.argv[1:]
more = {"calibration": Path(calibration)} if precision == "int8" else {}
source = Source.from_file(Path(path), "onnx")
request = Request(
    source, "onnx", precision, read_machine(), memory_limit_bytes=int(limit) or None, **more
)
folder = Path(path).parent
prepared = prepare_graph(request, folder)
judge(request, prepared, folder / "engine.onnx")
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(prepared.need.total_bytes, int(peak.group(1)) << 10)
"""


def prove_in_child(model: onnx.ModelProto, folder, precision="fp32", limit=0):
    """From reading the file to the last golden picture, in a process that does nothing else."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    command = [sys.executable, "-c", PROOF, path, precision, folder / "pictures", limit]
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=300, check=False
    )


def enlarger(height: int, width: int) -> onnx.ModelProto:
    """Few weights and wide tensors; it makes a picture three times as large, as FSRCNN does."""
    rng = np.random.default_rng(1)
    nodes, weights = [], []
    for place, (inputs, outputs) in enumerate(((1, 48), (48, 12), (12, 48), (48, 9))):
        made, stored = conv(f"c{place}", f"t{place}", f"r{place}", rng, (outputs, inputs, 3, 3))
        nodes += [made, node("LeakyRelu", [f"r{place}"], [f"t{place + 1}"], f"l{place}")]
        weights += stored
    nodes.append(node("DepthToSpace", ["t4"], ["y"], "shuffle", blocksize=3))
    ends = value("t0", [1, 1, height, width]), value("y", [1, 1, 3 * height, 3 * width])
    return graph(nodes, [ends[0]], [ends[1]], weights)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("kind", ["many weights", "wide tensors"])
def test_the_whole_proof_takes_what_was_predicted(kind, precision, tmp_path):
    (tmp_path / "pictures").mkdir()
    for golden in shipped_pictures()[:3]:
        cv2.imwrite(str(tmp_path / f"pictures/{golden.name}.png"), golden.pixels)
    model = upscaler(12, 192) if kind == "many weights" else enlarger(540, 960)
    ended = prove_in_child(model, tmp_path, precision)
    assert ended.returncode == 0, ended.stderr
    predicted, real = map(int, ended.stdout.split())
    # The parent's share, 35 MiB, is not in it.
    assert real + 35 * MIB <= predicted <= 2 * real


def test_a_limit_is_kept_or_refused_before_anything_runs(tmp_path):
    ended = prove_in_child(enlarger(540, 960), tmp_path, limit=400 * MIB)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert "NotEnoughMemory: model: building it takes" in last
    assert "under --memory-limit 400 MB; raise it to at least" in last
    assert not (tmp_path / "fp32.onnx").exists()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_prediction_holds_for_many_weights(precision, tmp_path):
    model = upscaler(12, 192)
    if precision == "fp16":
        model = to_half(model, []).model
    holds(model, {"x": Profile.fixed((1, 3, 64, 64))}, precision, tmp_path)


@pytest.mark.models
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize(
    ("name", "ranged"),
    [
        ("yunet", True),
        ("centerface", True),
        ("blazeface-short", False),
        ("blazeface-back", False),
        ("blazeface-full", False),
        ("blazeface-full-sparse", False),
    ],
)
def test_the_prediction_holds_for_every_detector(name, ranged, precision, engine_path, tmp_path):
    range_px = Profile((1, 3, 320, 320), (1, 3, 640, 640), (1, 3, 1280, 1280))
    wanted = {"": range_px} if ranged else {}
    shaped, profiles = resolve_shapes(onnx.load(engine_path(name)), wanted, name=name)
    model = fold(shaped)
    if precision == "fp16":
        model = to_half(model, []).model
    elif precision == "int8":
        [(tensor, profile)] = profiles.items()
        model = to_int8(model, [{tensor: noise(profile.minimum)}])
    holds(model, profiles, precision, tmp_path)


def test_a_detector_fits_into_this_machine():
    needed = predict(network(), FIXED, "fp32", backend="tensorrt-rtx")
    assert needed.total_bytes < 400 * MIB
    assert admit(needed, free_memory(), name="small") == 0
