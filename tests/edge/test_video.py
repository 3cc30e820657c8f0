"""Videos of every kind go through with their times, sizes and colours, and nothing else."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from faceguard.edge.redactor import Redactor, RedactorSettings
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.edge.sinks.video import VideoSink
from faceguard.edge.sources.video import VideoSource
from faceguard.engines.errors import InputError, OutputError, OutputExists, UsageError
from faceguard.engines.types import Detections
from tests.edge.faces import Scripted, detections
from tests.edge.videos import make, picture, read

NOTHING = Detections.empty()
CLEAR = EncoderSettings(crf=1)


def redacted(path, output, *, finder=None, encoder=CLEAR, **settings):
    redactor = Redactor(RedactorSettings(**settings), finder=finder or Scripted(NOTHING))
    return redactor.file(path, output, encoder=encoder)


def as_rgb(frame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24").astype(int)


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


def test_the_wanted_encoder_and_container(tmp_path):
    source = make(tmp_path / "in.mp4", frames=3)
    for name, codec in [("a.webm", "vp9"), ("a.mov", "h264"), ("a.ts", "h264")]:
        done = redacted(source, tmp_path / name)
        with av.open(str(done.output)) as container:
            assert container.streams.video[0].codec_context.name == codec
    with pytest.raises(UsageError, match="no encoder 'nonsense'"):
        redacted(source, tmp_path / "b.mp4", encoder=EncoderSettings(codec="nonsense"))
    with pytest.raises(UsageError, match=r"\.jpg"):
        redacted(source, tmp_path / "b.jpg")
    assert not list(tmp_path.glob("*b.*"))


def test_bad_files_are_named_with_their_reason(tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("no video at all " * 100)
    sound = make(tmp_path / "sound.m4a", video=False, audio=True, frames=25)
    whole = make(tmp_path / "whole.mp4", frames=40)
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for path, why in [
        (empty, "empty"),
        (text, "neither a picture nor a video"),
        (sound, "no video in it, only audio"),
        (headless, "neither a picture nor a video"),
        (tmp_path / "missing.mp4", "no such file"),
        (tmp_path, "folder"),
    ]:
        with pytest.raises(InputError, match=why) as caught:
            redacted(path, tmp_path / "out.mp4")
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.mp4").exists()
    assert not list(tmp_path.glob(".*part*"))


def test_a_cut_stream_gives_what_is_there(tmp_path):
    whole = make(tmp_path / "whole.ts", frames=60, options={"g": "10"})
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    done = redacted(cut, tmp_path / "out.mp4")
    assert 10 < done.frames < 60
    assert len(read(done.output)) == done.frames


def test_damage_in_the_middle_is_survived_and_noted(tmp_path):
    whole = make(tmp_path / "whole.mkv", frames=60, options={"g": "5", "x264-params": "slices=4"})
    data = bytearray(whole.read_bytes())
    rng = np.random.default_rng(1)
    for place in rng.integers(len(data) // 3, len(data) * 2 // 3, 40):
        data[place] ^= 0xFF
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(data)
    done = redacted(damaged, tmp_path / "out.mp4")
    assert len(read(done.output)) == done.frames > 10


def test_cover_art_is_not_the_video(tmp_path):
    """A sound file with a picture in it has no video; the picture is not to be taken for one."""
    cover = tmp_path / "cover.mkv"
    make(cover, frames=1, codec="mjpeg", pixel_format="yuvj420p")
    song = tmp_path / "song.mp4"
    with av.open(str(cover)) as art, av.open(str(song), "w") as container:
        stream = container.add_stream_from_template(art.streams.video[0])
        stream.disposition = av.stream.Disposition.attached_pic
        tone = container.add_stream("aac", rate=16000)
        tone.layout = "mono"
        for packet in art.demux(art.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
        from tests.edge.videos import _tone

        _tone(container, tone, 1.0)
    with pytest.raises(InputError, match="no video in it"):
        VideoSource(song)


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
    kinds = {str(item.type) for frame in read(source) for item in frame.side_data}
    assert any("A53" in kind for kind in kinds), kinds
    done = redacted(source, tmp_path / "out.h264.mp4")
    assert b"GA94" not in done.output.read_bytes()
    assert done.frames == 10


def test_a_sink_takes_no_plain_frame(tmp_path):
    source = make(tmp_path / "in.mp4", frames=2)
    with VideoSource(source) as opened:
        frame = next(iter(opened))
        with VideoSink(tmp_path / "out.mp4", opened.info) as sink, pytest.raises(TypeError):
            sink.write(frame)  # type: ignore[arg-type]
    assert not (tmp_path / "out.mp4").exists()


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


def test_what_the_encoder_or_container_refuses_is_a_usage_error(tmp_path):
    source = make(tmp_path / "in.mp4", frames=3)
    for name, encoder, word in [
        ("a.mp4", EncoderSettings(preset="foo"), "preset=foo"),
        ("a.webm", EncoderSettings(codec="libx264"), "cannot hold libx264"),
    ]:
        with pytest.raises(UsageError, match=word):
            redacted(source, tmp_path / name, encoder=encoder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4"]


def test_an_output_appears_whole_or_not_at_all(tmp_path):
    source = make(tmp_path / "in.mp4")
    taken = tmp_path / "taken.mp4"
    taken.write_bytes(b"mine")
    with pytest.raises(OutputExists, match="taken"):
        redacted(source, taken)
    assert taken.read_bytes() == b"mine"

    def stop(_frame: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Redactor(finder=Scripted(NOTHING)).file(source, tmp_path / "cut.mp4", on_frame=stop)
    before = source.read_bytes()
    with pytest.raises(UsageError, match="replace the input"):
        Redactor(finder=Scripted(NOTHING)).file(source, source, force=True)
    assert source.read_bytes() == before
    with pytest.raises(OutputError):
        redacted(source, tmp_path / "missing" / "out.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "taken.mp4"]


def test_a_failing_detector_covers_all_and_is_counted(tmp_path):
    source = make(tmp_path / "in.mp4", frames=10)
    finder = Scripted(NOTHING, RuntimeError("broken"))
    done = redacted(source, tmp_path / "out.mp4", finder=finder, detect_every=2, look_ahead=3)
    assert done.covered_whole == {"RuntimeError": 9}
    after = [as_rgb(f) for f in read(done.output)]
    assert after[0].max() > 200
    for frame in after[1:]:
        assert frame.max() < 30


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


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, small_disk):
    source = make(tmp_path / "in.mkv", frames=60, size=(640, 480), codec="ffv1")
    noisy = EncoderSettings(codec="ffv1")
    with pytest.raises(OutputError, match="disk is full"):
        redacted(source, small_disk / "out.mkv", encoder=noisy)
    assert list(small_disk.iterdir()) == []
