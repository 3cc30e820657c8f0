"""`convert-engine`: what it does, and what it says and exits with where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceguard.engines.manifest import read_manifest
from tests.convert import graphs
from tests.convert.commands.conftest import program
from tests.convert.engine.asking import machine, names, needs_rtx, save

RTX = ("--backend", "tensorrt-rtx", "--target", "sm86")
CPU = ("--backend", "onnx")


@needs_rtx
def test_the_installed_program_builds_and_then_has_nothing_to_do(store: Path, small: Path) -> None:
    first = program("convert-engine", "--onnx", small, "--fp16", *RTX)
    assert first.code == 0
    head, *notes = first.out.splitlines()
    assert head.startswith("small: built, fp16 for tensorrt-rtx ")
    engine = Path(head.rpartition(": ")[2])
    assert engine.read_bytes()[:4] == b"vtrt"
    assert notes
    assert all(note.startswith("  ") for note in notes)
    assert all(line.startswith("faceguard: small: ") for line in first.err.splitlines())
    second = program("convert-engine", "--onnx", small, *RTX, "--quiet")
    assert second.code == 0
    assert second.err == ""
    assert second.out.startswith("small: up to date, fp16 for tensorrt-rtx ")
    assert second.out.count("\n") == 1


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_json_is_alone_on_stdout(call, store: Path, small: Path, options: tuple[str, ...]) -> None:
    ended = call("convert-engine", "--onnx", small, *CPU, "--json", *options)
    assert ended.code == 0
    told = json.loads(ended.out)
    assert (told["name"], told["precision"], told["backend"]) == ("small", "fp16", "onnx")
    if options:
        assert told["up_to_date"] is False
        assert told["need"]["total_bytes"] > 0
        assert told["profiles"] == {"picture": "1x3x16x16"}
    else:
        assert told["built"] is True
        manifest = read_manifest(Path(told["engine"]).with_name("manifest.json"))
        assert told["key"] == manifest.key


def test_a_dry_run_writes_nothing_at_all(
    call, store: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    before = names(tmp_path)
    out = tmp_path / "work" / "mine.onnx"
    for place in ((), ("-o", out), ("-o", out, "--force")):
        ended = call("convert-engine", "--onnx", small, *CPU, "--dry-run", *place)
        assert ended.code == 0
        assert ended.out.startswith("small: would be built, fp16 for onnx: ")
        assert "shapes: picture=1x3x16x16" in ended.out
        assert "is free" in ended.out
        assert names(tmp_path) == before
    call("convert-engine", "--onnx", small, *CPU, "-o", out)
    before = names(tmp_path)
    same = ("--onnx", small, *CPU, "-o", out, "--dry-run")
    assert ": is up to date, " in call("convert-engine", *same).out
    assert ": would be built, " in call("convert-engine", *same, "--force").out
    other = call("convert-engine", *same, "--fp32")
    assert (other.code, "use --force" in other.error) == (1, True)
    assert ": would be built, " in call("convert-engine", *same, "--fp32", "--force").out
    assert names(tmp_path) == before


@pytest.mark.parametrize("place", [(), ("-o", "/proc/mine.onnx")])
def test_a_dry_run_meets_a_place_that_cannot_be_written(
    call, small: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FACEGUARD_ENGINES", "/proc/engines")
    ended = call("convert-engine", "--onnx", small, *CPU, "--dry-run", *place)
    assert (ended.code, ended.out) == (5, "")
    assert "cannot be written" in ended.error


@needs_rtx
@pytest.mark.parametrize(("target", "fits"), [("sm99", False), ("sm86", True)])
def test_a_dry_run_meets_a_target_that_nobody_builds_for(
    call, store: Path, small: Path, target: str, fits: bool
) -> None:
    words = ("--backend", "tensorrt-rtx", "--target", f"sm89,{target}", "--dry-run")
    ended = call("convert-engine", "--onnx", small, *words)
    assert ended.code == (0 if fits else 2)
    if not fits:
        assert "does not build for sm99; it knows sm" in ended.error
    assert not store.exists()


OPTIONS = (
    "onnx tflite pb model fp16 fp32 int8 calibration out shape profile backend target memory-limit "
    "timing-cache timeout golden input-range force dry-run json quiet"
)


def test_help_names_every_option() -> None:
    ended = program("convert-engine", "--help")
    assert ended.code == 0
    assert ended.err == ""
    for option in OPTIONS.split():
        assert f"--{option} " in ended.out.replace(",", " ").replace("\n", " "), option
    assert "usage: convert-engine " in ended.out
    assert "tensorrt-rtx" in ended.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "one of the arguments --onnx --tflite --pb --model is required"),
        (("--onnx", "a", "--pb", "b"), "argument --pb: not allowed with argument --onnx"),
        (("--onnx", "a", "--fp16", "--int8"), "--int8: not allowed with argument --fp16"),
        (("--onnx", "a", "--shape", "1x3", "--profile", "1,1,1"), "not allowed with argument"),
        (("--onnx", "a", "--backend", "cuda"), "invalid choice: 'cuda'"),
        (("--onnx", "a", "--timeout", "soon"), "'soon' is no time; give seconds over 0"),
        (("--onnx", "a", "--timeout", "0"), "'0' is no time"),
        (("--onnx", "a", "--timeout", "-5"), "'-5' is no time"),
        (("--onnx", "a", "--timeout", "nan"), "'nan' is no time"),
        (("--onnx", "a", "--memory-limit", "lots"), "'lots' is no amount of memory; write one"),
        (("--onnx", "a", "--input-range", "white"), "'white' is no range; write LOW,HIGH, as in"),
        (("--onnx", "a", "--input-range", "1,0"), "--input-range=-1,1"),
        (("--onnx", "a", "--input-range", "0,1,2"), "'0,1,2' is no range"),
        (("--onnx", "a", "--input-range", "0,inf"), "'0,inf' is no range"),
        (("--onnx", "a", "--wobble"), "unrecognized arguments: --wobble"),
    ],
)
def test_words_that_cannot_be_meant(call, words: tuple[str, ...], says: str) -> None:
    assert says in call("convert-engine", *words).usage


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--shape", "1x3xbig"), 2, "'1x3xbig' is no shape; write whole numbers from 1 up"),
        (("--shape", "pixels=1x3x16x16"), 2, "no input is called 'pixels'; this model takes pict"),
        (("--shape", "1x3x32x32"), 2, "axis 2 of input 'picture' is 16 in the graph"),
        (("--profile", "1x3x16x16"), 2, "1 shapes; write three, MIN,OPT,MAX"),
        (("--calibration", "."), 2, "--calibration is for --int8; fp16 needs none"),
        (("--int8",), 2, "--int8 needs --calibration DIR: a folder of pictures"),
        (("--int8", "--calibration", "none"), 1, "--calibration none: no such folder"),
        (("--int8", "--calibration", "."), 1, "--calibration .: no picture in it (.bmp, .jpeg"),
        (("--golden", "none"), 1, "--golden none: no such folder"),
        (("--target", "sm86"), 2, "--target is for --backend tensorrt-rtx; onnx builds for this"),
        (("--memory-limit", "10M"), 8, "10 MB is free under --memory-limit 10 MB; raise it to at"),
        (("-o", "."), 5, "a folder stands there; name another file with -o"),
        (("-o", "none/mine.onnx"), 5, "its folder does not exist; make the folder first"),
        (("-o", "mine.engine"), 2, "name a file that ends in .onnx"),
    ],
)
def test_requests_that_are_refused(
    call, store: Path, small: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    ended = call("convert-engine", "--onnx", small, *CPU, *words)
    assert says in ended.error
    assert ended.error.startswith("convert-engine: ")
    assert (ended.code, ended.out) == (code, "")
    assert names(Path.cwd()) == set()
    assert not any(not name.startswith(".") for name in (names(store) if store.exists() else ()))


def test_an_open_shape_is_named_with_the_option_to_add(call, store: Path, tmp_path: Path) -> None:
    source = save(tmp_path, graphs.network(height="rows"), "open")
    ended = call("convert-engine", "--onnx", source, *CPU)
    assert ended.code == 2
    assert "axis 2 (rows) of input 'picture' is open: add --shape picture=1x3x" in ended.error
    added = ended.error.partition("--shape ")[2].split()[0]
    again = call("convert-engine", "--onnx", source, *CPU, "--shape", added)
    assert again.code == 0, again.err


def test_what_it_says_of_models_and_backends(call, store: Path, small: Path) -> None:
    unknown = call("convert-engine", "--model", "blazeface-shrt", *CPU)
    assert (unknown.code, "did you mean blazeface-short" in unknown.error) == (2, True)
    sample = call("convert-engine", "--model", "astronaut", *CPU)
    assert (sample.code, "is a sample, not a model" in sample.error) == (2, True)
    jetson = call(
        "convert-engine", "--onnx", small, "--backend", "tensorrt-rtx", "--target", "sm87"
    )
    assert (jetson.code, "runs on a Jetson; build with" in jetson.error) == (2, True)
    none = call("convert-engine", "--onnx", small, "--backend", "tensorrt-rtx", "--target", "8.6")
    assert (none.code, "target '8.6' names no GPU; it is written like sm86" in none.error) == (
        2,
        True,
    )


def test_a_model_that_was_not_pulled(call, store: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    ended = call("convert-engine", "--model", "centerface", *CPU)
    if ended.code == 0:
        pytest.skip("this machine has a store of the system's")
    assert ended.code == 3
    assert ended.error.endswith("run `faceguard models pull centerface`")


def test_a_backend_that_is_not_here(call, small: Path) -> None:
    if machine().tensorrt is not None:
        pytest.skip("TensorRT is here")
    ended = call("convert-engine", "--onnx", small)
    assert (ended.code, ended.out) == (3, "")
    assert "TensorRT is not installed; on a Jetson, run: sudo apt install" in ended.error


@needs_rtx
def test_a_machine_without_a_gpu(call, small: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"")  # so that a real one is not found either
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    ended = call("convert-engine", "--onnx", small, "--backend", "tensorrt-rtx")
    assert (ended.code, ended.out) == (3, "")
    assert "no GPU to build for: no CUDA driver: " in ended.error
    assert ended.error.endswith("--target sm86 (or another) builds for a GPU elsewhere")
