"""What the FP32 graph makes of the golden pictures: on the disk, for it would fill the memory.

An upscaler's six answers at 1280x720 are 200 MB in single precision.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from faceguard.engines.errors import ConvertError

if TYPE_CHECKING:
    from pathlib import Path

    from faceguard.convert.accuracy.golden import Golden
    from faceguard.convert.accuracy.looks import Look, Looker
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.types import Array, Detections

_FILE = "reference.bin"
_PART_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """An array in the file.

    Attributes:
        shape: Its shape.
        dtype: Of its elements.
        path: The file.
        offset: Where it begins there, in bytes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    path: Path
    offset: int

    def parts(self) -> Iterator[tuple[int, Array]]:
        """The elements in order, some at a time, each time with how many came before.

        Raises:
            OSError: The file cannot be read.
        """
        before, count = 0, int(np.prod(self.shape))
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while before < count:
                step = min(count - before, _PART_BYTES // self.dtype.itemsize)
                part = np.frombuffer(file.read(step * self.dtype.itemsize), self.dtype)
                if part.size < step:
                    raise OSError(errno.EIO, "ends too early", str(self.path))
                yield before, part
                before += step


@dataclass(frozen=True)
class Seen:
    """What the FP32 graph made of one picture.

    Attributes:
        name: The picture's.
        outputs: What came out.
        faces: What a detector makes of that; None for other models.
    """

    name: str
    outputs: Mapping[str, Stored]
    faces: Detections | None


@dataclass(frozen=True)
class Reference:
    """What the FP32 graph made of all golden pictures; good as long as its file is there.

    Attributes:
        seen: By picture, in their order.
        constant: Outputs that are one and the same number everywhere on all pictures.
    """

    seen: Sequence[Seen]
    constant: Sequence[str]

    @classmethod
    def of(
        cls,
        looker: Looker,
        runtime: Runtime,
        pictures: Sequence[Golden],
        folder: Path,
        *,
        name: str,
    ) -> Reference:
        """Shows the pictures to the FP32 graph.

        Args:
            looker: Shows pictures to graphs.
            runtime: The graph; stays open.
            pictures: The golden ones.
            folder: Where to write.
            name: The model's, for messages.

        Raises:
            InferenceError: The graph fails on one.
            ConvertError: An output has not one finite value, on any picture.
            InputError: A picture cannot be read.
            OSError: The folder cannot be written.
        """
        with (folder / _FILE).open("wb") as file:
            writer = _Writer(folder / _FILE, file)
            seen = [writer.write(look) for look in looker.looks(runtime, pictures)]
        ends = writer.ends
        empty = next((output for output, (low, high) in ends.items() if low > high), None)
        if empty is not None:
            raise ConvertError(
                f"{name}: output {empty!r} holds not one finite value in FP32, on any golden "
                "picture, so nothing can be proven of it; see that --input-range is what the "
                "model takes"
            )
        return cls(seen, [output for output, (low, high) in ends.items() if low == high])

    def faces(self, sure: float) -> int:
        """How many faces it is sure of.

        Args:
            sure: From which score on.
        """
        found = [seen.faces for seen in self.seen]
        return sum(len(faces.above(sure)) for faces in found if faces is not None)


class _Writer:
    """Appends arrays to a file and remembers the ends of their values."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._offset = 0
        self.ends: dict[str, tuple[float, float]] = {}

    def write(self, look: Look) -> Seen:
        outputs = {name: self._store(name, array) for name, array in look.outputs.items()}
        return Seen(look.name, outputs, look.faces)

    def _store(self, name: str, array: Array) -> Stored:
        flat = np.ascontiguousarray(array).reshape(-1)
        stored = Stored(array.shape, array.dtype, self._path, self._offset)
        low, high = self.ends.get(name, (np.inf, -np.inf) if flat.size else (0.0, 1.0))
        step = _PART_BYTES // array.dtype.itemsize
        for start in range(0, flat.size, step):
            part = flat[start : start + step]
            numbers = part[np.isfinite(part)]
            if numbers.size:
                low, high = min(low, float(numbers.min())), max(high, float(numbers.max()))
            self._offset += self._file.write(part.tobytes())
        self.ends[name] = (low, high)
        return stored
