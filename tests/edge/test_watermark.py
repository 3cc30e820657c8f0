"""Whatever goes wrong, the pixels of a face are in no output: file, report, log or error."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faceguard.edge.redactor import Redactor
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.report import Report
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.engines.errors import FaceguardError, InferenceError
from faceguard.engines.types import Detections
from tests.edge.faces import Scripted, detections
from tests.edge.videos import make_marked

LOSSLESS = EncoderSettings(codec="ffv1")
FACE = (24.0, 16.0, 56.0, 48.0)
FRAMES = 10

SEES = st.just(detections(FACE))
FAILS = st.sampled_from(
    [
        InferenceError("the engine failed"),
        RuntimeError("out of memory"),
        ValueError("garbage"),
        detections((float("nan"), 0, 1, 1)),
        detections((50, 50, 10, 10)),
        detections(FACE, score=7.0),
    ]
)


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Path:
    return make_marked(tmp_path_factory.mktemp("marked") / "in.mkv", FRAMES)


def luma(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [f.to_ndarray()[16:48, 24:56].copy() for f in container.decode(video=0)]


@given(
    answers=st.lists(st.one_of(SEES, FAILS), min_size=1, max_size=FRAMES),
    every=st.integers(1, 4),
    look_ahead=st.integers(0, 6),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_mark_in_any_output(marked, caplog, answers, every, look_ahead):
    finder = Scripted(*answers)
    redactor = Redactor(RedactorSettings(detect_every=every, look_ahead=look_ahead), finder=finder)
    caplog.clear()
    with tempfile.TemporaryDirectory() as folder, caplog.at_level(logging.DEBUG):
        output, report = Path(folder, "out.mkv"), Path(folder, "out.jsonl")
        with Report(report, force=False) as lines:
            redactor.file(
                marked, output, encoder=LOSSLESS, on_frame=lambda frame: lines.frame("in", frame)
            )
        before, after = luma(marked), luma(output)
        assert len(after) == len(before) == FRAMES
        for old, new in zip(before, after, strict=True):
            # The mark is 0 or 255 everywhere; what covers it is black or an average of many.
            assert (new == 255).mean() < 0.01
            if new.std() > 0:
                assert abs(np.corrcoef(old.ravel(), new.ravel())[0, 1]) < 0.35
        assert report.stat().st_size < 400 * FRAMES
    assert all(len(record.getMessage()) < 300 for record in caplog.records)


@pytest.mark.parametrize("broken", ["source", "frame", "sink"])
def test_a_run_that_breaks_leaves_no_file_and_says_no_pixel(marked, tmp_path, broken):
    redactor = Redactor(finder=Scripted(detections(FACE)))
    source = marked
    if broken == "source":
        source = tmp_path / "cut.mkv"
        source.write_bytes(marked.read_bytes()[:300])

    def on_frame(frame: object) -> None:
        if broken == "frame" and frame.index == 4:
            raise RuntimeError("broken on purpose")

    target = tmp_path / ("out.mkv" if broken != "sink" else "missing/out.mkv")
    with pytest.raises((FaceguardError, RuntimeError)) as caught:
        redactor.file(source, target, encoder=LOSSLESS, on_frame=on_frame)
    assert len(str(caught.value)) < 300
    left = [path for path in tmp_path.rglob("*") if path.name != "cut.mkv"]
    assert left == []


def test_no_face_at_all_passes_every_pixel(marked, tmp_path):
    """The measure itself: where nothing is found, the mark does come out, and is seen to."""
    redactor = Redactor(finder=Scripted(Detections.empty()))
    redactor.file(marked, tmp_path / "out.mkv", encoder=LOSSLESS)
    for old, new in zip(luma(marked), luma(tmp_path / "out.mkv"), strict=True):
        np.testing.assert_array_equal(old, new)
