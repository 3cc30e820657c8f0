"""How the service is set up, and who may come in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from faceguard.edge.config.login import is_loopback
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.engines.errors import UsageError
from faceguard.engines.small_file import read_small

TOKEN_VARIABLE = "FACEGUARD_SERVE_TOKEN"  # noqa: S105 - the variable's name
_TOKEN = "the token"  # noqa: S105 - what messages call it
_MOST_TOKEN_BYTES = 4096
# What RFC 6750 lets stand behind "Bearer ", and enough of it that nobody guesses it.
_GOOD_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,512}=*")


@dataclass(frozen=True)
class ServeSettings:
    """How the service is set up.

    Attributes:
        host: Address to listen on.
        port: Port; 0 takes any that is free.
        token: What clients must send; None lets in whoever reaches a loopback address.
        models: Models that enlarge, by their names in the catalogue; none takes those of ESPCN
            that are on this machine.
        redactor: How faces are found, and covered unless a request says otherwise.
        max_upload_bytes: Of one picture as it comes.
        max_pixels: Of one picture, decoded.
        max_output_pixels: Of one picture, enlarged.
        queue: Pictures that may wait besides the ones that are worked on.
        deadline_s: How long a picture may take once it is here.
        memory_limit_bytes: For the whole process, half of it at most for pictures; None takes
            what is free.
        may_be_bare: Whether `redact=false` is answered; else it is refused.
        batch: Most small pictures that go through a network together.
        gather_s: How long a picture that is to be enlarged waits for others of its kind.
        upload_s: A body must be here after so long, and a second more for each 64 KiB of it.
        patience_s: A client that neither asks nor reads for so long is dropped.
        end_within_s: How long the end may take for what is being worked on.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    models: tuple[str, ...] = ()
    redactor: RedactorSettings = field(default_factory=RedactorSettings)
    max_upload_bytes: int = 32 << 20
    max_pixels: int = 64_000_000
    max_output_pixels: int = 128_000_000
    queue: int = 32
    deadline_s: float = 60.0
    memory_limit_bytes: int | None = None
    may_be_bare: bool = True
    batch: int = 8
    gather_s: float = 0.005
    upload_s: float = 20.0
    patience_s: float = 10.0
    end_within_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuses what cannot be meant.

        Raises:
            UsageError: Naming the option and what it may be.
        """
        if self.host != "localhost":
            try:
                ipaddress.ip_address(self.host)
            except ValueError:
                raise UsageError("--host must be an address: 127.0.0.1, 0.0.0.0, ::1") from None
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host}: anybody who reaches this machine could send pictures; give "
                f"--token-file FILE or {TOKEN_VARIABLE}, or stay on 127.0.0.1"
            )
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port {self.port} must be 0 to 65535")
        if not 1 <= self.queue <= 10_000:
            raise UsageError(f"--queue {self.queue} must be 1 to 10000 pictures")
        if not 0 < self.deadline_s <= 86_400:
            raise UsageError(f"--deadline {self.deadline_s:g} must be over 0 s and a day at most")
        for option, value in (
            ("--max-upload", self.max_upload_bytes),
            ("--max-pixels", self.max_pixels),
            ("--max-output-pixels", self.max_output_pixels),
        ):
            if value < 1:
                raise UsageError(f"{option} {value} must be 1 or more")


def read_token(path: Path | None, environment: MutableMapping[str, str]) -> str | None:
    """The token that clients must send; it is taken out of the environment.

    Args:
        path: A file that holds it in one line; None looks in the environment.
        environment: Where FACEGUARD_SERVE_TOKEN is looked up.

    Raises:
        UsageError: It cannot be read, or is too short or of other characters than a header takes.
    """
    # Taken out whichever is used: children need not know it.
    given = environment.pop(TOKEN_VARIABLE, None)
    where = TOKEN_VARIABLE
    if path is not None:
        where = str(path)
        given = read_small(path, _TOKEN, _MOST_TOKEN_BYTES)
    if given is None:
        return None
    token = given.strip()
    if not _GOOD_TOKEN.fullmatch(token):
        raise UsageError(
            f"{where}: {_TOKEN} must be one line of 16 to 512 letters, digits and -._~+/; make "
            "one with: openssl rand -hex 32"
        )
    return token
