"""The gate: what sees other faces, or answers otherwise, is not published."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faceguard.convert.accuracy.gate import MOST_LANDMARK_SHIFT, Accuracy, Gate
from faceguard.convert.accuracy.golden import Golden, shipped_pictures
from faceguard.convert.accuracy.looks import Looker
from faceguard.convert.accuracy.reference import Reference
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import InferenceError, ProofFailed
from faceguard.engines.fake import FakeRuntime
from faceguard.engines.onnx import OnnxRuntime
from faceguard.engines.spec import Precision, Profile
from faceguard.engines.types import TensorSpec
from tests.convert.accuracy.judging import F32, GIVES, SHAPE, SPEC, gate, runtime

# Where in each output landmarks begin; the network's other numbers come before.
LANDMARKS = {"kps_8": 0, "kps_16": 0, "kps_32": 0, "regressors": 4}


def judged(precision: Precision, result: FakeRuntime) -> Accuracy:
    found = gate(precision)
    with tempfile.TemporaryDirectory() as folder:
        reference = Reference.of(found.looker, runtime(), found.pictures, Path(folder), name="m")
        return found.check("m", reference, result, "onnx")


def test_the_same_answers_pass() -> None:
    assert "outputs within 0.0e+00" in str(judged("fp32", runtime()))


@pytest.mark.parametrize(
    ("precision", "small", "large"), [("fp16", 0.01, 0.05), ("int8", 0.05, 0.2)]
)
def test_each_precision_has_its_tolerance(precision: Precision, small: float, large: float) -> None:
    judged(precision, runtime(small))
    with pytest.raises(ProofFailed, match=r"'output' is off by \d+\.\d% of its range"):
        judged(precision, runtime(large))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_never_pass(value: float) -> None:
    with pytest.raises(ProofFailed, match="NaN or infinity"):
        judged("int8", runtime(spoil=value))


def test_grey_colour_and_other_inputs_are_fed() -> None:
    inputs = [
        TensorSpec("grey", (1, 1, 4, 6), np.dtype(np.float32)),
        TensorSpec("colour", (2, 4, 6, 3), np.dtype(np.float32)),
        TensorSpec("bytes", (1, 4, 6, 3), np.dtype(np.uint8)),
        TensorSpec("numbers", (5,), np.dtype(np.float32)),
    ]
    profiles = {spec.name: Profile.fixed(tuple(map(int, spec.shape))) for spec in inputs}  # type: ignore[arg-type]
    seen = FakeRuntime(inputs, [GIVES], lambda _: {"output": np.zeros(SHAPE, np.float32)})
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 255
    looker = Looker(None, profiles, (-1.0, 1.0))
    feeds = looker.feeds(seen.inputs, Golden("red", red))
    assert [look.name for look in looker.looks(seen, [Golden("red", red)])] == ["red"]
    assert feeds["colour"][1, 0, 0].tolist() == [1.0, -1.0, -1.0]
    assert feeds["bytes"][0, 0, 0].tolist() == [255, 0, 0]
    assert feeds["grey"].shape == (1, 1, 4, 6)
    assert -1 <= feeds["numbers"].min() < feeds["numbers"].max() <= 1


@pytest.mark.models
@pytest.mark.parametrize("name", ["yunet", "blazeface-short"])
def test_a_detector_is_judged_by_its_faces(
    engine_path: Callable[[str], Path], reference_of: Callable[..., Reference], name: str
) -> None:
    entry = read_catalogue().entry(name)
    assert entry.score is not None
    found = Gate(Looker(entry, {}, (0, 1)), shipped_pictures(), entry.score.start, "fp16")
    with OnnxRuntime(engine_path(name)) as graph:
        reference = reference_of(found, graph)
        seen = found.check("m", reference, graph, "onnx")
        assert seen.faces is not None
        assert seen.faces >= 4
        assert seen.worst_iou == 1.0
        assert f"the same {seen.faces} faces" in str(seen)

        def dimmed(feeds: dict[str, F32]) -> dict[str, F32]:
            return graph.infer({key: value * np.float32(0.02) for key, value in feeds.items()})

        blind = FakeRuntime(graph.inputs, graph.outputs, dimmed)
        with pytest.raises(ProofFailed, match="shows other faces than in FP32"):
            found.check("m", reference, blind, "onnx")

        # Where landmarks lie no box and no score tells.
        points = next(spec.name for spec in graph.outputs if spec.name in LANDMARKS)

        def moved(feeds: dict[str, F32]) -> dict[str, F32]:
            outputs = graph.infer(feeds)
            for spec in graph.outputs:
                if spec.name in LANDMARKS:
                    outputs[spec.name][..., LANDMARKS[spec.name] :] += np.float32(step)
            return outputs

        step = 10.0 if points == "regressors" else 1.0
        with pytest.raises(ProofFailed, match=r"a landmark of golden picture .* is off by"):
            found.check("m", reference, FakeRuntime(graph.inputs, graph.outputs, moved), "onnx")
        step = 0.0
        seen = found.check("m", reference, FakeRuntime(graph.inputs, graph.outputs, moved), "onnx")
        assert seen.worst_landmark == 0 < MOST_LANDMARK_SHIFT


@pytest.mark.models
def test_a_detector_that_sees_nobody_is_judged_by_its_outputs(
    engine_path: Callable[[str], Path], reference_of: Callable[..., Reference]
) -> None:
    """The same nobody twice would let anything through."""
    entry = read_catalogue().entry("yunet")
    nobody = [picture for picture in shipped_pictures() if picture.name == "nobody"]
    found = Gate(Looker(entry, {}, (0, 1)), nobody, 0.6, "fp16")
    with OnnxRuntime(engine_path("yunet")) as graph:
        reference = reference_of(found, graph)
        seen = found.check("m", reference, graph, "onnx")
        assert (seen.faces, seen.worst_iou) == (0, None)
        assert "no face in FP32 and none in the result, judged by outputs alone: " in str(seen)

        def blind(feeds: dict[str, F32]) -> dict[str, F32]:
            return {key: value * 0 for key, value in graph.infer(feeds).items()}

        with pytest.raises(ProofFailed, match=r"is off by .* of its range"):
            found.check("m", reference, FakeRuntime(graph.inputs, graph.outputs, blind), "onnx")


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_the_model_itself_gives_without_a_number_is_its_own_affair(
    reference_of: Callable[..., Reference], odd: float
) -> None:
    found = gate("fp16")
    reference = reference_of(found, runtime(spoil=odd))
    seen = found.check("m", reference, runtime(0.01, spoil=odd), "onnx")
    assert 0 < seen.outputs["output"].rms_share < 0.02
    assert np.isfinite(seen.outputs["output"].range)
    with pytest.raises(ProofFailed, match="is off by"):
        found.check("m", reference, runtime(0.1, spoil=odd), "onnx")
    for other in (0.5, -odd if np.isinf(odd) else np.inf):
        with pytest.raises(ProofFailed, match="NaN or infinity"):
            found.check("m", reference, runtime(0.0, spoil=other), "onnx")


def test_another_shape_never_passes() -> None:
    other = TensorSpec("output", (1, 2, 8, 8), np.dtype(np.float32))
    cut = FakeRuntime([SPEC], [other], lambda feeds: {"output": feeds["input"][:, :2]})
    with pytest.raises(ProofFailed, match="has another shape"):
        judged("fp32", cut)


def test_a_result_that_fails_is_refused() -> None:
    def fail(_: dict[str, F32]) -> dict[str, F32]:
        raise InferenceError("the GPU fell off the bus")

    with pytest.raises(ProofFailed, match="fp16 fails where FP32 does not: the GPU fell off"):
        judged("fp16", FakeRuntime([SPEC], [GIVES], fail))


@pytest.mark.models
def test_what_a_detector_says_beside_faces_is_bounded_too(
    engine_path: Callable[[str], Path], reference_of: Callable[..., Reference]
) -> None:
    """A part that broke where no golden face shows it: here all of it but the faces' own cells."""
    entry = read_catalogue().entry("yunet")
    found = Gate(Looker(entry, {}, (0, 1)), shipped_pictures(), 0.6, "fp16")
    with OnnxRuntime(engine_path("yunet")) as graph:
        reference = reference_of(found, graph)

        def spoiled(feeds: dict[str, F32]) -> dict[str, F32]:
            outputs = graph.infer(feeds)
            for size in (8, 16, 32):
                unsure = outputs[f"cls_{size}"][0, :, 0] * outputs[f"obj_{size}"][0, :, 0] < 0.04
                outputs[f"bbox_{size}"][0, unsure] *= 0.2
            return outputs

        with pytest.raises(ProofFailed, match=r"output 'bbox_\d+' is off by"):
            found.check("m", reference, FakeRuntime(graph.inputs, graph.outputs, spoiled), "onnx")
