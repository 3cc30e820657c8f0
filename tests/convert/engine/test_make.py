"""An engine is made once, found again, and made anew where it is damaged or another is wanted."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceguard.convert.engine.make import Made, find_made
from faceguard.engines.errors import OutputExists, UsageError
from faceguard.engines.manifest import read_manifest
from faceguard.engines.spec import Profile
from tests.convert import graphs
from tests.convert.engine.asking import RTX, ask, make, names, needs_rtx, save


def test_a_second_call_finds_it_and_force_makes_it_anew(store: Path, small: Path) -> None:
    assert find_made(ask(small)) is None
    first = make(ask(small))
    before = first.engine.stat().st_ino
    second = make(ask(small))
    assert (first.fresh, second.fresh) == (True, False)
    assert second.engine.stat().st_ino == before
    assert second.manifest == first.manifest
    forced = make(ask(small, force=True))
    assert forced.fresh
    assert forced.engine == first.engine
    assert forced.engine.stat().st_ino != before
    assert names(store) == {
        first.engine.parent.name,
        f"{first.engine.parent.name}/engine.onnx",
        f"{first.engine.parent.name}/manifest.json",
    }


@needs_rtx
def test_an_rtx_engine_of_a_plain_graph(store: Path, small: Path) -> None:
    made = make(ask(small, precision="fp16", **RTX))
    assert made.engine.read_bytes()[:4] == b"vtrt"
    assert made.manifest.accuracy.get("faces") is None
    assert made.manifest.accuracy["outputs"].keys() == {"sum"}
    proof = made.manifest.precision_proof
    assert proof["graph"]["layers"] == {"Conv": {"fp16": 2}}
    assert proof["engine"] == {}
    assert proof["kept"] == []
    assert not make(ask(small, precision="fp16", **RTX)).fresh
    assert make(ask(small, precision="fp16", **RTX, force=True)).fresh


_QUICK = """
import sys
from faceguard.edge.cli import main
assert main(["convert-engine", "--backend", "onnx", "--fp32", "--onnx", sys.argv[1]]) == 0
print(sorted({"onnx", "onnxruntime", "cv2", "tensorrt_rtx_bindings"} & sys.modules.keys()))
"""


def test_what_is_up_to_date_loads_nothing_heavy(store: Path, small: Path) -> None:
    engine = make(ask(small)).engine
    ended = subprocess.run(
        [sys.executable, "-c", _QUICK, str(small)], capture_output=True, text=True, check=True
    )
    told, loaded = ended.stdout.splitlines()
    assert told.startswith("small: up to date, fp32 for onnx, ")
    assert told.endswith(f": {engine}")
    assert loaded == "[]"
    assert ended.stderr == ""


def _bytes_changed(made: Made) -> None:
    data = bytearray(made.engine.read_bytes())
    data[len(data) // 2] ^= 1
    made.engine.write_bytes(data)


def _cut(made: Made) -> None:
    with made.engine.open("r+b") as file:
        file.truncate(100)


def _no_engine(made: Made) -> None:
    made.engine.unlink()


def _no_manifest(made: Made) -> None:
    (made.engine.parent / "manifest.json").unlink()


def _broken_manifest(made: Made) -> None:
    (made.engine.parent / "manifest.json").write_text('{"format": 1, "name": "small"')


def _other_manifest(made: Made) -> None:
    note = made.engine.parent / "manifest.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "key": "0" * 64}))


@pytest.mark.parametrize(
    "damage",
    [_bytes_changed, _cut, _no_engine, _no_manifest, _broken_manifest, _other_manifest],
)
def test_a_damaged_engine_in_the_store_is_made_anew(
    store: Path, small: Path, damage: Callable[[Made], None]
) -> None:
    first = make(ask(small))
    good = first.engine.read_bytes()
    damage(first)
    second = make(ask(small))
    assert second.fresh
    assert second.engine == first.engine
    assert second.engine.read_bytes() == good
    assert read_manifest(first.engine.parent / "manifest.json").key == ask(small).key
    assert not make(ask(small)).fresh


def test_what_is_asked_otherwise_is_another_engine(
    store: Path, tmp_path: Path, pictures: Path
) -> None:
    source = save(tmp_path, graphs.network(height="h", width="w"))
    shape = Profile.fixed((1, 3, 16, 16))
    asked = [
        ask(source, profiles={"": shape}),
        ask(source, profiles={"": Profile.fixed((1, 3, 24, 16))}),
        ask(source, profiles={"": Profile((1, 3, 8, 8), (1, 3, 16, 16), (1, 3, 32, 32))}),
        ask(source, profiles={"": shape}, precision="fp16"),
        ask(source, profiles={"": shape}, precision="int8", calibration=pictures),
        ask(source, profiles={"": shape}, input_range=(-1.0, 1.0)),
        ask(source, profiles={"": shape}, golden=pictures),
    ]
    made = [make(request) for request in asked]
    assert all(engine.fresh for engine in made)
    assert len({engine.engine.parent for engine in made}) == len(asked)
    assert made[-1].manifest.accuracy["pictures"] == 6 + 2
    assert not any(make(request).fresh for request in asked)
    cv2.imwrite(str(pictures / "third.png"), np.full((20, 20, 3), 90, np.uint8))
    seen = [ask(source, profiles={"": shape}, golden=pictures) for _ in range(2)]
    assert [make(request).fresh for request in seen] == [True, False]


@needs_rtx
def test_what_the_backend_warns_of_is_told(store: Path, small: Path, tmp_path: Path) -> None:
    made = make(ask(small, precision="fp16", timing_cache=tmp_path / "times", **RTX))
    (warning,) = made.manifest.build["warnings"]
    assert "keeps no timings" in warning
    assert f"warning: {warning}" in made.notes
    assert not (tmp_path / "times").exists()


@needs_rtx
def test_targets_are_told_apart(small: Path) -> None:
    one = ask(small, precision="fp16", **RTX)
    two = ask(small, precision="fp16", backend="tensorrt-rtx", targets=("sm86", "sm89"))
    assert one.folder_name != two.folder_name
    with pytest.raises(UsageError, match="sm87: no engine of TensorRT for RTX runs on a Jetson"):
        ask(small, precision="fp16", backend="tensorrt-rtx", targets=("sm87",))
    with pytest.raises(UsageError, match="--target is for --backend tensorrt-rtx"):
        ask(small, targets=("sm86",))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    return folder / "mine.onnx"


def test_a_file_of_one_s_own_gets_its_manifest_beside_it(
    store: Path, small: Path, own: Path
) -> None:
    made = make(ask(small, out=own))
    assert (made.engine, made.fresh) == (own, True)
    assert names(own.parent) == {"mine.onnx", "mine.onnx.json"}
    assert read_manifest(own.parent / "mine.onnx.json") == made.manifest
    assert made.manifest.file == "mine.onnx"
    again = make(ask(small, out=own))
    assert (again.engine, again.fresh) == (own, False)
    assert not store.exists()


def test_something_else_at_the_file_s_place_stays_without_force(small: Path, own: Path) -> None:
    own.write_text("a letter")
    with pytest.raises(OutputExists, match=r"mine\.onnx: something else stands there; use --force"):
        make(ask(small, out=own))
    assert own.read_text() == "a letter"
    assert make(ask(small, out=own, force=True)).fresh
    with pytest.raises(OutputExists):  # it is an engine, but another one
        make(ask(small, out=own, precision="fp16"))
    assert make(ask(small, out=own, precision="fp16", force=True)).manifest.precision == "fp16"
    shutil.copyfile(small, own)  # its manifest says otherwise now
    with pytest.raises(OutputExists):
        make(ask(small, out=own, precision="fp16"))


def test_something_else_at_the_manifest_s_place_stays_without_force(small: Path, own: Path) -> None:
    note = own.with_name("mine.onnx.json")
    note.write_text('{"notes": "about my model"}')
    with pytest.raises(OutputExists, match=r"mine\.onnx\.json: something else stands there"):
        make(ask(small, out=own))
    assert names(own.parent) == {"mine.onnx.json"}
    assert make(ask(small, out=own, force=True)).fresh
    own.unlink()  # the manifest of an engine that is gone is in nobody's way
    assert make(ask(small, out=own)).fresh


@pytest.mark.parametrize("link", [False, True])
def test_the_model_itself_is_never_replaced(small: Path, own: Path, link: bool) -> None:
    before = small.read_bytes()
    out = small
    if link:
        own.symlink_to(small)
        out = own
    with pytest.raises(UsageError, match="is the model itself; name another file with -o"):
        ask(small, out=out, force=True)
    assert small.read_bytes() == before


@pytest.mark.parametrize(
    ("backend", "name"), [("onnx", "mine.engine"), ("onnx", "mine"), ("tensorrt-rtx", "mine.onnx")]
)
def test_a_file_is_opened_by_its_suffix(small: Path, own: Path, backend: str, name: str) -> None:
    with pytest.raises(UsageError, match=r"name a file that ends in \.(onnx|engine or \.plan)$"):
        ask(small, out=own.with_name(name), backend=backend)
