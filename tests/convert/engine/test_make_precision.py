"""What is asked for is what is made: precision is proven, and a graph that sees less is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from faceguard.convert.engine import prepared as preparing
from faceguard.convert.engine.make import Made
from faceguard.convert.precision.half import Half
from faceguard.engines.errors import ConvertError, InputError, ProofFailed, UsageError
from faceguard.engines.spec import Precision, Profile
from tests.convert import graphs
from tests.convert.engine.asking import (
    RTX,
    ask,
    far_reaching,
    make,
    model,
    names,
    needs_rtx,
    save,
)


def layers(made: Made) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = made.manifest.precision_proof["graph"]["layers"]
    return found


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_each_precision_is_what_its_graph_computes_in(
    store: Path, small: Path, pictures: Path, precision: Precision
) -> None:
    more = {"calibration": pictures} if precision == "int8" else {}
    made = make(ask(small, precision=precision, **more))
    assert layers(made) == {"Conv": {precision: 2}}
    assert made.manifest.precision_proof["graph"]["io"] == {"picture": "fp32", "sum": "fp32"}
    graph = onnx.load(made.engine).graph
    steps = [node.op_type for node in graph.node].count("DequantizeLinear")
    assert (steps > 0) == (precision == "int8")


@needs_rtx
def test_eight_bits_with_rtx(store: Path, small: Path, pictures: Path) -> None:
    made = make(ask(small, precision="int8", calibration=pictures, **RTX))
    assert made.engine.read_bytes()[:4] == b"vtrt"
    assert layers(made) == {"Conv": {"int8": 2}}
    assert "calibration" in made.manifest.flags
    assert not make(ask(small, precision="int8", calibration=pictures, **RTX)).fresh


@pytest.mark.models
def test_eight_bits_of_a_detector_see_the_same_faces(store: Path, pictures: Path) -> None:
    shape = {"": Profile.fixed((1, 3, 384, 640))}
    made = make(ask(model("yunet"), precision="int8", calibration=pictures, profiles=shape))
    assert made.manifest.accuracy["faces"] >= 4
    assert layers(made)["Conv"].keys() == {"int8"}


@pytest.mark.models
@pytest.mark.parametrize("name", ["blazeface-short", "yunet"])
def test_what_lost_its_faces_is_refused_and_is_nowhere(
    store: Path, tmp_path: Path, name: str
) -> None:
    """Steps taken from a black picture are too short for any other."""
    black = tmp_path / "black"
    black.mkdir()
    cv2.imwrite(str(black / "night.png"), np.zeros((360, 640, 3), np.uint8))
    with pytest.raises(ProofFailed, match="more typical, pictures to --calibration") as told:
        make(ask(model(name), precision="int8", calibration=black))
    assert str(told.value).startswith(f"{name}: ")
    assert "\n" not in str(told.value)
    assert names(store) == set()


@pytest.mark.parametrize("backend", ["onnx", pytest.param("tensorrt-rtx", marks=needs_rtx)])
def test_a_layer_out_of_range_stays_in_single_precision_and_is_told(
    store: Path, tmp_path: Path, backend: str
) -> None:
    source = save(tmp_path, far_reaching())
    more = RTX if backend == "tensorrt-rtx" else {}
    made = make(ask(source, precision="fp16", **more))
    # The third takes what the second gives, which is out of range too.
    assert layers(made) == {"Conv": {"fp16": 1, "fp32": 2}}
    proof = made.manifest.precision_proof
    assert proof["graph"]["kept"] == ["conv1", "conv2"]
    assert proof["kept"][0].startswith("Conv 'conv1': ")
    told = [note for note in made.notes if note.startswith("stays in fp32: Conv 'conv1'")]
    assert len(told) == 1


def test_an_activation_out_of_range_stays_in_single_precision(store: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    nodes, weights = [], [graphs.weight("low", -1.0), graphs.weight("high", 1.0)]
    for name, given, target in (("first", "x", "a"), ("second", "a", "b"), ("third", "c", "y")):
        node, stored = graphs.conv(name, given, target, rng, (3, 3, 3, 3))
        nodes.append(node)
        weights += stored
    nodes.insert(2, graphs.node("Clip", ["b", "low", "high"], ["c"], "clip"))
    ends = [graphs.value(name, [1, 3, 16, 16]) for name in ("x", "y")]
    source = save(tmp_path, graphs.graph(nodes, ends[:1], ends[1:], weights))
    assert layers(make(ask(source, precision="fp16"))) == {"Conv": {"fp16": 3}}
    made = make(ask(source, precision="fp16", input_range=(0.0, 1e6)))
    assert layers(made) == {"Conv": {"fp16": 1, "fp32": 2}}
    assert "reaches" in made.manifest.precision_proof["kept"][0]


def test_half_precision_that_is_none_is_refused(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A converter that ignored its flag and said nothing has happened to others."""
    monkeypatch.setattr(preparing, "to_half", lambda graph, *_, name: Half(graph, []))
    with pytest.raises(ProofFailed, match=r"fp16 was asked for, but 2 layers compute otherwise"):
        preparing.prepare_graph(ask(small, precision="fp16"), tmp_path)


