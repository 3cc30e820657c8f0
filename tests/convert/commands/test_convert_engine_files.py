"""Files that are none, or not what they are said to be: one line, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.convert import graphs
from tests.convert.engine.asking import names, save
from tests.convert.tflite.conftest import TinyModel

CPU = ("--backend", "onnx")
KINDS = ("onnx", "tflite", "pb")
SOUND = {
    "onnx": "not an ONNX model, or a truncated one",
    "tflite": "not a TFLite model: no 'TFL3' at byte 4",
    "pb": "not a sound frozen graph",
}


def tflite(path: Path) -> Path:
    model = TinyModel()
    source = model.add([1, 4, 4, 3])
    target = model.add([1, 4, 4, 3])
    model.op("RELU", [source], [target])
    path.write_bytes(model.build([source], [target]))
    return path


@pytest.fixture
def refused(call, store: Path) -> Callable[..., str]:
    def run(kind: str, path: Path, code: int) -> str:
        ended = call("convert-engine", f"--{kind}", path, *CPU)
        assert (ended.code, ended.out) == (code, ""), ended.err
        assert not store.exists() or names(store) == set()
        line: str = ended.error
        assert line.startswith("convert-engine: ")
        return line

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_file(refused, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"model.{kind}"
    path.write_bytes(b"")
    assert f"{path}: an empty file; fetch or export it anew" in refused(kind, path, 6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_noise(refused, tmp_path: Path, kind: str, seed: int) -> None:
    path = tmp_path / f"model.{kind}"
    path.write_bytes(np.random.default_rng(seed).bytes(3000))
    assert SOUND[kind] in refused(kind, path, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_that_a_server_sent_instead(refused, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"model.{kind}"
    path.write_text("<!DOCTYPE html><html><body>404 not found</body></html>\n")
    assert SOUND[kind] in refused(kind, path, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_and_nothing(refused, tmp_path: Path, kind: str) -> None:
    assert refused(kind, tmp_path, 1).endswith(f"{tmp_path}: not a file; name the model's file")
    none = tmp_path / "none"
    assert refused(kind, none, 1).endswith(f"{none}: cannot be read: No such file or directory")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_a_truncated_file(refused, tmp_path: Path, small: Path, kind: str, share: float) -> None:
    whole = small if kind == "onnx" else tflite(tmp_path / "whole.tflite")
    path = tmp_path / f"cut.{kind}"
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(kind, path, 6)


def test_one_kind_named_as_another(refused, tmp_path: Path, small: Path) -> None:
    lite = tflite(tmp_path / "model.tflite")
    for kind in ("onnx", "pb"):
        wanted = "model.tflite: looks like a TFLite model; give it as --tflite"
        assert wanted in refused(kind, lite, 6)
    assert SOUND["tflite"] in refused("tflite", small, 6)
    assert "small.onnx: looks like an ONNX graph; give it as --onnx" in refused("pb", small, 6)


def test_a_tflite_file_becomes_a_graph(call, store: Path, tmp_path: Path) -> None:
    ended = call("convert-engine", "--tflite", tflite(tmp_path / "my model (1).tflite"), *CPU)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("my-model-1: built, fp16 for onnx, ")
    assert {name.partition("-fp16")[0] for name in names(store)} == {"my-model-1"}


def test_an_operation_that_nobody_knows(refused, tmp_path: Path) -> None:
    ends = [graphs.value(name, [1, 3, 8, 8]) for name in ("x", "y")]
    odd = graphs.node("Wobble", ["x"], ["y"], "odd")
    model = graphs.graph([odd], ends[:1], ends[1:])
    line = refused("onnx", save(tmp_path, model), 6)
    assert "Wobble" in line


def test_weights_in_another_file(refused, tmp_path: Path) -> None:
    model = graphs.network()
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, location="weights.bin")
    line = refused("onnx", path, 6)
    assert "lies in another file (weights.bin); save the model as one file" in line


def test_a_graph_without_a_picture_s_input(call, store: Path, tmp_path: Path) -> None:
    """Numbers go in, of any kind and number; noise stands for them."""
    ends = [graphs.value("a", [4, 8]), graphs.value("b", [4, 8], onnx.TensorProto.INT32)]
    cast = graphs.node("Cast", ["b"], ["c"], "cast", to=onnx.TensorProto.FLOAT)
    add = graphs.node("Add", ["a", "c"], ["y"], "add")
    model = graphs.graph([cast, add], ends, [graphs.value("y", [4, 8])])
    ended = call("convert-engine", "--onnx", save(tmp_path, model), *CPU)
    assert ended.code == 0, ended.err
    assert "6 golden pictures on ONNX Runtime: outputs within" in ended.out
