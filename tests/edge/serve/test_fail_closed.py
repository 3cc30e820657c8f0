"""Whatever fails, no uncovered picture gets out, and nothing of a picture gets into a log."""

from __future__ import annotations

import logging
from fractions import Fraction

import numpy as np
import pytest

from faceguard.edge.serve.answer import encode
from faceguard.edge.types import Frame, Image
from faceguard.engines.errors import InferenceError
from tests.edge.faces import Scripted, detections
from tests.edge.serve.served import Doubling, as_file, noise, pixels_of, serving

GOOD = as_file(noise())
NAME = "petra-at-the-beach"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (InferenceError("the engine broke"), "InferenceError"),
        (ValueError("whatever"), "ValueError"),
        (detections((1, 1, float("nan"), 5)), "not finite"),
        (detections((9, 9, 1, 1)), "absurd"),
    ],
)
def test_a_detector_that_fails_covers_the_whole_picture_and_says_so(fault, why):
    with serving(Scripted(fault)) as served:
        for path in ("/v1/redact", "/v1/enhance"):
            answer = served.post(path, GOOD)
            assert answer.status_code == 200
            assert not pixels_of(answer.content).any()
            assert answer.headers["faceguard-covered-whole"] == "true"
            assert answer.headers["faceguard-why"] == why
            assert answer.headers["faceguard-redacted"] == "true"
            assert "faceguard-faces" not in answer.headers
        assert served.value("covered_whole_total", cause=why) == 2


def test_a_detector_that_keeps_failing_shows_and_one_that_works_again_too():
    finder = Scripted(*[InferenceError("no")] * 3, detections())
    with serving(finder) as served:
        for _ in range(3):
            assert served.client.get("/healthz").json()["status"] == "ready"
            served.post("/v1/redact", GOOD)
        answer = served.client.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["status"] == "not"
        assert "detector" in answer.json()["reason"]
        assert np.array_equal(pixels_of(served.post("/v1/redact", GOOD).content), noise())
        assert served.client.get("/healthz").json() == {"status": "ready", "queue": 0}


def test_only_what_went_through_redaction_becomes_an_answer():
    with pytest.raises(TypeError):
        encode(Frame(Image.from_bgr(noise()), 0, 0, Fraction(1)), "png", 90)


def test_no_name_no_address_and_no_pixel_reaches_a_log(caplog):
    caplog.set_level(logging.DEBUG)
    network = Doubling()
    # A row of one colour is found again in whatever its numbers are written as.
    secret = np.full((16, 24, 3), (201, 103, 7), np.uint8)
    with serving(network=network) as served:
        files = {"image": (f"{NAME}.png", as_file(secret))}
        assert served.client.post("/v1/enhance", files=files).status_code == 200
        assert served.client.post(f"/v1/{NAME}", files=files).status_code == 404
        assert served.client.post(f"/v1/redact?{NAME}=1", files=files).status_code == 422
        cut = {"image": (f"{NAME}.png", as_file(secret)[:60])}
        assert served.client.post("/v1/redact", files=cut).status_code == 400
        network.error = ValueError(f"cannot do {secret!r}")
        assert served.client.post("/v1/enhance", files=files).status_code == 500
        served.client.request(NAME.upper(), "/v1/redact")
    ours = [
        record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    ]
    lines = [record.getMessage() for record in ours]
    assert any("POST /v1/enhance 200" in line for line in lines)
    assert any("POST other 404" in line for line in lines)
    assert any(
        "enlarging with doubling-x2 failed: ValueError in served.py:" in line for line in lines
    )
    for line in lines:
        assert NAME not in line.lower()
        assert "201, 103" not in line
        assert "127.0.0.1" not in line
    assert all(record.exc_info is None for record in ours)


def test_pictures_lie_in_memory_only(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    seen = []
    with serving(
        Scripted(lambda: seen.append(list(tmp_path.rglob("*"))) or detections())
    ) as served:
        large = as_file(noise(1200, 900), ".bmp")
        assert len(large) > 3 << 20
        files = {"image": ("a.bmp", large)}
        assert served.client.post("/v1/redact", files=files).status_code == 200
    assert seen
    assert not any(seen)
    assert not list(tmp_path.rglob("*"))
