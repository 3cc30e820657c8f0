"""The networks that enlarge: from their files to graphs for tiles, with the same results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from faceguard.convert.frozen import convert_frozen
from faceguard.convert.pull.prepare import prepare
from faceguard.engines.catalogue import Enlarging, read_catalogue
from faceguard.engines.errors import BadModelFile, ConvertError, UnsupportedOp
from faceguard.engines.store import find_graph

SMALL = [f"{family}-x{scale}" for family in ("espcn", "fsrcnn") for scale in (2, 3, 4)]
CPU = ["CPUExecutionProvider"]


def opened(graph: bytes | Path) -> ort.InferenceSession:
    return ort.InferenceSession(graph, providers=CPU)


def enlarged(session: ort.InferenceSession, tiles: np.ndarray) -> np.ndarray:
    [taken] = session.get_inputs()
    [made] = session.run(None, {taken.name: tiles})
    return made


@pytest.fixture(scope="module", params=SMALL)
def model(request, data):
    """A luma network: its entry, its file, and its prepared graph."""
    entry = read_catalogue().entry(request.param)
    source = data / "models" / "sr" / entry.file
    return entry, source, prepare(source, name=entry.name, enlarging=entry.enlarging)


@pytest.mark.data
def test_luma_in_tiles_of_any_size_and_number(model) -> None:
    entry, source, data = model
    scale = entry.enlarging.scale
    assert data == prepare(source, name=entry.name, enlarging=entry.enlarging)
    session = opened(data)
    [taken], [given] = session.get_inputs(), session.get_outputs()
    assert taken.shape == ["batch", 1, "height", "width"]
    assert given.shape == ["batch", 1, f"{scale}*height", f"{scale}*width"]
    rng = np.random.default_rng(2)
    for height, width in ((1, 1), (5, 7), (24, 17)):
        tiles = rng.random((3, 1, height, width), np.float32)
        many = enlarged(session, tiles)
        assert many.shape == (3, 1, scale * height, scale * width)
        for tile, larger in zip(tiles, many, strict=True):
            np.testing.assert_allclose(enlarged(session, tile[None])[0], larger, atol=1e-5)


@pytest.mark.data
def test_results_are_those_of_the_file(model) -> None:
    """Nothing but the order of axes changed, and the PReLU of FSRCNN got shorter."""
    entry, source, data = model
    exported = convert_frozen(source.read_bytes(), name=entry.name)
    made = onnx.load_model_from_string(data)
    kinds = [node.op_type for node in made.graph.node]
    assert not {"Transpose", "Identity", "Abs"} & set(kinds)
    tile = np.random.default_rng(7).random((1, 1, 40, 31), np.float32)
    want = enlarged(opened(exported.SerializeToString()), tile.transpose(0, 2, 3, 1).copy())
    np.testing.assert_allclose(enlarged(opened(data), tile), want, atol=1e-5)


@pytest.mark.data
def test_overlap_is_what_a_pixel_can_see(model) -> None:
    """A change that lies farther off than the overlap changes nothing, a nearer one does."""
    entry, _, data = model
    session, scale, reach = opened(data), entry.enlarging.scale, entry.enlarging.overlap_px
    rng = np.random.default_rng(4)
    tile = rng.random((1, 1, 4 * reach + 1, 4 * reach + 1), np.float32)
    before = enlarged(session, tile)
    seen = 0
    for distance in range(1, 2 * reach):
        other = tile.copy()
        other[0, 0, 2 * reach - distance] = rng.random(tile.shape[-1], np.float32)
        rows = slice(2 * reach * scale, (2 * reach + 1) * scale)
        if np.abs(enlarged(session, other) - before)[:, :, rows].max() > 1e-5:
            seen = distance
    assert seen == reach


@pytest.mark.data
@pytest.mark.parametrize("keep", [0, 10, 1000, 50_000])
def test_truncated_file_is_one_line(data, tmp_path: Path, keep: int) -> None:
    whole = (data / "models" / "sr" / "ESPCN_x2.pb").read_bytes()
    source = tmp_path / "cut.pb"
    source.write_bytes(whole[:keep])
    enlarging = Enlarging(scale=2, colours="luma", overlap_px=4)
    with pytest.raises((BadModelFile, UnsupportedOp), match=r"^espcn: ") as caught:
        prepare(source, name="espcn", enlarging=enlarging)
    assert "\n" not in str(caught.value)


@pytest.mark.data
def test_catalogue_that_is_wrong_about_a_network(data) -> None:
    source = data / "models" / "sr" / "ESPCN_x2.pb"
    for wrong in ({"scale": 3}, {"colours": "bgr"}):
        said = {"scale": 2, "colours": "luma", "overlap_px": 4, **wrong}
        with pytest.raises(ConvertError, match=r"^espcn: "):
            prepare(source, name="espcn", enlarging=Enlarging.model_validate(said))


@pytest.mark.models
def test_rewritten_edsr_gives_the_same(engine_path) -> None:
    plain = opened(engine_path("edsr-x3"))
    rewritten = opened(find_graph("edsr-x3", rewritten=True))
    for session in (plain, rewritten):
        assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
    rng = np.random.default_rng(6)
    for count, height, width in ((1, 1, 1), (1, 5, 7), (2, 9, 4), (1, 8, 13)):
        tiles = (rng.random((count, 3, height, width), np.float32) - 0.5) * 255
        want = enlarged(plain, tiles)
        assert want.shape == (count, 3, 3 * height, 3 * width)
        # In grey levels of 255.
        assert np.abs(enlarged(rewritten, tiles) - want).max() <= 5e-3


@pytest.mark.models
@pytest.mark.data
def test_prepared_edsr_gives_what_its_file_does(engine_path, data) -> None:
    exported = convert_frozen((data / "models" / "sr" / "EDSR_x3.pb").read_bytes(), name="edsr")
    tile = (np.random.default_rng(9).random((1, 3, 12, 15), np.float32) - 0.5) * 255
    want = enlarged(opened(exported.SerializeToString()), tile.transpose(0, 2, 3, 1).copy())
    have = enlarged(opened(engine_path("edsr-x3")), tile)
    assert np.abs(have - want).max() <= 2e-3
