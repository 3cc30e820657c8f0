"""`faceguard bench`: what is measured, what is predicted, and what it says."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from faceguard.edge.bench import stopwatch, table
from faceguard.edge.bench.stopwatch import Timing, timed
from faceguard.edge.bench.upscaling import Row, measure, parse_size, picture
from faceguard.edge.commands import bench
from faceguard.edge.types import PixelFormat
from faceguard.engines.catalogue import Enlarging
from faceguard.engines.errors import (
    FaceguardError,
    InferenceError,
    ModelMissing,
    ModelUnknown,
    NoRoom,
    TooManyPixels,
    UsageError,
)
from faceguard.engines.runtime import open_runtime
from faceguard.engines.upscaling.tile import Tile
from faceguard.engines.upscaling.upscaler import Upscaler

LONG_S = 600.0


@pytest.fixture
def doubling(tmp_path: Path) -> Iterator[Callable[..., Upscaler]]:
    """Opens a network that repeats each pixel of luma twice both ways, in tiles of a given size."""
    opened: list[Upscaler] = []

    def make(tile_px: int = 64, *, weight: float = 1.0) -> Upscaler:
        graph = helper.make_graph(
            [
                helper.make_node("Conv", ["x", "w"], ["four"]),
                helper.make_node("DepthToSpace", ["four"], ["y"], blocksize=2),
            ],
            "doubling",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "h", "w"])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1, "H", "W"])],
            [numpy_helper.from_array(np.full((4, 1, 1, 1), weight, np.float32), "w")],
        )
        path = tmp_path / f"doubling-{len(opened)}.onnx"
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())

        def choose(width: int, height: int, pictures: int = 1) -> Tile:
            if tile_px < 16:
                raise NoRoom("too little for the smallest tile")
            return Tile(tile_px, tile_px)

        enlarging = Enlarging(scale=2, colours="luma", overlap_px=4)
        upscaler = Upscaler(open_runtime(path, threads=1), enlarging, choose, name="doubling")
        opened.append(upscaler)
        return upscaler

    yield make
    for upscaler in opened:
        upscaler.close()


def test_without_time_one_step_is_done_and_the_rest_predicted() -> None:
    seen: list[int] = []

    def work(on_step) -> None:
        on_step(0, 7)
        for done in range(1, 8):
            seen.append(done)
            on_step(done, 7)

    timing = timed(work, limit_s=0.0)
    assert seen == [1]
    assert timing.is_predicted
    assert timing.warm_up_s is None
    assert timing.seconds > 0


def test_with_time_whole_runs_are_measured_after_one_that_warms_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []
    watched: list[tuple[int, int]] = []

    def work(on_step) -> None:
        runs.append(1)
        on_step(0, 1)
        on_step(1, 1)

    timing = timed(work, 0.0, lambda done, of: watched.append((done, of)))
    assert (timing.runs, len(runs)) == (1, 2)
    assert timing.warm_up_s is not None
    assert watched == [(0, 1), (1, 1)] * 2
    monkeypatch.setattr(stopwatch, "_MOST_RUNS", 5)
    assert timed(work, LONG_S).runs == 5
    assert len(runs) == 2 + 1 + 5


def test_the_pace_is_that_of_the_steps_after_the_first() -> None:
    second = 10**9
    marks = [(0, 5 * second), (2, 15 * second), (4, 17 * second), (6, 19 * second)]
    assert stopwatch._whole_s(marks, 10) == pytest.approx(10.0)
    assert stopwatch._whole_s(marks[:2], 10) == pytest.approx(50.0)


def test_what_goes_wrong_in_the_work_comes_out() -> None:
    def work(on_step) -> None:
        on_step(0, 2)
        raise InferenceError("broken")

    with pytest.raises(InferenceError):
        timed(work, LONG_S)


def test_a_frame_is_what_decoders_give() -> None:
    frame = picture(31, 17)
    assert frame.format is PixelFormat.I420
    assert [plane.shape for plane in frame.planes] == [(17, 31), (9, 16), (9, 16)]


def test_a_row_is_measured_in_the_tiles_that_the_network_takes(
    doubling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopwatch, "_MOST_RUNS", 3)
    tiles: list[tuple[int, int]] = []
    row = measure(doubling(), 150, 70, seconds=LONG_S, watch=lambda *step: tiles.append(step))
    assert row.timing is not None
    assert not row.timing.is_predicted
    assert row.timing.runs == 3
    assert row.fps == pytest.approx(1 / row.timing.seconds)
    assert row.tile is not None
    assert row.tile.width <= 64
    assert row.tiles == tiles[0][1] > 2
    assert tiles.count((row.tiles, row.tiles)) == 3 + 1
    assert row.refused is None
    assert row.peak_bytes is None or row.peak_bytes > 10 << 20


def test_a_tile_that_takes_too_long_is_not_even_begun(doubling) -> None:
    tiles: list[tuple[int, int]] = []
    row = measure(doubling(), 150, 70, seconds=0.0, watch=lambda *step: tiles.append(step))
    assert tiles == []
    assert row.timing is not None
    assert row.timing.is_predicted
    assert row.peak_bytes is None
    # One piece of 64x64 told how long a pixel takes; tiles overlap, so there are more than 150x70.
    assert row.tile is not None
    assert row.tile.pixels * row.tiles > 150 * 70


def test_the_memory_of_what_is_predicted_is_foreseen(doubling) -> None:
    asked: list[Tile] = []

    def foresee(tile: Tile) -> int:
        asked.append(tile)
        return 1 << 40

    row = measure(doubling(), 150, 70, seconds=0.0, foresee=foresee)
    assert asked == [row.tile]
    # This process and the frames come on top.
    assert row.peak_bytes is not None
    assert (1 << 40) + (10 << 20) < row.peak_bytes < 2 << 40


def test_what_does_not_fit_is_a_row_with_the_reason(doubling) -> None:
    row = measure(doubling(8), 150, 70)
    assert isinstance(row.refused, NoRoom)
    assert (row.timing, row.tile, row.fps) == (None, None, None)
    large = measure(doubling(), 90_000, 90_000)
    assert isinstance(large.refused, TooManyPixels)
    tight = measure(doubling(), 150, 70, memory_limit_bytes=1000)
    assert isinstance(tight.refused, NoRoom)
    assert "refused: " in table.line(tight)


def test_a_network_that_fails_is_no_row(doubling) -> None:
    with pytest.raises(InferenceError):
        measure(doubling(weight=float("nan")), 40, 30)


@pytest.mark.parametrize("text", ["640", "0x360", "640x", "axb", "-1x4", "1x1x1", "٣x٣", ""])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--size"):
        parse_size(text)


def test_sizes() -> None:
    assert parse_size("640x360") == (640, 360)
    assert parse_size(" 1X10000 ") == (1, 10000)


ROWS = [
    Row("a", 2, 640, 360, Tile(200, 180, 4), 12, Timing(0.05, 60, 0.125), 300 << 20),
    Row("b", 3, 1920, 1080, Tile(96, 96), 700, Timing(250.0)),
    Row("b", 3, 9, 9, refused=NoRoom("too little")),
]


def test_rows_for_people() -> None:
    assert table.head().split()[0] == "model"
    first, second, third = (table.line(row).split() for row in ROWS)
    assert first[:3] == ["a", "640x360", "1280x720"]
    assert first[3:6] == ["4", "of", "200x180"]
    assert first[6:] == ["12", "50.0", "125", "300", "MB", "20.0"]
    assert second[2:] == ["5760x3240", "96x96", "700", "250000", "-", "-", "0.004", "predicted"]
    assert " ".join(third[3:]) == "refused: too little"


def test_rows_for_programs() -> None:
    first, second, third = table.plain(ROWS)
    assert (first["fps"], first["predicted"], first["tile"]) == (20.0, False, [200, 180])
    assert (first["output_width"], first["output_height"]) == (1280, 720)
    assert first["batch"] == 4
    assert (second["predicted"], second["frames_measured"]) == (True, 0)
    assert second["warm_up_ms"] is None
    assert (third["refused"], third["fps"], third["tiles"]) == ("too little", None, None)
    assert set(first) == set(second) == set(third)


def ask(*words: str) -> int:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return bench.run(parser.parse_args(["upscale", *words]))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--threads", "-1"], UsageError),
        (["--seconds", "0"], UsageError),
        (["--seconds", "nan"], UsageError),
        (["--memory-limit", "much"], UsageError),
        (["--size", "640"], UsageError),
        (["--model", "yunet"], UsageError),
        (["--model", "espcn-x9"], ModelUnknown),
    ],
)
def test_what_cannot_be_meant(words: list[str], error: type[FaceguardError]) -> None:
    with pytest.raises(error) as caught:
        ask(*words)
    assert "\n" not in str(caught.value)


def test_without_a_model_it_says_which_to_pull(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("FACEGUARD_MODELS", raising=False)
    monkeypatch.setattr("faceguard.engines.store.SYSTEM_STORE", tmp_path / "none")
    with pytest.raises(ModelMissing, match=r"models pull.*espcn-x2"):
        ask("--size", "32x32")
    with pytest.raises(ModelMissing, match="models pull espcn-x2"):
        ask("--model", "espcn-x2")


@pytest.mark.models
def test_the_whole_command(
    engine_path: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    engine_path("espcn-x2")
    words = ["--model", "espcn-x2", "--size", "48x32", "64x36", "--seconds", "0.1"]
    assert ask(*words, "--threads", "1", "--json") == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["threads"] == 1
    assert [(row["width"], row["height"]) for row in told["rows"]] == [(48, 32), (64, 36)]
    assert all(row["fps"] > 0 and row["refused"] is None for row in told["rows"])
    assert "preparing" in captured.err
    assert "espcn-x2 64x36 (2 of 2)" in captured.err
    assert ask(*words, "--quiet") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    # A machine that halts has a line more, which says what `predicted` means.
    assert [line.split()[:2] for line in captured.out.splitlines()[1:3]] == [
        ["espcn-x2", "48x32"],
        ["espcn-x2", "64x36"],
    ]


@pytest.mark.models
def test_all_sizes_refused_is_an_error_with_its_code(
    engine_path: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    engine_path("espcn-x2")
    with pytest.raises(TooManyPixels):
        ask("--model", "espcn-x2", "--size", "90000x90000", "--quiet")
    assert "refused" in capsys.readouterr().out
