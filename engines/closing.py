"""Things that hold something until they are closed."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Closing(Protocol):
    """Whatever has a `close` is a context manager that closes at the end of its block.

    Classes inherit the two methods; protocols of things that are closed extend this one.
    """

    @abstractmethod
    def close(self) -> None:
        """Lets go; twice is as good as once."""
        ...

    def __enter__(self) -> Self:
        """The thing itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()
