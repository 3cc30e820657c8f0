"""The shipped catalogue holds together, and a broken one says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import ModelUnknown, UsageError

SHA = "ab" * 32
ENLARGING = "enlarging: {scale: 2, colours: luma, overlap_px: 4}"
GOOD = f"""\
default: one
entries:
  one:
    kind: model
    task: face-detection
    family: yunet
    about: A model.
    licence: MIT
    file: one_source.onnx
    bytes: 10
    sha256: {SHA}
    input: {{long_side_px: 640}}
    score: {{start: 0.6, keep: 0.3}}
    from:
      - {{wheel: "one==1.0", path: one/one.onnx}}
"""


@pytest.fixture(autouse=True)
def _shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACEGUARD_CATALOGUE", raising=False)


def test_shipped_one_names_the_detectors_and_samples_of_the_demo() -> None:
    catalogue = read_catalogue()
    assert catalogue.default == "yunet"
    assert {entry.name for entry in catalogue.detectors()} == {
        "yunet",
        "centerface",
        "blazeface-short",
        "blazeface-back",
        "blazeface-full",
        "blazeface-full-sparse",
    }
    assert {n for n, entry in catalogue.entries.items() if entry.kind == "sample"} == {
        "astronaut",
        "carphone",
    }


def test_shipped_upscalers_say_what_they_take() -> None:
    entries = [entry for entry in read_catalogue().entries.values() if entry.is_upscaler]
    said = {entry.name: entry.enlarging for entry in entries}
    assert set(said) == {
        *(f"{family}-x{scale}" for family in ("espcn", "fsrcnn") for scale in (2, 3, 4)),
        "edsr-x3",
    }
    for name, enlarging in said.items():
        assert enlarging is not None
        assert name.endswith(f"-x{enlarging.scale}")
        assert enlarging.colours == ("bgr" if name == "edsr-x3" else "luma")
    assert [entry.name for entry in entries if entry.is_rewritten] == ["edsr-x3"]
    # What tests pull by themselves must come from a registry; the others have an address only.
    assert all(place.url is None for entry in entries if entry.tests for place in entry.places)


def test_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(ModelUnknown, match=r"'blazeface-bak'.*did you mean blazeface-back"):
        read_catalogue().entry("blazeface-bak")


def test_environment_names_another_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("FACEGUARD_CATALOGUE", str(path))
    assert list(read_catalogue().entries) == ["one"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (SHA, "xyz", r":11: entries\.one\.sha256: "),
        ("    bytes: 10\n", "", r":3: entries\.one\.bytes: Field required"),
        ("bytes: 10", "bytes: 10\n    size: 3", r":11: entries\.one\.size: Extra inputs"),
        ("bytes: 10", "bytes: 10\n    bytes: 11", r":11: bytes: stands there twice"),
        ("default: one", "default: two", r":1: catalogue: default two is not"),
        ("keep: 0.3", "keep: 0.9", r":13: entries\.one\.score: keep must not be above"),
        ("long_side_px: 640", "multiple_px: 32", r":12: entries\.one\.input: give either"),
        ("one_source.onnx", "../../evil.onnx", r":9: entries\.one\.file: "),
        ("one_source.onnx", "one.onnx", r":1: catalogue: file one\.onnx of one is also"),
        ("one_source.onnx", "one.rewritten.onnx", r":1: catalogue: file one\.rewritten\.onnx of"),
        ("one_source.onnx", "one_source.h5", r":3: entries\.one: file .* must end in"),
        ("    family: yunet\n", "", r":3: entries\.one: a face detector needs family"),
        ("kind: model", "kind: sample", r":3: entries\.one: a sample has no family"),
        ("path: one/one.onnx", "url: https://a/b", r":15: entries\.one\.from\.0: give either"),
        (
            '{wheel: "one==1.0", path: one/one.onnx}',
            "{url: file:///etc/passwd}",
            r":15: entries\.one\.from\.0: url must start with https://",
        ),
        ("one==1.0", "one>=1.0", r":15: entries\.one\.from\.0\.wheel: "),
        ("kind: model", "kind: [model", r":\d+: not YAML: "),
        ("face-detection", "super-resolution", r":3: entries\.one: a super-resolution model, and"),
        (
            SHA,
            f"{SHA}\n    {ENLARGING}",
            r":3: entries\.one: a super-resolution model, and no other",
        ),
        (GOOD, "just words", r":1: catalogue: "),
        (GOOD, "", r":1: catalogue: "),
    ],
)
def test_broken_one_is_one_line_with_file_line_and_key(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = tmp_path / "models.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=says) as caught:
        read_catalogue(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_unreadable_one_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml: the catalogue cannot be read: No such"):
        read_catalogue(tmp_path / "absent.yaml")
    (tmp_path / "raw.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"raw\.yaml: the catalogue cannot be read"):
        read_catalogue(tmp_path / "raw.yaml")
