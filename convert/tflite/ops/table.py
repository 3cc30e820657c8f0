"""The table in which a module of `ops` enters its functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from faceguard.convert.tflite.call import Call

    Converter = Callable[[Call], None]


class Table(dict[str, "Converter"]):
    """Functions by the names of the operations that they convert."""

    def converts(self, *kinds: str) -> Callable[[Converter], Converter]:
        """A decorator that enters a function under these names."""

        def register(function: Converter) -> Converter:
            self.update(dict.fromkeys(kinds, function))
            return function

        return register
