"""A PReLU that is spelled out gets shorter, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from faceguard.convert.graph.prelu import shorten_prelu
from tests.convert.graphs import graph, kinds, node, noise, run, value, weight

SLOPES = [-0.3, 0.0, 0.25, 1.0, 1.2]
LONG = ["Relu", "Abs", "Sub", "Mul", "Mul", "Add"]
SHORT = ["Relu", "Mul", "Mul", "Add"]


def spelled_out(
    *, turned: bool = False, half: float = 0.5, other: str = "x", shown: str = ""
) -> onnx.ModelProto:
    """relu(x) + slope * (x - |x|) * 0.5 between two other operations."""

    def operands(one: str, two: str) -> list[str]:
        return [two, one] if turned else [one, two]

    nodes = [
        node("Tanh", ["picture"], ["x"]),
        node("Relu", ["x"], ["above"]),
        node("Abs", [other], ["size"]),
        node("Sub", ["x", "size"], ["twice"]),
        node("Mul", operands("slope", "twice"), ["slanted"]),
        node("Mul", operands("slanted", "half"), ["below"]),
        node("Add", operands("above", "below"), ["bent"]),
        node("Neg", ["bent"], ["result"]),
    ]
    weights = [
        weight("slope", np.reshape(SLOPES, (1, 5, 1, 1))),
        weight("half", np.full((1, 1, 1, 1), half)),
    ]
    shape = ["n", 5, "h", "w"]
    outputs = [value("result", shape), *([value(shown, shape)] if shown else [])]
    return graph(nodes, [value("picture", shape)], outputs, weights)


@pytest.mark.parametrize("turned", [False, True])
def test_shorter_form_gives_the_same(turned: bool) -> None:
    model = spelled_out(turned=turned)
    picture = noise((2, 5, 4, 6), scale=3)
    want = run(model, {"picture": picture})["result"]
    assert shorten_prelu(model.graph) == 1
    assert kinds(model) == ["Tanh", *SHORT, "Neg"]
    assert "half" not in {item.name for item in model.graph.initializer}
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(run(model, {"picture": picture})["result"], want, atol=1e-6)
    assert shorten_prelu(model.graph) == 0


@pytest.mark.parametrize(
    "changes",
    [{"half": 0.4}, {"other": "picture"}, {"shown": "below"}, {"shown": "twice"}],
)
def test_what_is_something_else_stays(changes: dict[str, object]) -> None:
    model = spelled_out(**changes)
    before = model.SerializeToString()
    assert shorten_prelu(model.graph) == 0
    assert model.SerializeToString() == before


def test_relu_that_others_read_too_stays_for_them() -> None:
    model = spelled_out(shown="above")
    picture = noise((1, 5, 3, 3), scale=3)
    want = run(model, {"picture": picture})
    assert shorten_prelu(model.graph) == 1
    have = run(model, {"picture": picture})
    for name in ("result", "above"):
        np.testing.assert_allclose(have[name], want[name], atol=1e-6)
