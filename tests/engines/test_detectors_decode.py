"""Decoding worked out by hand, on graphs that say what the test wants; and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.detectors import Detector
from faceguard.engines.detectors.anchors import anchor_centers
from faceguard.engines.detectors.blazeface import VARIANTS, BlazeFace
from faceguard.engines.detectors.centerface import CenterFace
from faceguard.engines.detectors.yunet import YuNet
from faceguard.engines.errors import InferenceError, ModelCorrupt, TensorMismatch, UsageError
from faceguard.engines.runtime import open_runtime

PICTURE = BgrArray(np.zeros((64, 96, 3), np.uint8))


def _logit(score):
    return math.log(score / (1 - score))


def _yunet_silence(width=96, height=64):
    outputs = {}
    for stride in (8, 16, 32):
        cells = (width // stride) * (height // stride)
        for kind, values in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            outputs[f"{kind}_{stride}"] = np.zeros((1, cells, values), np.float32)
    return outputs


def _centerface_silence(width=96, height=64):
    shape = (height // 4, width // 4)
    channels = {"537": 1, "538": 2, "539": 2, "540": 10}
    return {name: np.zeros((1, n, *shape), np.float32) for name, n in channels.items()}


def _blazeface_silence(variant):
    count = len(BlazeFace(variant).anchors)
    return {
        "regressors": np.zeros((1, count, 16), np.float32),
        "classificators": np.full((1, count, 1), -100, np.float32),
    }


@pytest.mark.parametrize(
    ("variant", "count", "first", "second", "last"),
    [
        # The numbers that MediaPipe's calculator gives for its graphs' options, in pixels.
        ("short", 896, (4, 4), (4, 4), (120, 120)),
        ("back", 896, (8, 8), (8, 8), (240, 240)),
        ("full", 2304, (2, 2), (6, 2), (190, 190)),
        ("full-sparse", 2304, (2, 2), (6, 2), (190, 190)),
    ],
)
def test_anchors(variant, count, first, second, last):
    anchors = BlazeFace(variant).anchors
    assert anchors.shape == (count, 2)
    assert anchors.dtype == np.float32
    assert tuple(anchors[0]) == first
    assert tuple(anchors[1]) == second
    assert tuple(anchors[-1]) == last


def test_anchors_run_along_rows():
    assert anchor_centers(8, ((4, 2), (8, 1))).tolist() == [
        [2, 2], [2, 2], [6, 2], [6, 2], [2, 6], [2, 6], [6, 6], [6, 6], [4, 4],
    ]  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_blazeface_by_hand(constant_engine, variant):
    family = BlazeFace(variant)
    side = family.input_size[0]
    outputs = _blazeface_silence(variant)
    place = len(family.anchors) // 2
    anchor_x, anchor_y = family.anchors[place]
    values = outputs["regressors"][0, place]
    values[:4] = [3, -2, 20, 24]
    values[4:] = np.arange(12)
    outputs["classificators"][0, place] = _logit(0.8)
    engine = constant_engine(outputs, channels_last=True)
    picture = BgrArray(np.zeros((2 * side, 2 * side, 3), np.uint8))  # so the way back doubles
    with Detector(open_runtime(engine), family) as detector:
        found = detector.detect(picture)
    middle = 2 * np.array([anchor_x + 3, anchor_y - 2])
    assert found.scores.tolist() == pytest.approx([0.8])
    want = [middle[0] - 20, middle[1] - 24, middle[0] + 20, middle[1] + 24]
    assert found.boxes[0].tolist() == pytest.approx(want)
    assert found.landmarks is not None
    assert found.landmarks.shape == (1, 6, 2)
    assert found.landmarks[0, 5].tolist() == pytest.approx(
        [2 * (anchor_x + 10), 2 * (anchor_y + 11)]
    )


def test_yunet_by_hand(constant_engine):
    outputs = _yunet_silence()
    place = 1 * 6 + 4  # stride 16, row 1, column 4
    outputs["cls_16"][0, place] = 0.9
    outputs["obj_16"][0, place] = 0.4
    outputs["bbox_16"][0, place] = [0.5, 0.25, math.log(2), math.log(1.5)]
    outputs["kps_16"][0, place, :4] = [0.25, 0.5, 1, 2]
    with Detector(open_runtime(constant_engine(outputs)), YuNet(), score=0.5) as detector:
        found = detector.detect(PICTURE)
    assert found.scores.tolist() == pytest.approx([0.6])
    assert found.boxes[0].tolist() == pytest.approx([72 - 16, 20 - 12, 72 + 16, 20 + 12])
    assert found.landmarks is not None
    assert found.landmarks[0, :2].tolist() == [[68, 24], [80, 48]]


def test_yunet_takes_probabilities_over_one_for_one(constant_engine):
    outputs = _yunet_silence()
    outputs["cls_8"][0, 0] = 4.0
    outputs["obj_8"][0, 0] = 0.25
    with Detector(open_runtime(constant_engine(outputs)), YuNet(), score=0.4) as detector:
        assert detector.detect(PICTURE).scores.tolist() == pytest.approx([0.5])


def test_centerface_by_hand(constant_engine):
    outputs = _centerface_silence()
    row, column = 7, 11
    outputs["537"][0, 0, row, column] = 0.7
    outputs["538"][0, :, row, column] = [math.log(6), math.log(4)]  # height, width
    outputs["539"][0, :, row, column] = [0.25, -0.5]  # y, x
    outputs["540"][0, :2, row, column] = [0.5, 0.25]
    with Detector(open_runtime(constant_engine(outputs)), CenterFace()) as detector:
        found = detector.detect(PICTURE)
    x, y = (11 - 0.5 + 0.5) * 4, (7 + 0.25 + 0.5) * 4
    assert found.boxes[0].tolist() == pytest.approx([x - 8, y - 12, x + 8, y + 12])
    assert found.scores.tolist() == pytest.approx([0.7])
    assert found.landmarks is not None
    assert found.landmarks[0, 0].tolist() == pytest.approx([x - 4, y])


def test_threshold_decides(constant_engine):
    outputs = _centerface_silence()
    outputs["537"][0, 0, 2, [3, 20]] = [0.4, 0.31]
    outputs["538"][:] = 1
    runtime = open_runtime(constant_engine(outputs))
    counts = [len(Detector(runtime, CenterFace(), score=s).detect(PICTURE)) for s in (0.3, 0.35)]
    assert counts == [2, 1]


def test_tensors():
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[0, 1] = [10, 127, 255]  # B, G, R
    assert YuNet().tensor(pixels)[0, :, 0, 1].tolist() == [10, 127, 255]
    assert CenterFace().tensor(pixels)[0, :, 0, 1].tolist() == [255, 127, 10]
    blaze = BlazeFace("short").tensor(pixels)
    assert blaze[0, 0, 1].tolist() == pytest.approx([1, 127 / 127.5 - 1, 10 / 127.5 - 1], abs=1e-6)
    for tensor in (YuNet().tensor(pixels), CenterFace().tensor(pixels), blaze):
        assert tensor.dtype == np.float32
        assert tensor.flags.c_contiguous


def test_silence_is_no_faces(constant_engine):
    for family, outputs, last in (
        (YuNet(), _yunet_silence(), False),
        (CenterFace(), _centerface_silence(), False),
        (BlazeFace("back"), _blazeface_silence("back"), True),
    ):
        engine = constant_engine(outputs, channels_last=last)
        with Detector(open_runtime(engine), family) as detector:
            found = detector.detect(PICTURE)
        assert len(found) == 0
        assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [*_yunet_silence()])
def test_yunet_refuses_nan_and_infinity(constant_engine, name, bad):
    outputs = _yunet_silence()
    outputs[name].flat[-1] = bad
    detector = Detector(open_runtime(constant_engine(outputs)), YuNet())
    with pytest.raises(InferenceError, match=f"'{name}' holds NaN or infinity"):
        detector.detect(PICTURE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", [*_centerface_silence()])
def test_centerface_refuses_nan_and_infinity(constant_engine, name, bad):
    outputs = _centerface_silence()
    outputs[name].flat[5] = bad
    detector = Detector(open_runtime(constant_engine(outputs)), CenterFace())
    with pytest.raises(InferenceError, match="NaN or infinity"):
        detector.detect(PICTURE)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["regressors", "classificators"])
def test_blazeface_refuses_nan_and_infinity(constant_engine, name, bad):
    outputs = _blazeface_silence("short")
    outputs[name].flat[0] = bad
    engine = constant_engine(outputs, channels_last=True)
    with pytest.raises(InferenceError, match="NaN or infinity"):
        Detector(open_runtime(engine), BlazeFace("short")).detect(PICTURE)


@pytest.mark.parametrize("size", [200, 88, 40, 15])  # e^200 is no float32
def test_refuses_faces_beyond_all_pictures(constant_engine, size):
    outputs = _centerface_silence()
    outputs["537"][0, 0, 0, 0] = 0.9
    outputs["538"][0, 0, 0, 0] = size
    detector = Detector(open_runtime(constant_engine(outputs)), CenterFace())
    with pytest.raises(InferenceError, match="boxes reach farther than 1000000 px"):
        detector.detect(PICTURE)


def test_refuses_another_familys_engine(constant_engine):
    centerface = constant_engine(_centerface_silence())
    with pytest.raises(InferenceError, match="'cls_8' is missing"):
        Detector(open_runtime(centerface), YuNet()).detect(PICTURE)
    with pytest.raises(TensorMismatch):
        Detector(open_runtime(centerface), BlazeFace("short")).detect(PICTURE)
    short = constant_engine(_blazeface_silence("short"), channels_last=True)
    with pytest.raises(InferenceError, match="another family or variant"):
        Detector(open_runtime(short), BlazeFace("full")).detect(PICTURE)
    small = constant_engine(_yunet_silence(64, 64))
    with pytest.raises(InferenceError, match="'cls_8' is 1x64x1, not 1x96x1"):
        Detector(open_runtime(small), YuNet()).detect(PICTURE)


def test_faces_in_the_padding_are_none(constant_engine):
    outputs = _centerface_silence()
    outputs["537"][0, 0, 15, 23] = 0.9
    detector = Detector(open_runtime(constant_engine(outputs)), CenterFace())
    assert len(detector.detect(PICTURE)) == 1
    assert len(detector.detect(BgrArray(np.zeros((40, 80, 3), np.uint8)))) == 0


class _Nothing:
    """A source without pixels, as a broken decoder might hand over."""

    width = 0
    height = 480

    def sample_bgr(self, region, width, height):
        raise AssertionError("nobody may ask for pixels that are not there")


def test_no_pixels_is_not_no_faces(constant_engine):
    detector = Detector(open_runtime(constant_engine(_yunet_silence())), YuNet())
    with pytest.raises(InferenceError, match="0x480 has no pixels"):
        detector.detect(_Nothing())


@pytest.mark.parametrize("score", [0, 1, -0.5, math.nan])
def test_refuses_scores_that_mean_nothing(constant_engine, score):
    with pytest.raises(UsageError, match="not between 0 and 1"):
        Detector(open_runtime(constant_engine(_yunet_silence())), YuNet(), score=score)


def test_refuses_sizes_that_mean_nothing(constant_engine):
    runtime = open_runtime(constant_engine(_yunet_silence()))
    with pytest.raises(UsageError, match="under one stride"):
        Detector(runtime, YuNet(), long_side=16)
    with pytest.raises(UsageError, match="always 128x128"):
        Detector(runtime, BlazeFace("short"), long_side=640)
    with pytest.raises(UsageError, match="no variant 'huge'"):
        BlazeFace("huge")


def test_a_closed_detector_is_not_no_faces(constant_engine):
    with Detector(open_runtime(constant_engine(_yunet_silence())), YuNet()) as detector:
        pass
    with pytest.raises(InferenceError, match="closed"):
        detector.detect(PICTURE)


def test_refuses_an_engine_of_two_inputs(tmp_path):
    import onnx
    from onnx import helper

    pair = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in ("a", "b")]
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "g", pair, [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "pair.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelCorrupt, match="not one picture"):
        Detector(open_runtime(path), YuNet())
