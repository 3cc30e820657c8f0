"""What comes back is the picture that was asked for, and headers tell what was done."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pil
from prometheus_client.parser import text_string_to_metric_families

from faceguard.edge import Redactor
from faceguard.edge.heat.reading import Sensed, Survey, Zone
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.serve.counts import Counts
from faceguard.edge.serve.page import page, policy
from faceguard.edge.style import Look
from faceguard.edge.types import Shape
from tests.edge.faces import Scripted, detections
from tests.edge.serve.served import as_file, doubled, noise, pixels_of, saved, serving

FACE = (8.0, 4.0, 20.0, 18.0)
PICTURE = noise(40, 30)
UPRIGHT = 274


@pytest.fixture(scope="module")
def served():
    with serving(Scripted(detections(FACE))) as one:
        yield one


def redacted(pixels, **settings):
    with Redactor(RedactorSettings(**settings), finder=Scripted(detections(FACE))) as redactor:
        return redactor.array(pixels)


def test_a_raw_picture_comes_back_redacted_and_otherwise_untouched(served):
    answer = served.post("/v1/redact", as_file(PICTURE), headers={"Content-Type": "image/png"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert np.array_equal(pixels_of(answer.content), redacted(PICTURE))
    assert not np.array_equal(redacted(PICTURE), PICTURE)
    assert answer.headers["faceguard-faces"] == "1"
    assert answer.headers["faceguard-covered-whole"] == "false"
    assert answer.headers["faceguard-redacted"] == "true"
    assert float(answer.headers["faceguard-seconds"]) > 0
    assert answer.headers["cache-control"] == "no-store"


def test_a_form_gives_the_same_as_a_raw_body(served):
    raw = served.post("/v1/redact", as_file(PICTURE))
    form = served.client.post("/v1/redact", files={"image": ("me.png", as_file(PICTURE))})
    assert form.status_code == 200
    assert form.content == raw.content


def test_a_large_form_is_put_together_from_its_pieces(served):
    pixels = noise(700, 500)
    form = served.client.post("/v1/redact", files={"image": ("me.png", as_file(pixels))})
    assert np.array_equal(pixels_of(form.content), redacted(pixels))


@pytest.mark.parametrize("look", [Look.SOLID, Look.BLUR])
def test_style_shape_and_margin_are_those_asked_for(served, look):
    asked = {"style": look.value, "shape": "box", "margin": "0.5"}
    answer = served.post("/v1/redact", as_file(PICTURE), params=asked)
    wanted = redacted(PICTURE, look=look, shape=Shape.BOX, margin=0.5)
    assert np.array_equal(pixels_of(answer.content), wanted)


def test_enhance_enlarges_the_redacted_picture(served):
    answer = served.post("/v1/enhance", as_file(PICTURE))
    assert np.array_equal(pixels_of(answer.content), doubled(redacted(PICTURE)))
    assert answer.headers["faceguard-scale"] == "2"
    assert answer.headers["faceguard-model"] == "doubling-x2"
    assert answer.headers["faceguard-faces"] == "1"


def test_enhance_without_redaction_only_where_that_is_asked_for(served):
    answer = served.post("/v1/enhance", as_file(PICTURE), params={"redact": "false", "scale": "2"})
    assert np.array_equal(pixels_of(answer.content), doubled(PICTURE))
    assert answer.headers["faceguard-redacted"] == "false"
    assert "faceguard-faces" not in answer.headers
    assert "faceguard-covered-whole" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (".jpg", "image/jpeg"),
        (".png", "image/png"),
        (".webp", "image/webp"),
        (".bmp", "image/png"),
        (".tiff", "image/png"),
    ],
)
def test_the_answer_is_of_the_kind_that_came(served, sent, kind):
    answer = served.post("/v1/redact", as_file(PICTURE, sent))
    assert answer.headers["content-type"] == kind
    assert pixels_of(answer.content).shape == PICTURE.shape


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_or_of_the_kind_that_is_asked_for(served, form):
    answer = served.post("/v1/enhance", as_file(PICTURE), params={"format": form, "quality": "60"})
    assert answer.headers["content-type"] == f"image/{form}"
    assert pixels_of(answer.content).shape == (60, 80, 3)


def test_quality_is_kept_to(served):
    small, large = (
        served.post("/v1/redact", as_file(PICTURE), params={"format": "jpeg", "quality": q})
        for q in ("10", "95")
    )
    assert len(small.content) < len(large.content)


def test_a_picture_on_its_side_comes_back_upright_and_without_its_tag(served):
    exif = Pil.Exif()
    exif[UPRIGHT] = 6
    data = saved(Pil.fromarray(noise(30, 20)), "PNG", exif=exif)
    answer = served.post("/v1/enhance", data, params={"redact": "false"})
    assert pixels_of(answer.content).shape == (60, 40, 3)
    assert b"eXIf" not in answer.content


def test_grey_stays_grey_and_alpha_stays_alpha(served):
    grey = served.post("/v1/enhance", as_file(noise(40, 30, channels=1)))
    assert pixels_of(grey.content).shape == (60, 80)
    clear = noise(40, 30, channels=4)
    clear[..., 3] = 200
    answer = served.post("/v1/enhance", as_file(clear), params={"redact": "false"})
    assert pixels_of(answer.content).shape == (60, 80, 4)
    assert (pixels_of(answer.content)[..., 3] == 200).all()


def test_what_is_transparent_becomes_white_in_a_jpeg(served):
    clear = np.zeros((30, 40, 4), np.uint8)
    answer = served.post("/v1/redact", as_file(clear), params={"format": "jpeg"})
    assert (pixels_of(answer.content)[0] == 255).all()


def test_what_is_lost_is_told(served):
    deep = saved(Pil.fromarray(np.full((30, 40), 30000, np.uint16)), "PNG")
    answer = served.post("/v1/redact", deep)
    assert answer.status_code == 200
    assert answer.headers["faceguard-notes"] == "reduced from 16 to 8 bits"


def test_the_thinnest_pictures_are_pictures():
    with serving() as bare:
        for width, height in ((1, 1), (1, 10000), (10000, 1)):
            answer = bare.post("/v1/enhance", as_file(noise(width, height)))
            assert np.array_equal(pixels_of(answer.content), doubled(noise(width, height)))


def test_the_page_comes_with_its_policy_and_knows_the_networks(served):
    answer = served.client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == policy()
    assert answer.text == page(models={"doubling-x2": 2}, most_bytes=32 << 20)
    assert served.client.head("/").content == b""


def test_the_figures_tell_of_pictures_and_of_the_machine(served):
    answer = served.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["faceguard_serve_queue",] == 0
    assert found["faceguard_serve_held_bytes",] == 0
    assert found["faceguard_serve_faces_total",] > 0
    assert found["faceguard_serve_requests_total", "/v1/redact", "200"] > 0
    for stage in ("upload", "decode", "wait", "redact", "enhance", "encode"):
        assert found["faceguard_serve_stage_seconds_count", stage] > 0
    assert found["faceguard_serve_batch_pictures_count",] > 0
    assert found["faceguard_memory_free_bytes",] > 1 << 20
    assert found["faceguard_process_resident_memory_bytes",] > 1 << 20


def test_temperatures_are_shown_where_sensors_are_and_missing_is_not_zero():
    zones = {"cpu-thermal": Zone(Sensed(48.5)), "cv0-thermal": Zone(Sensed(None, "busy"))}
    counts = Counts(queue=lambda: 0, held_bytes=lambda: 0, survey=lambda: Survey(zones))
    text = counts.text().decode()
    assert 'faceguard_temperature_celsius{zone="cpu-thermal"} 48.5' in text
    assert "cv0" not in text