def test_a_model_that_fails_on_pictures_is_told_as_the_model_s(store: Path, tmp_path: Path) -> None:
    """Numbers of words go in, and no picture's number is one of its three."""
    table = graphs.weight("table", np.eye(3))
    ends = [
        graphs.value("words", [1, 1, 4, 4], onnx.TensorProto.INT64),
        graphs.value("y", [1, 1, 4, 4, 3]),
    ]
    gather = graphs.node("Gather", ["table", "words"], ["y"], "look-up", axis=0)
    source = save(tmp_path, graphs.graph([gather], ends[:1], ends[1:], [table]), "words")
    with pytest.raises(ConvertError, match="words: the model itself fails on golden pic") as told:
        make(ask(source))
    assert str(tmp_path) not in str(told.value)
    assert names(store) == set()


def test_calibration_that_cannot_be_used(store: Path, small: Path, pictures: Path) -> None:
    with pytest.raises(UsageError, match="--calibration is for --int8"):
        ask(small, precision="fp16", calibration=pictures)
    with pytest.raises(UsageError, match="--int8 needs --calibration DIR"):
        make(ask(small, precision="int8"))
    (pictures / "portrait.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"portrait\.png: not a picture, or a damaged one"):
        make(ask(small, precision="int8", calibration=pictures))
    assert names(store) == set()


def flat(value: float) -> onnx.ModelProto:
    """A picture's sum, and an output that is this number whatever comes in."""
    stuck = graphs.weight("stuck", np.full((1, 3, 16, 16), value))
    nodes = [
        graphs.node("Mul", ["x", "none"], ["zero"], "forget"),
        graphs.node("Add", ["zero", "stuck"], ["lost"], "lose"),
        graphs.node("Add", ["x", "x"], ["y"], "sum"),
    ]
    ends = [graphs.value(name, [1, 3, 16, 16]) for name in ("x", "y", "lost")]
    weights = [stuck, graphs.weight("none", 0.0)]
    return graphs.graph(nodes, ends[:1], ends[1:], weights)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_output_without_a_number_is_no_proof(
    store: Path, tmp_path: Path, precision: Precision
) -> None:
    source = save(tmp_path, flat(np.nan))
    with pytest.raises(ConvertError, match="small: output 'lost' holds not one finite value"):
        make(ask(source, precision=precision))
    assert names(store) == set()


def test_an_output_that_never_changes_is_told(store: Path, tmp_path: Path) -> None:
    made = make(ask(save(tmp_path, flat(0.25))))
    told = [note for note in made.notes if "'lost' is the same number everywhere" in note]
    assert len(told) == 1
    assert not any("'y'" in note for note in made.notes)


@pytest.mark.models
@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_a_detector_that_sees_nobody_at_such_shapes_is_told(store: Path, name: str) -> None:
    made = make(ask(model(name), profiles={"": Profile.fixed((1, 3, 32, 32))}))
    assert made.manifest.accuracy["faces"] == 0
    told = [note for note in made.notes if "no golden picture shows a face" in note]
    assert len(told) == 1
    assert "1x3x32x32" in told[0]
    assert "judged by outputs alone" in told[0]


@pytest.mark.models
@needs_rtx
def test_a_detector_is_judged_at_shapes_of_its_profile(store: Path) -> None:
    """At 128 px other faces are to be seen than at the 640 px that the catalogue would take."""
    small = Profile((1, 3, 32, 32), (1, 3, 64, 64), (1, 3, 128, 128))
    made = make(ask(model("yunet"), precision="fp16", profiles={"": small}, **RTX))
    usual = make(ask(model("yunet"), precision="fp16", **RTX))
    assert 0 < made.manifest.accuracy["faces"] < usual.manifest.accuracy["faces"]
