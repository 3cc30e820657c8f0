"""The super-resolution networks beside OpenCV's importer, on pictures and noise."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from faceguard.convert.frozen import convert_frozen

# Name -> enlargement, colours, and what white is.
MODELS = {
    "ESPCN_x2": (2, 1, 1.0),
    "ESPCN_x3": (3, 1, 1.0),
    "ESPCN_x4": (4, 1, 1.0),
    "FSRCNN_x2": (2, 1, 1.0),
    "FSRCNN_x3": (3, 1, 1.0),
    "FSRCNN_x4": (4, 1, 1.0),
    "EDSR_x3": (3, 3, 255.0),
}
pytestmark = pytest.mark.data


@pytest.fixture(scope="module", params=list(MODELS))
def converted(request, data):
    source = data / "models" / "sr" / f"{request.param}.pb"
    return request.param, source, convert_frozen(source.read_bytes(), name=request.param)


@pytest.fixture(scope="module")
def session(converted):
    return onnxruntime.InferenceSession(converted[2].SerializeToString())


def pictures(folder, colours: int, white: float) -> dict[str, np.ndarray]:
    """(N, C, H, W) in BGR or luma: two photographs and noise, each of another size."""
    made = {"noise": np.random.default_rng(5).random((1, colours, 37, 51), np.float32) * white}
    for name, side in (("astronaut.png", 96), ("fr_obama.jpg", 75)):
        photo = cv2.imread(str(folder / name))
        photo = cv2.resize(photo, (side, side - 11), interpolation=cv2.INTER_AREA)
        if colours == 1:
            photo = cv2.cvtColor(photo, cv2.COLOR_BGR2YCrCb)[:, :, :1]
        made[name] = np.ascontiguousarray(photo.transpose(2, 0, 1)[None]) * np.float32(white / 255)
    return made


def test_same_pictures_as_opencv(converted, session, data, opencv_run):
    name, source, model = converted
    scale, colours, white = MODELS[name]
    given = pictures(data / "images", colours, white)
    expected = opencv_run(source, given)
    for key, picture in given.items():
        channels_last = np.ascontiguousarray(picture.transpose(0, 2, 3, 1))
        [made] = session.run(None, {model.graph.input[0].name: channels_last})
        height, width = picture.shape[2:]
        assert made.shape == (1, colours, scale * height, scale * width)
        spread = expected[key].max() - expected[key].min()
        assert np.abs(made - expected[key]).max() <= 1e-4 * spread, key


def test_enlarged_photograph_looks_like_the_photograph(converted, session, data):
    """Catches what a shared misreading of the format would hide: mixed up rows or channels."""
    name, _, model = converted
    _, colours, white = MODELS[name]
    photo = pictures(data / "images", colours, white)["astronaut.png"]
    [made] = session.run(
        None, {model.graph.input[0].name: np.ascontiguousarray(photo.transpose(0, 2, 3, 1))}
    )
    small = photo[0].transpose(1, 2, 0) / white
    large = np.clip(made[0].transpose(1, 2, 0) / white, 0, 1)
    usual = cv2.resize(small, large.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    difference = large.reshape(usual.shape) - usual
    assert np.sqrt(np.mean(difference**2)) < 0.05


def test_sides_are_open_and_named_after_the_file(converted):
    name, _, model = converted
    scale, colours, _ = MODELS[name]
    [taken], [made] = model.graph.input, model.graph.output
    assert (taken.name, made.name) == ("IteratorGetNext", "NCHW_output")
    assert sides(taken) == [1, "height", "width", colours]
    assert sides(made) == [1, colours, f"{scale}*height", f"{scale}*width"]


def sides(value) -> list[int | str]:
    return [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]


def test_graph_is_sound_and_of_the_promised_version(converted):
    _, _, model = converted
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_layout_changes_only_where_the_picture_comes_in(converted):
    kinds = [node.op_type for node in converted[2].graph.node]
    assert kinds.count("Transpose") == 1


def test_same_bytes_give_the_same_graph(converted):
    name, source, model = converted
    again = convert_frozen(source.read_bytes(), name=name)
    assert again.SerializeToString(deterministic=True) == model.SerializeToString(
        deterministic=True
    )
