"""The super-resolution benchmark run through, on the smallest of everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import upscale
from benchmarks.parts import peers, upscale_memory, upscale_peer, upscale_run, upscale_speed
from faceguard.engines.errors import ModelMissing


@pytest.fixture
def smallest(engine_path: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    engine_path("espcn-x2")
    monkeypatch.setattr(upscale_run, "SIZES", {"espcn-x2": ((32, 24),)})
    monkeypatch.setattr(upscale, "MODELS", ("espcn-x2",))
    monkeypatch.setattr(upscale, "QUICK", upscale_run.Scale(rounds=1, pictures=2))
    monkeypatch.setattr(upscale_speed, "_TURN_NS", 50_000_000)


@pytest.mark.models
def test_speed_and_quality_beside_the_peer(
    smallest, data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        upscale_peer.environment(lambda line: None)
        upscale_peer.weights("espcn-x2")
    except (peers.NotHere, ModelMissing) as error:
        pytest.skip(str(error))
    told = tmp_path / "told.json"
    words = ["--quick", "--only", "speed", "--only", "quality", "--json", str(told)]
    # No EDSR was asked to run here, so its figure is missing, and the exit code says so.
    assert upscale.main(words) == 1
    document = json.loads(told.read_text(encoding="utf-8"))
    assert document["failed"] == []
    found = document["figures"]
    assert found["speedup_espcn"] > 0
    assert found["speedup_edsr"] is None
    assert found["worst_mad_to_peer"] <= 0.5
    assert found["worst_psnr_apart_db"] <= 0.05
    assert found["product_gflops_onnx"] > 0
    assert found["product_gflops_numpy"] > 0
    (row,) = document["rows"]
    assert row["multiplications"] == 32 * 24 * (25 * 64 + 9 * 64 * 32 + 9 * 32 * 4)
    assert row["tile"] == "1 of 32x24"
    assert row["best_ms"]["dnn_superres"] <= row["median_ms"]["dnn_superres"]
    methods = {(one["set"], one["scale"], one["method"]): one for one in document["quality"]}
    ours = methods["Set5", 2, "espcn-x2, faceguard"]
    assert ours["psnr_db"] > methods["Set5", 2, "bicubic"]["psnr_db"]
    assert ours["pictures"] == 2
    assert document["machine"]["dnn_superres"] == "4.10.0"
    assert "speedup_edsr failed" in capsys.readouterr().out


@pytest.mark.models
def test_without_the_peer_it_measures_ourselves(
    smallest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upscale.main(["--quick", "--only", "speed", "--skip-peer"]) == 1
    out = capsys.readouterr().out
    assert "speedup_espcn failed" in out
    assert "share_of_onnx_espcn 0." in out or "share_of_onnx_espcn 1." in out


@pytest.mark.models
def test_the_peak_of_a_fresh_process(engine_path: Callable[[str], Path]) -> None:
    engine_path("espcn-x2")
    peak = upscale_memory.measure(96, threads=1)
    assert peak.callers_mb == pytest.approx(5 * 96 * 96 * 3 / 2**20)
    assert peak.peak_mb > peak.idle_mb > 20
    assert peak.own_mb < peak.peak_mb
    assert peak.took_s > 0


def test_a_process_that_fails_is_one_line() -> None:
    with pytest.raises(upscale_memory.NoPeak, match="espcn-x9") as caught:
        upscale_memory.measure(96, threads=1, model="espcn-x9")
    assert "\n" not in str(caught.value)


@pytest.mark.models
def test_what_edsr_is_to_take_grows_no_more_than_its_tile(
    engine_path: Callable[[str], Path],
) -> None:
    engine_path("edsr-x3")
    found = upscale_memory.foreseen([64, 4096], threads=1)
    assert found[64].tile == "64x64"
    assert found[64].peak_mb < found[4096].peak_mb < 40_000
