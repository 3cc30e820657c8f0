"""Videos that are damaged, and outputs that cannot be: one clear line, and nothing half done."""

from __future__ import annotations

import shutil

import av
import numpy as np
import pytest

from faceguard.edge.redactor import Redactor
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.edge.sinks.video import VideoSink
from faceguard.edge.sources.video import VideoSource
from faceguard.engines.errors import InputError, OutputError, OutputExists, UsageError
from tests.edge.faces import Scripted
from tests.edge.videos import NOTHING, add_tone, as_rgb, make, read, redacted


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

        add_tone(container, tone, 1.0)
    with pytest.raises(InputError, match="no video in it"):
        VideoSource(song)


def test_a_sink_takes_no_plain_frame(tmp_path):
    source = make(tmp_path / "in.mp4", frames=2)
    with VideoSource(source) as opened:
        frame = next(iter(opened))
        with VideoSink(tmp_path / "out.mp4", opened.info) as sink, pytest.raises(TypeError):
            sink.write(frame)  # type: ignore[arg-type]
    assert not (tmp_path / "out.mp4").exists()


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


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, small_disk):
    source = make(tmp_path / "in.mkv", frames=60, size=(640, 480), codec="ffv1")
    noisy = EncoderSettings(codec="ffv1")
    with pytest.raises(OutputError, match="disk is full"):
        redacted(source, small_disk / "out.mkv", encoder=noisy)
    assert list(small_disk.iterdir()) == []
