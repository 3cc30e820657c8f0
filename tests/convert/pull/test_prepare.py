"""Prepared graphs run at any size and answer as the originals did."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from faceguard.convert.pull.prepare import prepare
from faceguard.engines.errors import BadModelFile, ConvertError, ModelMissing
from faceguard.engines.store import find_file


def write(tmp_path: Path, data: bytes, name: str = "model.onnx") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def picture_graph(shape: list[int | str], extra_inputs: int = 0) -> bytes:
    inputs = [("image", shape), *((f"more{number}", [1]) for number in range(extra_inputs))]
    graph = helper.make_graph(
        [helper.make_node("Relu", ["image"], ["out"])],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in inputs],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_fixed_graph_runs_at_other_sizes_and_agrees_at_its_own(shelf, tmp_path: Path) -> None:
    source = write(tmp_path, shelf.graph)
    data = prepare(source, name="small")
    assert data == prepare(source, name="small")
    session = ort.InferenceSession(data)
    assert [(node.name, node.shape) for node in session.get_inputs()] == [
        ("image", [1, 3, "height", "width"])
    ]
    assert [node.shape for node in session.get_outputs()] == [[1, 64, "heat_2", "heat_3"]]
    model = onnx.load_model_from_string(data)
    assert sorted(weight.name for weight in model.graph.initializer) == ["w1", "w2"]
    assert not model.graph.value_info
    for height, width in ((32, 32), (320, 96)):
        image = np.random.default_rng(1).random((1, 3, height, width), np.float32)
        (heat,) = session.run(None, {"image": image})
        assert heat.shape == (1, 64, height // 2, width // 2)
    images = np.random.default_rng(2).random((10, 3, 32, 32), np.float32)
    (want,) = ort.InferenceSession(shelf.graph).run(None, {"image": images})
    (have,) = session.run(None, {"image": images[3:4]})
    np.testing.assert_allclose(have[0], want[3], rtol=1e-4, atol=1e-4)


def test_picture_with_colours_last(tmp_path: Path) -> None:
    data = prepare(write(tmp_path, picture_graph([4, 8, 8, 3])), name="last")
    session = ort.InferenceSession(data)
    assert session.get_inputs()[0].shape == [1, "height", "width", 3]
    assert session.get_outputs()[0].shape == [1, "out_1", "out_2", 3]


@pytest.mark.parametrize("keep", [0, 1, 100, 4000])
def test_truncated_graph_is_one_line(shelf, tmp_path: Path, keep: int) -> None:
    with pytest.raises(BadModelFile, match=r"^small: ") as caught:
        prepare(write(tmp_path, shelf.graph[:keep]), name="small")
    assert "\n" not in str(caught.value)


def test_garbage_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="not an ONNX model"):
        prepare(write(tmp_path, b"<html>404</html>" * 50), name="page")


@pytest.mark.parametrize(
    ("shape", "extra", "says"),
    [
        ([1, 1, 8, 8], 0, r"input 'image' is 1x1x8x8, not a picture"),
        ([1, 3], 0, r"input 'image' is 1x3, not a picture"),
        ([1, 3, 8, 8], 1, r"takes 2 inputs"),
    ],
)
def test_graph_that_takes_no_picture(
    tmp_path: Path, shape: list[int | str], extra: int, says: str
) -> None:
    with pytest.raises(ConvertError, match=says):
        prepare(write(tmp_path, picture_graph(shape, extra)), name="odd")


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"only \.onnx, \.tflite, \.pb are known"):
        prepare(write(tmp_path, b"", "model.h5"), name="keras")


@pytest.mark.parametrize(
    ("suffix", "package"), [(".onnx", "onnx"), (".tflite", "tflite"), (".pb", "onnx")]
)
def test_missing_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConvertError, match=rf"{package}.*pip install 'faceguard-edge\[convert\]'"):
        prepare(write(tmp_path, b"", f"model{suffix}"), name="any")


@pytest.mark.models
@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_detectors_run_at_any_size(name: str) -> None:
    try:
        source = find_file(name)
    except ModelMissing as error:
        pytest.skip(str(error))
    session = ort.InferenceSession(prepare(source, name=name))
    (picture,) = session.get_inputs()
    for height, width in ((320, 320), (384, 640)):
        image = np.random.default_rng(3).random((1, 3, height, width), np.float32) * 255
        outputs = session.run(None, {picture.name: image})
        strides = (8, 16, 32) if name == "yunet" else (4,)
        cells = {height * width // stride**2 for stride in strides}
        seen = {out.shape[1] if name == "yunet" else out[0, 0].size for out in outputs}
        assert seen == cells
        assert all(np.isfinite(out).all() for out in outputs)
        for node, out in zip(session.get_outputs(), outputs, strict=True):
            fixed = [(n, side) for n, side in zip(node.shape, out.shape, strict=True) if n != side]
            assert all(isinstance(n, str) for n, _ in fixed)


@pytest.mark.models
def test_yunet_answers_as_its_original() -> None:
    try:
        source = find_file("yunet")
    except ModelMissing as error:
        pytest.skip(str(error))
    image = np.random.default_rng(4).random((1, 3, 640, 640), np.float32) * 255
    original = ort.InferenceSession(source).run(None, {"input": image})
    prepared = ort.InferenceSession(prepare(source, name="yunet")).run(None, {"input": image})
    for want, have in zip(original, prepared, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
