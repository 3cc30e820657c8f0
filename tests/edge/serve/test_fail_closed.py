"""Whatever fails, no uncovered picture gets out, and nothing of a picture gets into a log."""

from __future__ import annotations

import ast
import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from faceguard.edge.redact import changed_together
from faceguard.edge.serve.answer import encode
from faceguard.edge.types import Frame, Image
from faceguard.engines.errors import InferenceError
from tests.edge.faces import Scripted, detections
from tests.edge.outputs.waiting import until
from tests.edge.serve.served import (
    Doubling,
    as_file,
    doubled,
    noise,
    pixels_of,
    safe_frame,
    serving,
)

GOOD = as_file(noise())
ROOT = Path(__file__).parents[3]
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


def test_what_went_together_is_made_of_the_safe_pictures_alone():
    safes = [safe_frame(noise(seed=n)) for n in range(2)]
    given = []

    def change(images):
        given.extend(images)
        return [Image.from_bgr(doubled(image.planes[0])) for image in images]

    large = changed_together(safes, change)
    assert given == [safe.image for safe in safes]
    assert [frame.image.width for frame in large] == [48, 48]
    assert [frame.cover for frame in large] == [safe.cover for safe in safes]
    with pytest.raises(ValueError, match="2 pictures went in and 1 came out"):
        changed_together(safes, lambda images: images[:1])


def test_only_these_put_another_picture_into_a_safe_frame():
    """Each hands over what it was given: a function that ignored that could let any picture out."""
    found = []
    for path in sorted((ROOT / "edge").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        from_redact = {
            name.asname or name.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "faceguard.edge.redact"
            for name in node.names
            if name.name in ("changed", "changed_together")
        }
        for node in ast.walk(tree):
            # By its module's name it would not be seen.
            assert getattr(node, "attr", "") != "changed_together", path
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in from_redact:
                found.append((path.relative_to(ROOT).as_posix(), ast.unparse(node.args[1])))
    assert found == [
        ("edge/enhance/enhancer.py", "self.image"),
        (
            "edge/enhance/enhancer.py",
            "lambda image: self.enhancer.image(image, on_tile=self.on_tile)",
        ),
        (
            "edge/live/enlarger.py",
            "lambda image: self._enlarged(image, limit_s, cause)",
        ),
        (
            "edge/serve/worker.py",
            "lambda images: enlarge_all(images, tools.enlargers[name], between)",
        ),
    ]


def test_a_bare_answer_leaves_a_trace(caplog):
    caplog.set_level(logging.INFO)
    with serving() as served:
        for asked in ("redact=true", "redact=false", "scale=2"):
            assert served.post(f"/v1/enhance?{asked}", GOOD).status_code == 200
        served.post("/v1/redact", GOOD)
        served.post("/v1/enhance?redact=false", b"no picture")
        until(lambda: len(access(caplog)) == 5)
        assert served.value("left_bare_total") == 1
        assert b"faceguard_serve_left_bare_total 1.0" in served.client.get("/metrics").content
    bare = [record for record in access(caplog) if record.fields["bare"]]
    assert len(bare) == 1
    assert bare[0].getMessage().endswith("bytes, bare")


def access(caplog):
    return [
        record
        for record in caplog.records
        if record.name == "faceguard.edge.serve.access" and record.fields["method"] == "POST"
    ]


def test_a_service_that_leaves_nothing_bare():
    with serving(may_be_bare=False) as served:
        answer = served.post("/v1/enhance?redact=false", GOOD)
        assert answer.status_code == 403
        assert "redact=false" in answer.json()["error"]
        for asked in ("", "?redact=true"):
            answer = served.post(f"/v1/enhance{asked}", GOOD)
            assert answer.headers["faceguard-redacted"] == "true"
        assert served.value("left_bare_total") == 0
