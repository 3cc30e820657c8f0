"""`faceguard models` with a model of two graphs."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import onnxruntime as ort
import pytest

from faceguard.edge.cli import main
from faceguard.engines.store import find_graph
from tests.convert.graphs import conv, graph, node, value

WHEEL = {"wheel": "graphs==1.0", "path": "graphs/large.onnx"}
ALL = ["large.json", "large.onnx", "large.rewritten.onnx", "large_source.onnx"]


def doubling(channels: int) -> bytes:
    """A network of one wide convolution that doubles a picture, as exported for 16x16."""
    rng = np.random.default_rng(13)
    first, first_weights = conv("first", "picture", "a", rng, (channels, 3, 3, 3))
    wide, wide_weights = conv("wide", "a", "b", rng, (channels, channels, 3, 3))
    last, last_weights = conv("last", "b", "c", rng, (12, channels, 3, 3))
    made = graph(
        [first, wide, last, node("DepthToSpace", ["c"], ["large"], blocksize=2)],
        [value("picture", [1, 3, 16, 16])],
        [value("large", [1, 3, 32, 32])],
        [*first_weights, *wide_weights, *last_weights],
    )
    return made.SerializeToString(deterministic=True)


def put(shelf, data: bytes) -> None:
    shelf.wheel("graphs", {"graphs/large.onnx": data, "graphs/small.onnx": shelf.graph})
    shelf.entry("small", {"wheel": "graphs==1.0", "path": "graphs/small.onnx"})
    shelf.entry(
        "large",
        WHEEL,
        task="super-resolution",
        family=None,
        input=None,
        score=None,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        enlarging={"scale": 2, "colours": "bgr", "overlap_px": 3, "rewritten": True},
    )


@pytest.fixture
def shelved(shelf):
    """A shelf with a model whose catalogue entry says that it is rewritten."""
    put(shelf, doubling(128))
    return shelf


def test_pull_makes_both_and_they_agree(shelved, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "large"]) == 0
    assert "large: preparing two graphs\n" in capsys.readouterr().err
    assert shelved.named_files() == ALL
    tiles = np.random.default_rng(1).random((2, 3, 6, 5), np.float32)
    [plain], [rewritten] = (
        ort.InferenceSession(find_graph("large", rewritten=choice)).run(None, {"picture": tiles})
        for choice in (False, True)
    )
    assert plain.shape == (2, 3, 12, 10)
    np.testing.assert_allclose(rewritten, plain, atol=1e-4)
    assert main(["models", "verify", "large"]) == 0
    assert main(["models", "pull", "large"]) == 0
    assert "large: already here" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["older", "gone", "damaged"])
def test_a_store_that_lacks_the_second_is_mended(
    shelved, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "pull", "large"]) == 0
    second, note = shelved.store / "large.rewritten.onnx", shelved.store / "large.json"
    good = second.read_bytes()
    if how == "damaged":
        second.write_bytes(good[:-1])
    else:
        second.unlink()
    if how == "older":
        said = json.loads(note.read_text())
        del said["rewritten_sha256"]
        note.write_text(json.dumps(said))
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    row = capsys.readouterr().out.splitlines()[2]
    assert row.endswith("corrupt" if how == "damaged" else "missing")
    assert main(["models", "verify", "large"]) == 3
    assert "large.rewritten.onnx" in capsys.readouterr().err
    assert main(["models", "pull", "large"]) == 0
    assert second.read_bytes() == good
    assert main(["models", "verify", "large"]) == 0


def test_entry_that_promises_too_much_is_one_line(
    shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    put(shelf, doubling(16))
    assert main(["models", "pull", "large"]) == 6
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("faceguard: large: no 3x3 convolution of 128 channels and more; ")
    assert shelf.named_files() == ["large_source.onnx"]


def test_manifests_of_other_models_stay_as_they_were(shelved) -> None:
    assert main(["models", "pull", "small"]) == 0
    assert "rewritten_sha256" not in json.loads((shelved.store / "small.json").read_text())
