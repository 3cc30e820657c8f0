"""Why a request gets no picture: a status and one line, which is all that a client is told."""

from __future__ import annotations

from pathlib import Path

from faceguard.engines.errors import (
    FaceguardError,
    InputError,
    NoRoom,
    TooManyPixels,
    UsageError,
)

_NO_ROOM_RETRY_S = 5


class Refusal(Exception):
    """An answer without a picture.

    Attributes:
        status: Of HTTP.
        line: What is wrong and what to do, without paths and without what the client sent.
        retry_s: After how many seconds to try again; None where that would not help.
        headers: More to say.
    """

    def __init__(
        self,
        status: int,
        line: str,
        *,
        retry_s: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Keeps what is to be said."""
        super().__init__(line)
        self.status = status
        self.line = line
        self.retry_s = retry_s
        self.headers = headers or {}


class Busy(Refusal):
    """There is too much to do now; the estimate of how long is filled in where it is known."""

    def __init__(self, line: str) -> None:
        """Keeps what is to be said."""
        super().__init__(429, line)


class Stopping(Refusal):
    """The service ends."""

    def __init__(self) -> None:
        """Says so."""
        super().__init__(503, "the service is stopping; try again later", retry_s=5)


def for_log(error: BaseException) -> str:
    """An error in one line for the log: ours as they are, of others only what and where.

    What other libraries say may hold numbers of the picture that they were given.
    """
    if isinstance(error, FaceguardError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        code = trace.tb_frame.f_code
        where = f" in {Path(code.co_filename).name}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"


def refusal_for(error: BaseException, doing: str) -> Refusal:
    """What a client is told of an error.

    Only messages that are about the client's own picture are told as they are: others may name
    files and programs of this machine.

    Args:
        error: What was raised.
        doing: What was being done: "redacting", "enlarging with espcn-x2".
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, TooManyPixels):
        return Refusal(413, str(error))
    if isinstance(error, (InputError, UsageError)):
        return Refusal(400 if isinstance(error, InputError) else 422, str(error))
    # What `NoRoom` says names other programs of this machine, and files.
    if isinstance(error, (NoRoom, MemoryError)):
        line = f"{doing} takes more memory than is free now; send a smaller picture, or later"
        return Refusal(503, line, retry_s=_NO_ROOM_RETRY_S)
    kind = type(error).__name__ if isinstance(error, FaceguardError) else "unexpected"
    return Refusal(500, f"{doing} failed ({kind}); the server's log has more")
