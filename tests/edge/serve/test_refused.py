"""Every refusal is JSON with one line, and the right status."""

from __future__ import annotations

import struct
import zlib

import httpx
import numpy as np
import pytest
from PIL import Image as Pil

from faceguard.edge.redactor import Redactor
from faceguard.edge.serve import still
from faceguard.edge.serve.answer import check_side, encode
from faceguard.edge.serve.refusal import Refusal
from faceguard.edge.serve.service import Service
from faceguard.edge.serve.settings import ServeSettings
from faceguard.edge.serve.tools import Tools
from faceguard.engines.errors import InferenceError, NoRoom
from tests.edge.faces import Scripted, detections
from tests.edge.outputs.waiting import until
from tests.edge.serve.served import PLAIN, Doubling, as_file, noise, safe_frame, saved, serving

GOOD = as_file(noise())


@pytest.fixture(scope="module")
def served():
    with serving(max_pixels=300_000, max_output_pixels=400_000, max_upload_bytes=1 << 20) as one:
        yield one


def why(answer, status):
    """The reason, once it is clear that it is one line of JSON without a path or a trace."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error"}
    line = answer.json()["error"]
    assert line
    for bad in ("\n", "/proc", "Traceback", ".py", "memfd"):
        assert bad not in line
    return line


def png_header(width, height):
    """A PNG of this size with next to nothing in it."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_what_is_no_picture(served):
    assert "no JPEG" in why(served.post("/v1/redact", b"hello, world"), 400)
    assert "empty" in why(served.post("/v1/redact", b""), 400)


