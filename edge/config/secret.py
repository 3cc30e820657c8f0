"""Passwords, from the configuration itself or from a file of their own."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from faceguard.edge.config.camera import RtspCamera
from faceguard.edge.config.model import Config
from faceguard.edge.service.scrub import Scrubber
from faceguard.engines.errors import UsageError
from faceguard.engines.small_file import read_small

_WHAT = "the password"
_MOST_BYTES = 4096


class HasPassword(Protocol):
    """A part of the configuration that may hold a password."""

    @property
    def password(self) -> SecretStr | None:
        """The password itself."""
        ...

    @property
    def password_file(self) -> Path | None:
        """The file that holds it."""
        ...


def read_password(part: HasPassword) -> str | None:
    """The password of a part.

    Args:
        part: `camera` of kind rtsp, `outputs.rtsp` or `outputs.mjpeg`.

    Returns:
        The password, without the end of its line; None where none was given.

    Raises:
        UsageError: The file is not there, may not be read, is empty, or holds more than one line.
    """
    if part.password is not None:
        return part.password.get_secret_value()
    path = part.password_file
    if path is None:
        return None
    # No more than one line's end: blanks may belong to the password.
    password = read_small(path, _WHAT, _MOST_BYTES).removesuffix("\n").removesuffix("\r")
    if not password:
        raise UsageError(f"{path}: is empty; write {_WHAT} into it")
    if not password.isprintable():
        raise UsageError(f"{path}: must hold {_WHAT} in one line and nothing else")
    return password


def openness(part: HasPassword) -> str | None:
    """What a person should know of who else can read the password; None where all is well."""
    path = part.password_file
    if path is None or not everyone_reads(path):
        return None
    return f"{path} can be read by every user of this machine: chmod 600 {path}"


def everyone_reads(path: Path) -> bool:
    """Whether every user of this machine may read a file; False where it is not there."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def hide(config: Config, scrubber: Scrubber) -> None:
    """Tells a scrubber what of a configuration must not be said.

    Args:
        config: Whose passwords, users and camera's address; password files are read.
        scrubber: Who keeps them out of text.
    """
    if isinstance(config.camera, RtspCamera):
        scrubber.add_address(config.camera.url)
        scrubber.add_login(config.camera.user, _known(config.camera))
    for output in (config.outputs.rtsp, config.outputs.mjpeg):
        if output is not None:
            scrubber.add_login(output.user, _known(output))


def _known(part: HasPassword) -> str | None:
    try:
        return read_password(part)
    except UsageError:
        return None  # whoever needs it says so
