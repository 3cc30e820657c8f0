"""A network's last convolution gets wider, and gives the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from faceguard.convert.graph.wide_tail import widen_tail
from tests.convert.graphs import graph, kinds, node, noise, run, value, weight


def network(
    *,
    kernel: int = 3,
    channels: int = 4,
    stride: int = 1,
    mode: str = "DCR",
    turned: bool = False,
    shown: bool = False,
) -> onnx.ModelProto:
    """Six channels become blocks of pixels, and something follows."""
    around = (kernel - 1) // 2
    added = ["bias", "sums"] if turned else ["sums", "bias"]
    nodes = [
        node("Relu", ["picture"], ["six"]),
        node("Conv", ["six", "kernel"], ["sums"], pads=[around] * 4, strides=[stride] * 2),
        node("Add", added, ["deep"]),
        node("DepthToSpace", ["deep"], ["larger"], blocksize=2, mode=mode),
        node("Tanh", ["larger"], ["result"]),
    ]
    weights = [
        weight("kernel", noise((channels, 6, kernel, kernel))),
        weight("bias", noise((1, channels, 1, 1))),
    ]
    outputs = [value("result", ["n", channels // 4, "2*h", "2*w"])]
    if shown:
        outputs.append(value("deep", ["n", channels, "h", "w"]))
    return graph(nodes, [value("picture", ["n", 6, "h", "w"])], outputs, weights)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (7, 4), (6, 8), (1, 9)])
def test_wider_form_gives_the_same_for_any_size(size: tuple[int, int], turned: bool) -> None:
    model = network(turned=turned)
    picture = noise((2, 6, *size))
    want = run(model, {"picture": picture})["result"]
    assert widen_tail(model.graph)
    assert kinds(model) == ["Relu", "Conv", "DepthToSpace", "Shape", "Mul", "Slice", "Tanh"]
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(run(model, {"picture": picture})["result"], want, atol=1e-6)
    assert not widen_tail(model.graph)


@pytest.mark.parametrize(
    "changes",
    [{"kernel": 1}, {"channels": 8}, {"stride": 2}, {"mode": "CRD"}, {"shown": True}],
)
def test_another_end_is_left_as_it_is(changes: dict[str, object]) -> None:
    model = network(**changes)  # type: ignore[arg-type]
    before = model.SerializeToString(deterministic=True)
    assert not widen_tail(model.graph)
    assert model.SerializeToString(deterministic=True) == before
