"""The pieces of the super-resolution benchmark: arithmetic, the matrix product, turns, sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.parts import upscale_memory, upscale_speed
from benchmarks.parts.matmul import FLOATS, Product
from benchmarks.parts.upscale_macs import exported, multiplications
from benchmarks.parts.upscale_memory import Peak, Predicted
from benchmarks.parts.upscale_once import picture
from benchmarks.parts.upscale_report import Report, against_targets
from benchmarks.parts.upscale_speed import NUMPY, ONNX, OURS, PEER, Row, run_rounds


def written(path: Path, nodes: list[onnx.NodeProto], **weights: np.ndarray) -> Path:
    graph = helper.make_graph(
        nodes,
        "counted",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", None, "H", "W"])],
        [
            numpy_helper.from_array(value.astype(np.float32), name)
            for name, value in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_multiplications_of_every_kind(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["p"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["p", "b"], ["q"], group=8, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["q", "c"], ["r"], strides=[2, 2]),
        helper.make_node("Relu", ["r"], ["y"]),
    ]
    weights = {
        "a": np.zeros((8, 3, 3, 3)),
        "b": np.zeros((8, 1, 3, 3)),
        "c": np.zeros((8, 4, 2, 2)),
    }
    path = written(tmp_path / "counted.onnx", nodes, **weights)
    full, half = 20 * 10, 10 * 5
    want = full * 8 * 3 * 9 + half * 8 * 9 + half * 8 * 4 * 4
    assert multiplications(path, 20, 10) == want


def test_what_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("Einsum", ["x", "x"], ["y"], equation="nchw,nchw->nchw")]
    path = written(tmp_path / "other.onnx", nodes)
    with pytest.raises(ValueError, match="Einsum"):
        multiplications(path, 20, 10)


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("espcn-x2", 25 * 64 + 9 * 64 * 32 + 9 * 32 * 4),
        ("fsrcnn-x2", 25 * 56 + 56 * 12 + 4 * 9 * 144 + 12 * 56 + 56 * 4),
    ],
)
def test_multiplications_of_the_networks_a_pixel(
    engine_path, tmp_path: Path, name: str, want: int
) -> None:
    engine_path(name)
    assert multiplications(exported(name, tmp_path), 30, 20) == want * 600


def test_both_libraries_give_the_same_product() -> None:
    product = Product(threads=2, side=64)
    assert np.allclose(product.numpy(), product.onnx(), rtol=1e-5)
    assert product.numpy_ns() > 0
    assert product.onnx_ns() > 0


def test_programs_take_turns_and_go_backwards_every_other_round() -> None:
    asked: list[str] = []

    def call(name: str, took_ns: int):
        def once() -> int:
            asked.append(name)
            return took_ns

        return once

    row = Row("espcn-x2", 8, 8, 1)
    run_rounds(row, {OURS: call(OURS, 500_000_000), PEER: call(PEER, 900_000_000)}, 2)
    assert asked == [OURS, PEER, OURS, PEER, PEER, OURS]
    quick = Row("espcn-x2", 8, 8, 1)
    run_rounds(quick, {OURS: call(OURS, 100_000_000)}, 1)
    assert quick.rounds == [{OURS: [100_000_000] * 4}]


def measured(model: str, rounds: list[dict[str, list[int]]], multiplied: int = 10**9) -> Row:
    return Row(model, 8, 8, multiplied, rounds)


def test_a_speedup_is_within_a_round_and_shares_are_of_the_best() -> None:
    row = measured(
        "espcn-x2",
        [
            {OURS: [10, 20], PEER: [30], NUMPY: [400], ONNX: [100]},
            {OURS: [40], PEER: [40, 90], NUMPY: [200], ONNX: [100]},
            {OURS: [20], PEER: [40], NUMPY: [300], ONNX: [90]},
        ],
    )
    assert row.speedup == 2.0
    assert row.best_ns(OURS) == 10
    assert row.median_ns(OURS) == 20
    assert row.rate(OURS) == 2e9 / 10
    assert row.share(NUMPY) == pytest.approx((2e9 / 10) / (FLOATS / 200))
    assert row.share(ONNX) == pytest.approx((2e9 / 10) / (FLOATS / 90))


def test_the_figures_are_the_worst_and_a_missing_peer_is_none() -> None:
    good = [{OURS: [10], PEER: [30], NUMPY: [200], ONNX: [100]}]
    worse = [{OURS: [20], PEER: [26], NUMPY: [200], ONNX: [100]}]
    alone = [{OURS: [20], NUMPY: [200], ONNX: [100]}]
    rows = [measured("espcn-x2", good), measured("espcn-x2", worse), measured("edsr-x3", alone)]
    found = upscale_speed.figures(rows)
    assert found["speedup_espcn"] == 1.3
    assert found["speedup_edsr"] is None
    assert found["share_of_onnx_edsr"] == pytest.approx((2e9 / 20) / (FLOATS / 100), abs=1e-3)
    assert found["speedup_fsrcnn"] is None
    told = "\n".join(upscale_speed.lines(rows))
    assert "1.30" in told
    assert all(isinstance(row.told()["best_ms"][OURS], float) for row in rows)


def test_peaks_are_without_the_callers_pictures() -> None:
    small, large = Peak(512, 205.0, 5.0, 120.0, 0.1), Peak(4096, 462.0, 252.0, 121.0, 9.0)
    assert (small.own_mb, small.work_mb) == (200.0, 80.0)
    found = upscale_memory.figures([small, large])
    assert found == {"peak_ratio_4096_512": 1.05, "peak_mb_4096": 210.0}
    assert upscale_memory.figures([small])["peak_ratio_4096_512"] is None
    told = upscale_memory.lines([small, large], {4096: Predicted("96x96", 900.0)})
    assert "38.1" in told[2]
    assert "96x96" in told[2]
    assert "96x96" not in told[1]


def test_each_figure_says_whether_it_is_as_it_should_be() -> None:
    found = {"speedup_edsr": 0.9, "peak_ratio_4096_512": 1.05, "worst_mad_to_peer": 0.6}
    told = against_targets({**found, "speedup_espcn": None, "product_gflops_onnx": 400.0})
    assert told == [
        "speedup_edsr 0.9  (aim >= 1: MISSED)",
        "peak_ratio_4096_512 1.05  (aim >= 0.9 <= 1.1: met)",
        "worst_mad_to_peer 0.6  (aim <= 0.5: MISSED)",
        "speedup_espcn failed",
        "product_gflops_onnx 400",
    ]


def test_a_report_has_the_figures_of_the_parts_that_were_asked_for() -> None:
    report = Report(("memory",), 2, peaks=[Peak(512, 1.0, 0.5, 0.1, 1.0)])
    assert set(report.figures()) == {"peak_ratio_4096_512", "peak_mb_4096"}
    assert report.document()["memory"][0]["own_mb"] == 0.5
    assert "peak_ratio_4096_512 failed" in report.lines()


def test_the_picture_to_enlarge_is_the_same_each_time() -> None:
    one = picture(130, 70)
    assert one.shape == (70, 130, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, picture(130, 70))
    assert one.std() > 50
