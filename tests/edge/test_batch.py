"""Which files a command line means, and where their copies go."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceguard.edge.batch import plan
from faceguard.edge.ledger import LEDGER_NAME, Ledger
from faceguard.engines.errors import InputError, UsageError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/1.jpg", "a/b/2.MP4", "a/b/3.wmv", "a/notes.txt", "a/.hidden.jpg", "c/1.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def pairs(batch, tree):
    return [(str(j.source.relative_to(tree)), str(j.output.relative_to(tree))) for j in batch.jobs]


def test_a_file_becomes_a_file(tree):
    batch = plan([str(tree / "a/1.jpg")], tree / "out.png")
    assert pairs(batch, tree) == [("a/1.jpg", "out.png")]
    assert batch.folder is None


def test_a_file_goes_into_a_folder(tree):
    (tree / "there.d").mkdir()
    for folder in ("new", "there.d"):
        batch = plan([str(tree / "a/1.jpg")], tree / folder)
        assert pairs(batch, tree) == [("a/1.jpg", f"{folder}/1.jpg")]


def test_a_folder_is_mirrored(tree):
    batch = plan([str(tree / "a")], tree / "out")
    assert pairs(batch, tree) == [
        ("a/1.jpg", "out/1.jpg"),
        ("a/b/2.MP4", "out/b/2.MP4"),
        ("a/b/3.wmv", "out/b/3.wmv.mp4"),
    ]
    assert [path.name for path in batch.skipped] == ["notes.txt"]


def test_several_folders_keep_their_names(tree):
    batch = plan([str(tree / "a"), str(tree / "c")], tree / "out")
    assert ("c/1.jpg", "out/c/1.jpg") in pairs(batch, tree)


def test_outputs_inside_an_input_folder_are_not_inputs(tree):
    before = plan([str(tree / "a")], tree / "a/safe")
    (tree / "a/safe").mkdir()
    (tree / "a/safe/1.jpg").touch()
    assert plan([str(tree / "a")], tree / "a/safe").jobs == before.jobs


def test_patterns_are_expanded(tree):
    batch = plan([str(tree / "a/**/*.[MmWw]*")], tree / "out")
    assert pairs(batch, tree) == [
        ("a/b/2.MP4", "out/b/2.MP4"),
        ("a/b/3.wmv", "out/b/3.wmv.mp4"),
    ]


def test_what_cannot_be_meant_is_refused(tree):
    with pytest.raises(InputError, match="no such file"):
        plan([str(tree / "x.jpg")], tree / "out")
    with pytest.raises(InputError, match="no file fits"):
        plan([str(tree / "*.xyz")], tree / "out")
    with pytest.raises(UsageError, match="both become"):
        plan([str(tree / "a/1.jpg"), str(tree / "c/1.jpg")], tree / "out")
    with pytest.raises(UsageError, match="is a file"):
        plan([str(tree / "a")], tree / "c/1.jpg")


def test_an_output_never_takes_an_inputs_place(tree):
    (tree / "c/9.jpg").touch()
    (tree / "9.jpg").hardlink_to(tree / "c/9.jpg")
    with pytest.raises(UsageError, match="would replace an input"):
        plan([str(tree / "9.jpg"), str(tree / "a")], tree / "c")
    with pytest.raises(UsageError, match="would replace an input"):
        plan([str(tree / "a/1.jpg"), str(tree / "c/9.jpg")], tree / "a")
    with pytest.raises(UsageError, match="would replace an input"):
        plan([str(tree / "a/1.jpg")], tree / "a/1.jpg")
    (tree / "link.jpg").hardlink_to(tree / "a/1.jpg")
    with pytest.raises(UsageError, match="would replace an input"):
        plan([str(tree / "a/1.jpg")], tree / "link.jpg")


def test_a_bad_file_does_not_stop_the_planning(tree):
    (tree / "a/broken.mts").touch()
    (tree / "a/nameless").mkdir()
    (tree / "a/loop").symlink_to(tree / "a")
    batch = plan([str(tree / "a")], tree / "out")
    assert ("a/broken.mts", "out/broken.mts.mp4") in pairs(batch, tree)
    assert sorted(path.name for path in batch.skipped) == ["loop", "notes.txt"]


def test_patterns_keep_the_folders_apart(tree):
    batch = plan([str(tree / "*/1.jpg")], tree / "out")
    assert pairs(batch, tree) == [("a/1.jpg", "out/a/1.jpg"), ("c/1.jpg", "out/c/1.jpg")]


def test_several_inputs_do_not_go_into_one_file(tree):
    with pytest.raises(UsageError, match="name a folder"):
        plan([str(tree / "a/1.jpg"), str(tree / "a/b/3.wmv")], tree / "out.jpg")


def test_nothing_to_do_is_said(tree):
    (tree / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures or videos"):
        plan([str(tree / "empty")], tree / "out")


def test_the_ledger_survives_half_a_line(tree):
    source, output = tree / "a/1.jpg", tree / "c/1.jpg"
    (tree / "c" / LEDGER_NAME).write_text('{"input": "half a li')
    Ledger(tree / "c", "settings").add(source, output)
    assert Ledger(tree / "c", "settings").has(source, output)


def test_the_ledger_knows_only_what_is_still_so(tree):
    source, folder = tree / "a/1.jpg", tree / "c"
    output = folder / "1.jpg"
    ledger = Ledger(folder, "settings")
    assert not ledger.has(source, output), "an output that merely stands there proves nothing"
    ledger.add(source, output)
    assert Ledger(folder, "settings").has(source, output)
    assert not Ledger(folder, "other settings").has(source, output)
    with (folder / LEDGER_NAME).open("a") as file:
        file.write('{"input": "half a li')
    assert Ledger(folder, "settings").has(source, output)
    output.write_bytes(b"changed by someone")
    assert not Ledger(folder, "settings").has(source, output)
    ledger.add(source, output)
    source.write_bytes(b"another picture")
    assert not Ledger(folder, "settings").has(source, output)
    output.unlink()
    assert not Ledger(folder, "settings").has(source, output)
