"""Arrays that are used again for each tile, so that the system is not asked for pages each time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = TypeVar("Kind", bound=np.generic)


class Scratch:
    """Arrays by name; what a name held is overwritten when it is asked for again."""

    def __init__(self) -> None:
        """Holds nothing."""
        self._flat: dict[str, NDArray[np.generic]] = {}

    def array(
        self, name: str, shape: tuple[int, ...], dtype: type[Kind] | np.dtype[Kind]
    ) -> npt.NDArray[Kind]:
        """A C-contiguous array of any content.

        Args:
            name: What it is for; each name has memory of its own.
            shape: Of the array.
            dtype: Of its elements, always the same for a name.
        """
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size:
            # First the old one goes: both at once could be too much.
            flat = None
            self._flat.pop(name, None)
            flat = np.empty(size, dtype)
            self._flat[name] = flat
        part: npt.NDArray[Kind] = flat[:size].reshape(shape)  # type: ignore[assignment]
        return part

    def clear(self) -> None:
        """Gives everything back."""
        self._flat.clear()
