"""How far the enlarging of a file is: a bar of tiles for a picture, of frames for what moves."""

from __future__ import annotations

import pytest

from faceguard.edge import progress
from faceguard.edge.progress import FileBar, Progress
from faceguard.edge.sources.base import SourceInfo


@pytest.fixture
def always(monkeypatch):
    """Every line that is due now and then is due at once."""
    monkeypatch.setattr(progress, "_HEARTBEAT_NS", -1)


def test_a_picture_has_a_bar_of_tiles_which_begins_anew_for_each_page(capsys):
    bar = FileBar("a.tif", shown=True, spoken=True)
    bar.start(SourceInfo("picture", 8, 8, frames=2))
    seen = []
    for of in (3, 5):
        for done in range(of + 1):
            bar.tiles(done, of)
            seen.append((bar._bar.n, bar._bar.total))
        bar.step()
    bar.close()
    assert seen == [(done, of) for of in (3, 5) for done in range(of + 1)]
    assert "a.tif" in capsys.readouterr().err


def test_a_video_has_a_bar_of_frames(capsys):
    bar = FileBar("a.mp4", shown=True, spoken=True)
    bar.start(SourceInfo("video", 8, 8, frames=2))
    bar.tiles(1, 4)
    assert (bar._bar.n, bar._bar.total) == (0, 2)
    bar.step()
    assert bar._bar.n == 1
    bar.close()
    assert "frame" in capsys.readouterr().err


def test_where_there_is_no_terminal_a_line_says_frame_and_tile(always, capsys):
    bar = FileBar("a.mp4", shown=False, spoken=True)
    bar.start(SourceInfo("video", 8, 8, frames=20))
    bar.step()
    bar.tiles(3, 7)
    bar.close()
    assert capsys.readouterr().err.splitlines() == [
        "faceguard: a.mp4: frame 1 of 20",
        "faceguard: a.mp4: frame 2 of 20, tile 3 of 7",
    ]


def test_quiet_is_quiet(always, capsys):
    with Progress(3, quiet=True) as shown:
        with shown.preparing("espcn-x2") as say:
            say("measuring")
        bar = FileBar("a.png", shown=False, spoken=False)
        bar.tiles(1, 2)
        bar.step()
    assert capsys.readouterr().err == ""


def prepare_in_vain():
    with Progress(1, quiet=False) as shown, shown.preparing("espcn-x2") as say:
        say("measuring")
        raise RuntimeError


def test_preparing_that_fails_is_not_said_to_be_ready(capsys):
    with pytest.raises(RuntimeError):
        prepare_in_vain()
    assert capsys.readouterr().err.splitlines() == [
        "faceguard: preparing: espcn-x2",
        "faceguard: preparing: measuring",
    ]
