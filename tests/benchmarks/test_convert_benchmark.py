"""The figures of the conversion benchmark: a row that failed cannot hide in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import convert
from benchmarks.convert import Row, figures

FINE = [
    Row("tflite", "a", "faceguard", 1.0, 100.0),
    Row("tflite", "b", "faceguard", 3.0, 50.0),
    Row("tflite", "a", "tf2onnx", 9.0, 900.0),
    Row("rtx", "a", "faceguard", 20.0, 700.0, build_s=12.0),
    Row("rtx", "b", "faceguard", 10.0, 800.0, build_s=8.0),
    Row("noop", "engines build", "faceguard", 0.25, 40.0),
]


def test_the_worst_of_our_own_rows() -> None:
    assert figures(FINE) == {
        "worst_tflite_s": 3.0,
        "worst_tflite_mb": 100.0,
        "worst_rtx_s": 12.0,
        "worst_rtx_mb": 800.0,
        "noop_s": 0.25,
    }


@pytest.mark.parametrize("place", [0, 1])
def test_a_failed_row_of_ours_is_no_figure_wherever_it_stands(place: int) -> None:
    rows = list(FINE)
    rows[place] = Row("tflite", rows[place].model, "faceguard", failed="out of luck")
    found = figures(rows)
    assert (found["worst_tflite_s"], found["worst_tflite_mb"]) == (None, None)
    assert found["worst_rtx_s"] == 12.0


def test_a_peer_that_fails_changes_nothing() -> None:
    assert figures([*FINE, Row("tflite", "b", "tf2onnx", failed="crashed")]) == figures(FINE)


def test_nothing_measured_is_no_figure() -> None:
    assert set(figures([]).values()) == {None}


@pytest.mark.parametrize("failed", [False, True])
def test_the_exit_code_tells(
    failed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def rows(*, quick: bool) -> Iterator[Row]:
        assert quick
        yield from FINE
        if failed:
            yield Row("rtx", "c", "faceguard", failed="no such target")

    monkeypatch.setattr(convert, "measure", rows)
    told = tmp_path / "told.json"
    assert convert.main(["--quick", "--json", str(told)]) == (1 if failed else 0)
    found = json.loads(told.read_text())["figures"]
    assert (found["worst_rtx_s"] is None) == failed
    assert found["noop_s"] == 0.25
    out = capsys.readouterr().out
    assert ("worst_rtx_s failed" in out) == failed
    assert "noop_s 0.25" in out
