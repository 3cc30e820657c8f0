"""Live pictures over HTTP: what clients get, and who gets none."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys

import av
import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.mjpeg import Mjpeg
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.types import PixelFormat
from faceguard.engines.errors import UsageError
from tests.edge.outputs.mjpeg_clients import (
    PLAIN,
    Served,
    get,
    pictures,
    url,
)
from tests.edge.outputs.safe_frames import image, quarters
from tests.edge.outputs.waiting import until


@pytest.fixture(scope="module")
def open_one():
    """An output for everybody, for tests that leave it as it was."""
    served = Served(Meters())
    yield served(name="<b>x</b>")
    served.close()


@pytest.fixture(scope="module")
def guarded():
    """An output that wants a login, likewise."""
    served = Served(Meters())
    yield served("päss:word", user="guard", password_file="/in/a/file")  # noqa: S106
    served.close()


def test_the_stream_gives_redacted_pictures(open_one):
    for jpeg in pictures(open_one, 5):
        assert Pillow.open(io.BytesIO(jpeg)).size == (160, 96)


def test_ffmpeg_plays_it(open_one):
    with av.open(url(open_one, "/stream"), timeout=20) as player:
        frames = [frame for frame, _ in zip(player.decode(video=0), range(5), strict=False)]
    assert len(frames) == 5
    shown = frames[-1].to_ndarray(format="rgb24")
    assert np.abs(shown[20, 20].astype(int) - (220, 60, 30)).max() <= 8


def test_the_newest_picture(open_one):
    answer = get(open_one, "/snapshot.jpg")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert Pillow.open(io.BytesIO(answer.content)).size == (160, 96)


def test_no_picture_is_told(serve):
    answer = get(serve(frame="none"), "/snapshot.jpg")
    assert answer.status_code == 503
    assert "no picture" in answer.text


def test_the_page_is_whole_in_itself(open_one):
    answer = get(open_one)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert '<img src="stream"' in answer.text
    assert "<b>x" not in answer.text
    assert "<script" not in answer.text
    assert "//" not in answer.text.replace("<!doctype", "")
    policy = answer.headers["content-security-policy"]
    style = answer.text.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


@pytest.mark.parametrize("path", ["/", "/snapshot.jpg", "/nothing", "/stream"])
def test_every_answer_has_the_headers_that_guard_it(open_one, path):
    answer = httpx.head(url(open_one, path), **PLAIN)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers
    assert "date" not in answer.headers
    assert answer.content == b""


def test_other_paths_and_methods_are_refused(open_one):
    output = open_one
    assert get(output, "/etc/passwd").status_code == 404
    assert httpx.post(url(output), content=b"x" * 1000, **PLAIN).status_code == 405


class TestLogin:
    @pytest.mark.parametrize("path", ["/", "/stream", "/snapshot.jpg", "/nothing"])
    def test_without_it_nothing_is_shown(self, guarded, path):
        answer = get(guarded, path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert b"\xff\xd8" not in answer.content

    @pytest.mark.parametrize(
        "given",
        [
            "Basic",
            "Basic !!!",
            "Basic " + base64.b64encode(b"guard:").decode(),
            "Basic " + base64.b64encode(b"guard:wrong").decode(),
            "Basic " + base64.b64encode("other:päss:word".encode()).decode(),
            "Bearer " + base64.b64encode("guard:päss:word".encode()).decode(),
            "Basic " + base64.b64encode("guard:päss:word\n".encode()).decode(),
            "Basic \xff\xfe",
        ],
    )
    def test_a_wrong_one_is_refused(self, guarded, given):
        answer = get(guarded, headers={"Authorization": given.encode("latin-1")})
        assert answer.status_code == 401

    def test_the_right_one_is_let_in(self, guarded):
        right = base64.b64encode("guard:päss:word".encode()).decode()
        assert get(guarded, headers={"Authorization": f"Basic {right}"}).status_code == 200
        assert get(guarded, headers={"Authorization": f"basic {right}"}).status_code == 200

    def test_any_name_may_lead_to_it(self, guarded):
        right = base64.b64encode("guard:päss:word".encode()).decode()
        headers = {"Authorization": f"Basic {right}", "Host": "camera.example"}
        assert get(guarded, headers=headers).status_code == 200

    def test_a_user_without_a_password_is_refused_at_the_start(self, meters):
        settings = MjpegOutput(port=0, user="guard", password_file="/in/a/file")  # noqa: S106
        with pytest.raises(UsageError, match="password"):
            Mjpeg(lambda: settings, "front", None, meters, Quiet(meters))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "["])
def test_another_site_s_name_for_loopback_shows_nothing(open_one, host):
    assert get(open_one, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:1"])
def test_loopback_under_its_own_names_is_shown(open_one, host):
    assert get(open_one, headers={"Host": host}).status_code == 200


def test_only_redacted_frames_are_taken(serve, meters):
    output = serve(frame="none")
    output.offer(image(PixelFormat.I420, quarters()))
    until(lambda: meters.value("output_failures_total", output="mjpeg") == 1)


WITHOUT = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Gone())
from faceguard.edge.config.outputs import MjpegOutput
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.mjpeg import Mjpeg
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import MissingPackage
try:
    Mjpeg(MjpegOutput, "front", None, Meters(), Quiet())
except MissingPackage as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_a_missing_package_is_one_line_with_its_mend(missing):
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.count("\n") == 1
    assert missing in ended.stdout
    assert "pip install 'faceguard-edge[web]'" in ended.stdout
