"""Timing an engine, and NVIDIA's own tool beside it."""

from pathlib import Path

import numpy as np
import pytest

from faceguard.convert.selftest.speed import timed
from faceguard.convert.selftest.trtexec import find_trtexec, trtexec_median_ms
from faceguard.engines.fake import FakeRuntime
from faceguard.engines.manifest import BuiltFor, EngineManifest, InputNote
from faceguard.engines.types import TensorSpec

SPEC = TensorSpec("input", (2, 3), np.dtype(np.float32))


def test_every_inference_is_counted_and_power_is_read(tmp_path: Path) -> None:
    hwmon = tmp_path / "sys/class/hwmon/hwmon0"
    hwmon.mkdir(parents=True)
    for name, value in (
        ("name", "ina3221"),
        ("in1_label", "VDD_IN"),
        ("in1_input", "5000"),
        ("curr1_input", "2000"),
    ):
        (hwmon / name).write_text(value)
    calls = []

    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(1)
        return {"output": feeds["input"]}

    runtime = FakeRuntime([SPEC], [TensorSpec("output", (2, 3), np.dtype(np.float32))], run)
    speed = timed(runtime, {"input": np.zeros((2, 3), np.float32)}, for_s=0.3, root=tmp_path)
    assert len(calls) > speed.runs >= 30
    assert 0 < speed.median_ms <= speed.p99_ms
    assert speed.images_per_s > 0
    assert speed.power_w == pytest.approx(10.0)
    assert "10.0 W" in str(speed)


def manifest(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> EngineManifest:
    low, high = shapes
    return EngineManifest(
        name="m",
        key="k",
        backend="tensorrt",
        precision="fp16",
        file="e.engine",
        bytes=1,
        sha256="0" * 64,
        source={},
        graph_sha256="0" * 64,
        inputs=(InputNote(name="input", dtype="float32", minimum=low, optimum=low, maximum=high),),
        outputs=(),
        built_for=BuiltFor(),
        made="",
    )


def tool(tmp_path: Path, script: str) -> str:
    path = tmp_path / "trtexec"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


# What trtexec of TensorRT 10 prints, cut to the lines around those that count.
_PRINTS = """cat <<'END'
[I] Throughput: 512.3 qps
[I] Latency: min = 1.8 ms, max = 2.5 ms, mean = 1.96 ms, median = 1.95 ms, percentile(90%) = 2 ms
[I] GPU Compute Time: min = 1.7 ms, max = 2.4 ms, mean = 1.9 ms, median = 1.89 ms
END
echo "$@" > "$(dirname "$0")/asked\""""


def test_the_median_with_copies_is_read_and_open_shapes_are_named(tmp_path: Path) -> None:
    found = tool(tmp_path, _PRINTS)
    ranged = manifest(((1, 3, 32, 32), (1, 3, 64, 64)))
    assert trtexec_median_ms(found, Path("e.engine"), ranged) == 1.95
    assert "--shapes=input:1x3x32x32" in (tmp_path / "asked").read_text()
    fixed = manifest(((1, 3, 32, 32), (1, 3, 32, 32)))
    assert trtexec_median_ms(found, Path("e.engine"), fixed) == 1.95
    assert "--shapes" not in (tmp_path / "asked").read_text()


def test_a_tool_that_fails_says_why(tmp_path: Path) -> None:
    found = tool(tmp_path, "echo 'Engine deserialization failed' >&2; exit 1")
    told = trtexec_median_ms(found, Path("e.engine"), manifest(((1,), (1,))))
    assert told == "trtexec ended with exit code 1: Engine deserialization failed"


def test_finding_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_trtexec("onnx") is None
    expected = tool(tmp_path, "exit 0")
    assert find_trtexec("tensorrt") == expected
