"""What the FP32 graph made of the pictures: kept on the disk, whole, and never nothing."""

import pickle
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from faceguard.convert.accuracy.reference import Reference
from faceguard.engines.errors import ConvertError, ProofFailed
from faceguard.engines.fake import FakeRuntime
from faceguard.engines.types import TensorSpec
from tests.convert.accuracy.judging import F32, GIVES, SPEC, gate, runtime


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_without_one_number_is_refused(
    reference_of: Callable[..., Reference], value: float
) -> None:
    outputs = [GIVES, TensorSpec("lost", (2,), np.dtype(np.float32))]

    def run(feeds: dict[str, F32]) -> dict[str, F32]:
        return {"output": feeds["input"], "lost": np.full(2, value, np.float32)}

    with pytest.raises(ConvertError, match="m: output 'lost' holds not one finite value in FP32"):
        reference_of(gate("fp16"), FakeRuntime([SPEC], outputs, run))


def test_an_output_that_is_always_the_same_is_named(
    reference_of: Callable[..., Reference],
) -> None:
    outputs = [GIVES, TensorSpec("stuck", (3,), np.dtype(np.float32))]

    def stuck_at(value: float) -> FakeRuntime:
        def run(feeds: dict[str, F32]) -> dict[str, F32]:
            return {"output": feeds["input"], "stuck": np.full(3, value, np.float32)}

        return FakeRuntime([SPEC], outputs, run)

    found = gate("fp16")
    reference = reference_of(found, stuck_at(0.1))
    assert reference.constant == ["stuck"]
    # Rounding it is not "off by infinity of its range".
    assert found.check("m", reference, stuck_at(0.09998), "onnx").outputs["stuck"].range == 0
    with pytest.raises(ProofFailed, match="'stuck' is off by"):
        found.check("m", reference, stuck_at(0.2), "onnx")


def test_a_reference_can_be_sent_to_another_process(
    reference_of: Callable[..., Reference],
) -> None:
    found = gate("fp32")
    sent_gate, sent = pickle.loads(pickle.dumps((found, reference_of(found, runtime()))))  # noqa: S301
    assert sent_gate.check("m", sent, runtime(), "onnx").pictures == 6
    with pytest.raises(ProofFailed, match="is off by"):
        sent_gate.check("m", sent, runtime(0.1), "onnx")


def test_large_outputs_are_compared_to_their_last_value(
    reference_of: Callable[..., Reference],
) -> None:
    """They are compared in parts; here two and a bit of float32, many more of float64."""
    count = (2 << 18) + 5
    outputs = [
        TensorSpec("wide", (count,), np.dtype(np.float64)),
        TensorSpec("bits", (3, 5), np.dtype(np.bool_)),
        TensorSpec("words", (2, 2), np.dtype(np.int64)),
    ]

    def giving(last: float) -> FakeRuntime:
        def run(_: dict[str, F32]) -> dict[str, npt.NDArray[np.generic]]:
            wide = np.linspace(-1, 1, count)
            wide[-1] = last
            bits = np.arange(15).reshape(3, 5) % 2 == 0
            return {"wide": wide, "bits": bits, "words": np.arange(4).reshape(2, 2)}

        return FakeRuntime([SPEC], outputs, run)

    found = gate("fp32")
    reference = reference_of(found, giving(1.0))
    assert reference.constant == []
    seen = found.check("m", reference, giving(1.25), "onnx")
    assert seen.outputs["wide"].max_abs == 0.25
    assert seen.outputs["bits"] == seen.outputs["words"].__class__(0.0, 1.0, 0.0)
    assert seen.outputs["words"].range == 3
