"""Pictures that are refused: each with one line that says what, where and what to do."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pil

from faceguard.edge.sources.picture import is_picture, open_picture
from faceguard.engines.errors import InputError
from tests.edge.pictures import MARKED, animation, frames, marked_jpeg, scene


def _bad(tmp_path: Path, name: str, content: bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_picture(path)
    return _one_line(path, caught.value)


def _one_line(path: Path, error: InputError) -> str:
    line = str(error)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert "; " in line, "says what to do"
    return line


def test_what_is_no_picture(tmp_path):
    assert "empty (0 bytes)" in _bad(tmp_path, "a.jpg", b"")
    assert "whatever its name" in _bad(tmp_path, "b.jpg", b"just some text\n" * 9)
    assert "HEIC" in _bad(tmp_path, "c.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    assert "AVIF" in _bad(tmp_path, "c.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif")
    assert "JPEG 2000" in _bad(tmp_path, "d.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(30))
    assert not is_picture(tmp_path / "b.jpg")


def test_places_that_cannot_be_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for path, word in (
        (tmp_path, "folder"),
        (tmp_path / "none.jpg", "no such file"),
        (pipe, "pipe"),
        (file / "a.jpg", "no folder"),
        (tmp_path / ("n" * 300), "cannot be read"),
        (tmp_path / "a\nb.jpg", "no such file"),
    ):
        with pytest.raises(InputError, match=word) as caught:
            open_picture(path)
        assert "\n" not in str(caught.value)


def test_no_permission(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(marked_jpeg(scene()))
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match="no permission"):
            open_picture(path)
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("suffix", sorted(MARKED))
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_cut_off_pictures_are_refused(tmp_path, suffix, part):
    # Noise, so that nine tenths of the file are pixels; and nothing planted behind the end.
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    out = BytesIO()
    Pil.fromarray(noise).save(out, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()))
    whole = out.getvalue()
    line = _bad(tmp_path, f"a.{suffix}", whole[: int(len(whole) * part)])
    assert "whole copy" in line


def test_too_many_pixels(tmp_path):
    path = tmp_path / "a.png"
    Pil.new("1", (300, 200)).save(path)
    with pytest.raises(InputError, match=r"300x200 = 60,000 pixels .* limit of 59,999"):
        open_picture(path, max_pixels=59_999)
    assert len(frames(path)) == 1


def test_animations_have_a_lower_limit(tmp_path):
    path = tmp_path / "a.gif"
    path.write_bytes(animation("GIF", 2))
    assert len(frames(path)) == 2
    with pytest.raises(InputError, match=r"32x24 = 768 .* limit of 767 for an animation"):
        open_picture(path, max_pixels=767 * 8)


def test_a_bomb_is_refused_before_it_unfolds(tmp_path):
    path = tmp_path / "a.png"
    Pil.new("1", (30_000, 30_000)).save(path)
    with pytest.raises(InputError, match="900,000,000 pixels are over the limit of 178,956,970"):
        open_picture(path)


def test_limit_may_be_raised_over_pillows_own(tmp_path, monkeypatch):
    monkeypatch.setattr(Pil, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "a.png"
    Pil.new("1", (300, 200)).save(path)
    with open_picture(path) as source:
        assert source.info.width == 300
    assert Pil.MAX_IMAGE_PIXELS == 100
