"""The library's front door: the documented example, arrays, and refusals."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceguard.edge import Redactor, RedactorSettings, redactor
from faceguard.engines.errors import InputError, UsageError
from faceguard.engines.types import Detections
from tests.conftest import ROOT
from tests.edge.faces import Scripted, detections


@pytest.fixture
def party(engine_path, sample_path, tmp_path, monkeypatch) -> Path:
    """A folder with the picture that the examples speak of, to stand in."""
    engine_path("yunet")
    monkeypatch.chdir(tmp_path)
    Image.open(sample_path("astronaut")).convert("RGB").save("party.jpg", quality=95)
    return tmp_path


@pytest.mark.models
def test_the_example_in_the_docstring_runs(party):
    tests = doctest.DocTestFinder().find(redactor.Redactor, "Redactor", globs={})
    results = [doctest.DocTestRunner().run(test) for test in tests if test.examples]
    assert results == [doctest.TestResults(failed=0, attempted=4)]
    assert (party / "party-safe.jpg").is_file()


@pytest.mark.models
def test_the_example_in_the_readme_runs(party):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = (part.split("```")[0] for part in text.split("```python\n")[1:])
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own README
    assert (party / "party-safe.jpg").is_file()
    safe, pixels = names["safe"], names["pixels"]
    assert isinstance(safe, np.ndarray)
    assert isinstance(pixels, np.ndarray)
    assert safe.shape == pixels.shape
    assert 0.01 < (safe != pixels).any(axis=2).mean() < 0.5


@pytest.mark.parametrize("channels", [3, 4])
def test_arrays(channels):
    pixels = np.random.default_rng(1).integers(0, 255, (50, 60, channels)).astype(np.uint8)
    finder = Scripted(detections((20, 10, 40, 30)))
    before = pixels.copy()
    safe = Redactor(RedactorSettings(margin=0.0), finder=finder).array(pixels)
    np.testing.assert_array_equal(pixels, before)
    assert (safe[10:30, 20:40] != pixels[10:30, 20:40]).mean() > 0.9
    np.testing.assert_array_equal(safe[40:], pixels[40:])


def test_an_array_without_faces_is_still_the_callers_own():
    pixels = np.zeros((8, 8, 3), np.uint8)
    safe = Redactor(finder=Scripted(Detections.empty())).array(pixels)
    safe[...] = 1
    assert not pixels.any()


def test_an_array_is_black_when_the_detector_fails():
    pixels = np.full((8, 8, 3), 200, np.uint8)
    assert not Redactor(finder=Scripted(RuntimeError("broken"))).array(pixels).any()


def test_what_is_no_picture_is_refused():
    door = Redactor(finder=Scripted(Detections.empty()))
    for pixels in (np.zeros((8, 8), np.uint8), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(InputError, match="array"):
            door.array(pixels)
    with pytest.raises(InputError, match="uint8"):
        door.array(np.zeros((8, 8, 3), np.float32))
    with pytest.raises(UsageError, match="margin"):
        RedactorSettings(margin=float("nan"))


@pytest.mark.models
@pytest.mark.parametrize("page", [0, 255])
def test_a_face_that_only_alpha_draws_is_covered(engine_path, sample_path, page):
    """One flat colour, and the picture in its transparency: a viewer sees a face."""
    engine_path("yunet")
    grey = np.asarray(Image.open(sample_path("astronaut")).convert("L"))
    pixels = np.empty((*grey.shape, 4), np.uint8)
    pixels[..., :3] = 255 - page
    pixels[..., 3] = grey if page == 0 else 255 - grey
    with Redactor() as door:
        safe = door.array(pixels)
    changed = (safe != pixels).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert 0.02 < changed.mean() < 0.3
    assert 178 < xs.mean() < 268
    assert 62 < ys.mean() < 176
