"""Failing closed: whatever goes wrong while looking, the frame is covered whole."""

from __future__ import annotations

import threading
from fractions import Fraction

import numpy as np
import pytest

from faceguard.edge.pipeline import Plan, redacted
from faceguard.edge.tracking import Tracker
from faceguard.edge.types import Frame, Image
from faceguard.edge.verdict import Blind, Judge
from faceguard.engines.errors import InferenceError
from faceguard.engines.types import Detections
from tests.edge.faces import Scripted, detections

FACE = detections((10, 10, 30, 30))
NOTHING = Detections.empty()


def image(seed: int = 0) -> Image:
    # Noise so fine that the scene stays the same for the eye.
    pixels = np.random.default_rng(seed).integers(1, 255, (288, 384, 3)).astype(np.uint8)
    return Image.from_bgr(pixels)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (InferenceError("the engine failed"), "InferenceError"),
        (RuntimeError("anything"), "RuntimeError"),
        (MemoryError(), "MemoryError"),
        (KeyboardInterrupt(), None),
        (detections((10, float("nan"), 30, 30)), "not finite"),
        (detections((10, 10, float("inf"), 30)), "not finite"),
        (detections((10, 10, 30, 30), score=float("nan")), "not finite"),
        (lambda: None, "InferenceError"),
        (detections((80, 80, 20, 20)), "absurd"),
        (detections((10, 10, 10, 30)), "absurd"),
        (detections((10, 10, 30, 30), score=1.5), "absurd"),
        (detections(*[(10, 10, 30, 30)] * 3001), "absurd"),
    ],
)
def test_every_failure_is_blind(answer, cause):
    judge = Judge(Scripted(answer), timeout_s=5)
    if cause is None:
        with pytest.raises(KeyboardInterrupt):
            judge.look(image())
    else:
        assert judge.look(image()) == Blind(cause)
        assert judge.failures == {cause: 1}
    judge.close()


def test_a_hanging_detector_is_waited_for_once_and_taken_back():
    let_go = threading.Event()
    answers = threading.Semaphore(0)

    def hang() -> Detections:
        let_go.wait(30)
        answers.release()
        return FACE

    judge = Judge(Scripted(hang, NOTHING), timeout_s=0.05)
    assert judge.look(image()) == Blind("time-out")
    assert judge.look(image()) == Blind("time-out")
    let_go.set()
    answers.acquire()
    # The late answer was about an old frame; it must not be taken for the new one's.
    judge.timeout_s = 10
    while isinstance(found := judge.look(image()), Blind):
        pass
    assert len(found) == 0
    judge.close()


@pytest.mark.parametrize("look_ahead", [0, 3])
@pytest.mark.parametrize("every", [1, 3])
def test_no_pixel_leaves_while_nobody_knows(look_ahead, every):
    """Frames carry their own noise: any sample that comes out unchanged has leaked."""
    script = [NOTHING, InferenceError("x"), NOTHING, FACE, RuntimeError("y"), FACE]
    frames = [Frame(image(i), i, i, Fraction(1, 25)) for i in range(len(script) * every)]
    judge = Judge(Scripted(*script), timeout_s=5)
    plan = Plan(detect_every=every, look_ahead=look_ahead)
    out = list(redacted(iter(frames), judge, Tracker(plan.tracking, keep_frames=look_ahead), plan))
    judge.close()
    assert [safe.index for safe in out] == list(range(len(frames)))
    for safe, frame in zip(out, frames, strict=True):
        asked = -(-safe.index // every) if look_ahead else safe.index // every
        failed = (script[min(n, len(script) - 1)] for n in {asked, safe.index // every})
        blind = any(isinstance(answer, Exception) for answer in failed)
        assert (safe.cover.whole is not None) == blind
        if blind:
            assert not (safe.image.planes[0] == frame.image.planes[0]).any()
    assert sum(judge.failures.values()) == 2


def test_the_first_frames_wait_for_a_verdict():
    frames = [Frame(image(i), i, i, Fraction(1, 25)) for i in range(3)]
    judge = Judge(Scripted(InferenceError("not warm"), NOTHING), timeout_s=5)
    out = list(redacted(iter(frames), judge, Tracker(), Plan(detect_every=1, look_ahead=2)))
    judge.close()
    assert [safe.cover.whole is not None for safe in out] == [True, False, False]
