"""Golden pictures: what a converted graph is asked to see before it is believed.

One public domain portrait (Eileen Collins, NASA) ships with faceguard; the rest is made from it,
so that each engine meets a near face, small ones, several, a turned one, one in the dark, and a
picture with none. A folder of one's own pictures can be given besides or instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, overload

import cv2
import numpy as np

from faceguard.engines.errors import InputError

if TYPE_CHECKING:
    from faceguard.engines.types import U8

_SEED = 20260101


@dataclass(frozen=True)
class Golden:
    """A picture with a name.

    Attributes:
        name: For reports.
        pixels: uint8 (height, width, 3): B, G, R.
    """

    name: str
    pixels: U8


def shipped_pictures() -> list[Golden]:
    """The pictures that come with faceguard, the same ones each time."""
    data = (resources.files("faceguard.configs") / "golden.jpg").read_bytes()
    portrait = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    height, width = portrait.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 1.0)
    rng = np.random.default_rng(_SEED)
    small = cv2.resize(portrait, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    crowd = np.full((360, 640, 3), 96, np.uint8)
    for x, y in ((20, 30), (180, 190), (330, 40), (490, 210)):
        crowd[y : y + small.shape[0], x : x + small.shape[1]] = small
    ramp = np.linspace(30, 220, 640, dtype=np.float32)[None, :, None]
    noise = rng.normal(0, 12, (360, 640, 3)).astype(np.float32)
    dark = portrait.astype(np.float32) * 0.3 + rng.normal(0, 3, portrait.shape)
    return [
        Golden("portrait", portrait),
        Golden("mirrored", np.ascontiguousarray(portrait[:, ::-1])),
        Golden("turned", np.asarray(cv2.warpAffine(portrait, turn, (width, height)), np.uint8)),
        Golden("dark", _clipped(dark)),
        Golden("crowd", crowd),
        Golden("nobody", _clipped(ramp + noise)),
    ]


class Pictures(Sequence[Golden]):
    """Pictures, of which those of files are read when they are looked at, and not kept."""

    def __init__(self, given: Sequence[Golden] = (), files: Sequence[Path] = ()) -> None:
        """Reads nothing yet.

        Args:
            given: Pictures that are there already.
            files: Further ones.
        """
        self._given = given
        self._files = files

    def __len__(self) -> int:
        """How many pictures."""
        return len(self._given) + len(self._files)

    @overload
    def __getitem__(self, place: int) -> Golden: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Golden]: ...
    def __getitem__(self, place: int | slice) -> Golden | Sequence[Golden]:
        """One of them.

        Raises:
            InputError: It cannot be read.
        """
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self[number] for number in places]
        beyond = places - len(self._given)
        return self._given[places] if beyond < 0 else read_picture(self._files[beyond])


def read_picture(path: Path) -> Golden:
    """One of one's own pictures.

    Raises:
        InputError: It cannot be read.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise InputError(f"{path}: not a picture, or a damaged one; mend or remove it")
    return Golden(path.name, np.asarray(pixels, np.uint8))


def _clipped(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> U8:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
