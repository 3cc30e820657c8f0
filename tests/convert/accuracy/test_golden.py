"""Golden pictures: those that ship, and those of a folder."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceguard.convert.accuracy.golden import Pictures, shipped_pictures
from faceguard.convert.accuracy.picture_files import picture_files
from faceguard.engines.errors import InputError


def test_golden_pictures_are_the_same_each_time() -> None:
    first, second = shipped_pictures(), shipped_pictures()
    assert len({picture.name for picture in first}) == len(first) >= 6
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        picture_files(tmp_path / "none", what="--golden", most=5)
    with pytest.raises(InputError, match="no picture in it"):
        picture_files(tmp_path, what="--golden", most=5)
    (tmp_path / "deep").mkdir()
    for number in range(10):
        (tmp_path / "deep" / f"{number}.JPG").write_bytes(b"no picture")
    found = picture_files(tmp_path, what="--golden", most=5)
    assert [path.stem for path in found] == ["0", "2", "4", "6", "8"]
    with pytest.raises(InputError, match="not a picture, or a damaged one"):
        Pictures(files=found)[0]


def files(folder: Path, count: int) -> Sequence[Path]:
    made = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(made):
        cv2.imwrite(str(path), np.full((4, 6, 3), number, np.uint8))
    return made


def test_pictures_of_files_are_read_when_they_are_looked_at(tmp_path: Path) -> None:
    shipped = shipped_pictures()[:2]
    pictures = Pictures(shipped, files(tmp_path, 3))
    assert [picture.name for picture in pictures] == ["portrait", "mirrored"] + [
        f"{number}.png" for number in range(3)
    ]
    assert pictures[-1].pixels[0, 0, 0] == 2
    assert [picture.name for picture in pictures[1:3]] == ["mirrored", "0.png"]
    (tmp_path / "2.png").unlink()
    assert len(pictures) == 5
    with pytest.raises(InputError, match=r"2\.png: not a picture"):
        pictures[4]