def test_a_picture_that_was_cut_off(served):
    for suffix in (".jpg", ".png", ".webp"):
        whole = as_file(noise(200, 150), suffix)
        why(served.post("/v1/redact", whole[: len(whole) // 2]), 400)


def test_a_format_that_is_not_read(served):
    assert "HEIC" in why(served.post("/v1/redact", b"\0\0\0\x18ftypheic" + bytes(40)), 400)


def test_more_than_one_picture(served):
    first, second = (Pil.fromarray(noise(seed=n)) for n in (1, 2))
    for form in ("GIF", "WEBP", "TIFF", "PNG"):
        data = saved(first, form, save_all=True, append_images=[second])
        assert "still" in why(served.post("/v1/redact", data), 400)


def test_a_long_animation_is_refused_before_its_frames_are_counted(served, monkeypatch):
    frames = [Pil.fromarray(noise(seed=n)) for n in range(3)]
    opened = []
    monkeypatch.setattr(still, "open_picture", lambda *_, **__: opened.append(1))
    for form in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], form, save_all=True, append_images=frames[1:])
        assert "still" in why(served.post("/v1/redact", data), 400)
    many = saved(frames[0], "TIFF", save_all=True, append_images=frames * 12)
    assert "still" in why(served.post("/v1/redact", many), 400)
    assert not opened


def test_a_side_that_no_encoder_takes_is_refused_before_the_work(served):
    wide = as_file(np.zeros((1, 200_000, 3), np.uint8))
    with pytest.raises(Refusal, match="1000000 a side"):
        check_side(1_000_001, 1, "png")
    check_side(1_000_000, 1, "png")
    assert encode_wide(1_000_000)
    with pytest.raises(Refusal):
        encode_wide(1_000_001)
    assert "65500" in why(served.post("/v1/redact", wide, params={"format": "jpeg"}), 422)


def encode_wide(width):
    frame = safe_frame(np.zeros((1, width, 3), np.uint8))
    return encode(frame, "png", 90)


def test_a_bomb_is_not_unfolded(served):
    for side in (3_000, 30_000, 300_000):
        assert "over the limit" in why(served.post("/v1/redact", png_header(side, side)), 413)
    # Small to send, and just over the limit.
    flat = as_file(np.zeros((1000, 1000, 3), np.uint8))
    assert "1000x1000 = 1,000,000 pixels" in why(served.post("/v1/redact", flat), 413)


def test_an_answer_that_would_be_too_large(served):
    assert "over the limit of 400,000" in why(
        served.post("/v1/enhance", as_file(noise(400, 300))), 413
    )
    wide = np.zeros((1, 10_000, 3), np.uint8)
    asked = {"format": "webp"}
    assert "16383" in why(served.post("/v1/enhance", as_file(wide), params=asked), 422)


def test_a_body_that_is_too_large_as_announced_and_as_it_comes(served):
    large = bytes((1 << 20) + 1)
    assert "1.0 MB" in why(served.post("/v1/redact", large), 413)
    pieces = (large[start : start + 10_000] for start in range(0, len(large), 10_000))
    why(served.post("/v1/redact", pieces), 413)
    why(served.client.post("/v1/redact", files={"image": ("a.jpg", large)}), 413)


def test_bodies_of_other_kinds(served):
    for kind in ("application/json", "text/plain", "application/x-www-form", "imag"):
        why(served.post("/v1/redact", GOOD, headers={"Content-Type": kind}), 415)
    why(served.post("/v1/redact", GOOD, headers={"Content-Encoding": "gzip"}), 415)


def test_forms_that_are_not_as_they_should(served):
    post = served.client.post
    assert "no field" not in why(post("/v1/redact", files={"picture": ("a.png", GOOD)}), 422)
    two = [("image", ("a.png", GOOD)), ("image", ("b.png", GOOD))]
    assert "one field" in why(post("/v1/redact", files=two), 422)
    why(post("/v1/redact", files={"image": ("a.png", GOOD)}, data={"scale": "2"}), 422)
    kind = {"Content-Type": "multipart/form-data; boundary=xyz"}
    head = b'--xyz\r\nContent-Disposition: form-data; name="image"\r\n\r\n'
    for body in (b"", b"--xyz", b"hello", head + GOOD, head + GOOD + b"\r\n--xyz-"):
        assert "form" in why(served.post("/v1/redact", body, headers=kind), 400)
    why(served.post("/v1/redact", head + GOOD + b"\r\n--xyz\r\n", headers=kind), 422)
    whole = head + GOOD + b"\r\n--xyz--\r\n"
    assert served.post("/v1/redact", whole, headers=kind).status_code == 200
    for bad in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 71):
        why(served.post("/v1/redact", whole, headers={"Content-Type": bad}), 400)
    coded = whole.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
    why(served.post("/v1/redact", coded, headers=kind), 415)
    long = whole.replace(b"\r\n\r\n", b"\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 1)
    why(served.post("/v1/redact", long, headers=kind), 400)


@pytest.mark.parametrize(
    "asked",
    [
        "style=none",
        "shape=",
        "margin=3",
        "margin=nan",
        "margin=0x1",
        "quality=0",
        "quality=101",
        "quality=ten",
        "format=gif",
        "scale=5",
        "scale=2&scale=2",
        "scale=٢",
        "model=espcn-x2",
        "redact=yes",
        "stlye=blur",
        "redact",
        "%ff=1",
        "&&",
    ],
)
def test_parameters_that_cannot_be_meant(served, asked):
    why(served.post(f"/v1/enhance?{asked}", GOOD), 422)


def test_redact_knows_nothing_of_scales(served):
    assert "style" in why(served.post("/v1/redact?scale=2", GOOD), 422)


def test_paths_and_methods_that_are_not_served(served):
    for path in ("/v1/redact/", "/v2", "/openapi", "/../etc/passwd", "/v1/redact%00"):
        why(served.client.get(path), 404)
    assert why(served.client.get("/v1/redact"), 405)
    assert served.client.get("/v1/redact").headers["allow"] == "POST"
    why(served.client.put("/healthz"), 405)


def test_pages_of_other_sites_and_other_names(served):
    post = served.post
    why(post("/v1/redact", GOOD, headers={"Origin": "http://evil.example"}), 403)
    why(post("/v1/redact", GOOD, headers={"Origin": "null"}), 403)
    why(post("/v1/redact", GOOD, headers={"Host": "evil.example"}), 403)
    why(served.client.get("/", headers={"Host": "evil.example:8080"}), 403)
    own = served.service.url
    assert post("/v1/redact", GOOD, headers={"Origin": own}).status_code == 200
    local = {"Host": "localhost"}
    assert post("/v1/redact", GOOD, headers=local).status_code == 200


def test_a_network_that_fails_and_one_without_room(caplog):
    network = Doubling()
    with serving(network=network) as served:
        network.error = InferenceError("/secret/place/model.onnx: broke\nin two lines")
        line = why(served.post("/v1/enhance", GOOD), 500)
        assert "doubling-x2" in line
        assert "InferenceError" in line
        assert "secret" not in line
        network.error = KeyError("whatever")
        assert "unexpected" in why(served.post("/v1/enhance", GOOD), 500)
        network.error = NoRoom("/secret/place: takes 1.0 GB; stop secretd (pid 4711, 2.0 GB)")
        answer = served.post("/v1/enhance", GOOD)
        line = why(answer, 503)
        assert "memory" in line
        assert not any(word in line for word in ("secret", "4711", "GB"))
        # Whoever runs the service needs the figures.
        assert "stop secretd (pid 4711, 2.0 GB)" in caplog.text
        assert int(answer.headers["retry-after"]) >= 1
        network.error = MemoryError()
        assert "memory" in why(served.post("/v1/enhance", GOOD), 503)
        network.error = None
        assert served.post("/v1/enhance", GOOD).status_code == 200


def test_no_network_at_all():
    redactor = Redactor(finder=Scripted(detections()))
    settings = ServeSettings(port=0)
    with Service(settings, models={}, tools=lambda _: Tools(redactor, {})) as service:
        service.start()
        until(lambda: service.state.status == "ready")
        with httpx.Client(base_url=service.url, **PLAIN) as client:
            assert "models pull" in why(client.post("/v1/enhance", content=GOOD), 503)
            assert client.post("/v1/redact", content=GOOD).status_code == 200
            assert client.get("/openapi.json").json()["paths"]
