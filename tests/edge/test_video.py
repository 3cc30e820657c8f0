"""Videos of every kind go through with their times, sizes and colours, and nothing else."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from faceguard.edge.redactor import Redactor
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.edge.sources.video import VideoSource
from tests.edge.faces import Scripted, detections
from tests.edge.videos import CLEAR, NOTHING, as_rgb, make, picture, read, redacted


@pytest.mark.parametrize(
    ("pixel_format", "codec", "kept"),
    [
        ("yuv420p", "libx264", "yuv420p"),
        ("yuvj420p", "libx264", "yuvj420p"),
        ("yuv422p", "libx264", "yuv422p"),
        ("yuv444p", "libx264", "yuv444p"),
        ("yuv420p10le", "libx264", "yuv420p10le"),
        ("nv12", "libx264", "yuv420p"),
        ("gray", "ffv1", "gray"),
        ("bgr0", "ffv1", "yuv420p"),
        ("yuv420p", "mpeg4", "yuv420p"),
        ("yuv410p", "ffv1", "yuv420p"),
        ("yuva420p", "ffv1", "yuv420p"),
    ],
)
def test_pixel_formats(tmp_path, pixel_format, codec, kept):
    source = make(tmp_path / "in.mkv", pixel_format=pixel_format, codec=codec)
    finder = Scripted(detections((40, 20, 70, 50)))
    done = redacted(source, tmp_path / "out.mkv", finder=finder, margin=0.0)
    before, after = read(source), read(done.output)
    assert len(after) == len(before) == done.frames == 12
    # FFmpeg gives video without chroma back as grey or, in later versions, as 4:2:0.
    assert after[0].format.name in ({"gray", "yuvj420p"} if kept == "gray" else {kept})
    old, new = as_rgb(before[5]), as_rgb(after[5])
    assert np.abs(old[:, :30] - new[:, :30]).mean() < 6, "what is not covered looks the same"
    face = new[20:50, 40:70].reshape(-1, 3)
    assert face.std(axis=0).max() < old[20:50, 40:70].reshape(-1, 3).std(axis=0).max() + 6
    assert done.masks == 12


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (97, 63)])
def test_odd_sizes_lose_nothing(tmp_path, size):
    source = make(tmp_path / "in.mkv", size=size, codec="ffv1")
    done = redacted(source, tmp_path / "out.mp4")
    old, new = as_rgb(read(source)[3]), as_rgb(read(done.output)[3])
    assert new.shape[1] in (size[0], size[0] + 1)
    assert new.shape[0] in (size[1], size[1] + 1)
    assert np.abs(new[: size[1], : size[0]] - old).mean() < 8


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotation_is_applied(tmp_path, rotation):
    """The bright corner lies where a viewer that heeds the rotation would show it."""
    source = make(tmp_path / "in.mp4", rotation=rotation)
    done = redacted(source, tmp_path / "out.mp4")
    frame = read(done.output)[0]
    assert frame.rotation == 0
    shown = np.rot90(picture(96, 64), round(read(source)[0].rotation / 90))
    assert (frame.width, frame.height) == (shown.shape[1], shown.shape[0])
    assert np.abs(as_rgb(frame) - shown).mean() < 12


def test_variable_rate_keeps_its_times(tmp_path):
    times = [0, 3, 4, 20, 21, 60, 61, 100, 180, 181, 200, 300]
    source = make(tmp_path / "in.mkv", pts=times, options={"bf": "2"})
    done = redacted(source, tmp_path / "out.mp4")
    before, after = ([round(f.time, 3) for f in read(path)] for path in (source, done.output))
    assert after == before


def test_frames_after_a_change_of_size_fit_in(tmp_path):
    small, large = (make(tmp_path / f"{w}.ts", size=(w, 64), frames=8) for w in (96, 128))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    done = redacted(both, tmp_path / "out.mp4")
    after = read(done.output)
    assert {(f.width, f.height) for f in after} == {(96, 64)}
    assert len(after) > 8


def test_interlaced_video_stays_interlaced(tmp_path):
    source = make(tmp_path / "in.mkv", options={"x264-params": "tff=1"})
    assert read(source)[0].interlaced_frame
    done = redacted(source, tmp_path / "out.mkv")
    after = read(done.output)
    assert len(after) == 12
    assert after[0].interlaced_frame


@pytest.mark.parametrize("audio", ["keep", "drop"])
def test_sound_is_dropped_unless_asked_for(tmp_path, audio):
    source = make(tmp_path / "in.mp4", frames=50, audio=True)
    encoder = EncoderSettings(keep_audio=audio == "keep")
    done = redacted(source, tmp_path / "out.mp4", encoder=encoder)
    with av.open(str(done.output)) as container:
        if audio == "drop":
            assert not container.streams.audio
            return
        kept = sum(f.samples for f in container.decode(audio=0))
    with av.open(str(source)) as container:
        assert kept == sum(f.samples for f in container.decode(audio=0)) > 0


def test_metadata_stays_behind(tmp_path):
    source = make(tmp_path / "in.mp4", title="Grandma at home")
    assert b"Grandma" in source.read_bytes()
    written = redacted(source, tmp_path / "out.mp4").output.read_bytes()
    assert b"Grandma" not in written
    assert b"48.8577" not in written


def test_a_stream_of_unknown_length_is_followed_like_any_video(tmp_path):
    """Raw H.264, as some cameras write it, says nothing of its length."""
    source = make(tmp_path / "in.h264", frames=12)
    with VideoSource(source) as opened:
        assert opened.info.duration_s is None
    face = detections((40, 20, 70, 50))
    finder = Scripted(face, NOTHING, face)
    done = redacted(source, tmp_path / "out.mp4", finder=finder, detect_every=2)
    assert done.tracks == 1
    assert done.masks == done.frames == 12


def test_captions_stay_behind(tmp_path):
    """Closed captions ride on frames, in messages that decoders hand on and encoders write out."""
    source = make(tmp_path / "in.h264", frames=10, options={"bf": "0"})
    words = b"\xb5\x00\x31GA94\x03\xc3\xff" + b"\xfc\x94\x20" * 3 + b"\xff"
    message = b"\x00\x00\x00\x01\x06\x04" + bytes([len(words)]) + words + b"\x80"
    data = source.read_bytes()
    for nal in (b"\x00\x00\x01\x65", b"\x00\x00\x01\x41"):
        data = data.replace(nal, message + b"\x00" + nal)
    source.write_bytes(data)
    assert any(frame.side_data.get("A53_CC") for frame in read(source))
    done = redacted(source, tmp_path / "out.h264.mp4")
    assert b"GA94" not in done.output.read_bytes()
    assert done.frames == 10


def test_a_clock_that_is_set_back_does_not_squeeze_the_rest(tmp_path):
    part = make(tmp_path / "part.ts", frames=25)
    twice = tmp_path / "twice.ts"
    twice.write_bytes(part.read_bytes() * 2)
    times = [frame.time for frame in read(redacted(twice, tmp_path / "out.mp4").output)]
    assert len(times) == 50
    assert 1.9 < times[-1] - times[0] < 2.1
    assert all(later > earlier for earlier, later in itertools.pairwise(times))


def test_names_with_colons_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "in.mp4", frames=3).rename("12:30:05.mp4")
    done = redacted(Path("12:30:05.mp4"), Path("tcp:12:31.mp4"))
    assert done.frames == 3
    assert (tmp_path / "tcp:12:31.mp4").is_file()


def test_an_animation_becomes_a_video_of_the_same_brightness(tmp_path):
    frames = [Image.new("RGB", (64, 64), (level,) * 3) for level in (60, 90, 120)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:], duration=100)
    done = redacted(tmp_path / "in.gif", tmp_path / "out.mp4")
    seen = [as_rgb(frame).mean() for frame in read(done.output)]
    assert seen == pytest.approx([60, 90, 120], abs=3)


@pytest.mark.parametrize(
    "pixel_format",
    ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"],
)
def test_the_preview_draws_over_the_redacted_picture(tmp_path, pixel_format):
    source = make(tmp_path / "in.mp4", frames=4, pixel_format=pixel_format)
    finder = Scripted(detections((30, 20, 70, 50)))
    redactor = Redactor(RedactorSettings(detect_every=1), finder=finder)
    done = redactor.file(source, tmp_path / "out.mp4", encoder=CLEAR, preview=True)
    red, green, blue = as_rgb(read(done.output)[1])[21, 45]
    assert green > 150
    assert red < 100 > blue
