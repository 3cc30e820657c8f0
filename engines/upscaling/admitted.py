"""An upscaler that never takes more memory than there is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from faceguard.engines.errors import NoRoom
from faceguard.engines.upscaling.admission import Refused
from faceguard.engines.upscaling.upscaler import Upscaler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faceguard.engines.catalogue import Enlarging
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.types import U8
    from faceguard.engines.upscaling.admission import Admission
    from faceguard.engines.upscaling.colour import Samples
    from faceguard.engines.upscaling.tile import Tile
    from faceguard.engines.upscaling.upscaler import OnTile

Answer = TypeVar("Answer")


class AdmittedUpscaler(Upscaler):
    """An upscaler whose tiles fit into what is free, and that begins again should it not do.

    Attributes:
        admission: Chooses its tiles.
    """

    def __init__(
        self,
        runtime: Runtime,
        enlarging: Enlarging,
        admission: Admission,
        *,
        name: str,
        least: tuple[int, int] = (1, 1),
    ) -> None:
        """Takes a loaded network.

        Args:
            runtime: See `Upscaler`.
            enlarging: See `Upscaler`.
            admission: Chooses the tiles; it is told how to have memory given back.
            name: See `Upscaler`.
            least: See `Upscaler`.
        """
        super().__init__(runtime, enlarging, admission, name=name, least=least)
        self.admission = admission
        self._turns = threading.Lock()
        admission.release_by(self._let_go)

    def many(self, pictures: Sequence[U8], *, on_tile: OnTile | None = None) -> list[U8]:
        """See `Upscaler.many`; `on_tile` begins with none done a second time where it must."""
        result = sum(picture.size for picture in pictures) * self.scale**2
        work = super().many
        return self._admitted(result, lambda: work(pictures, on_tile=on_tile))

    def luma(
        self,
        plane: Samples,
        *,
        bits: int = 8,
        full_range: bool = True,
        on_tile: OnTile | None = None,
    ) -> Samples:
        """See `Upscaler.luma`; `on_tile` begins with none done a second time where it must."""
        work = super().luma
        return self._admitted(
            plane.nbytes * self.scale**2,
            lambda: work(plane, bits=bits, full_range=full_range, on_tile=on_tile),
        )

    def planned(self, width: int, height: int) -> tuple[Tile, int]:
        """See `Upscaler.planned`; it waits for a call that is under way."""
        with self._turns, self._lock:
            return self._cut(width, height, self.admission.would_choose(width, height))

    def release(self) -> None:
        """Gives back what is kept for the next call."""
        with self._turns, self._lock:
            self.admission.forget()
            self._let_go()

    def _admitted(self, result_bytes: int, work: Callable[[], Answer]) -> Answer:
        with self._turns:
            try:
                with self.admission.results_of(result_bytes):
                    return work()
            except Refused:
                raise
            except NoRoom:
                # What was free when the tile was chosen was taken meanwhile.
                with self._lock:
                    self._let_go()
            with self.admission.smaller(), self.admission.results_of(result_bytes):
                return work()

    def _let_go(self) -> None:
        """Gives back working arrays and what the runtime keeps; `_lock` is held."""
        self._scratch.clear()
        self._kind = None
        release = getattr(self._runtime, "release", None)
        if release is not None:  # engines on a GPU take all of theirs when they are opened
            release()
