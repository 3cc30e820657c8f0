"""The address of a network camera: where it is, who asks, and what may be said when it fails.

Addresses, user names and passwords are in FFmpeg's errors and log lines; nothing of those gets
past this file.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import av.error

from faceguard.edge.cameras.timely import within
from faceguard.edge.config.secret import read_password
from faceguard.edge.service.scrub import SCRUBBER
from faceguard.engines.errors import CameraAbsent, CameraError, CameraSilent, UsageError

if TYPE_CHECKING:
    from faceguard.edge.config.camera import RtspCamera

_LOGIN = "see camera.user and camera.password (or camera.password_file)"
_KEYS = "check camera.url"
# FFmpeg's errors on opening, as classes of PyAV, and what they mean to a person.
_MEANINGS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.HTTPUnauthorizedError, f"user or password is missing or wrong; {_LOGIN}"),
    (av.error.HTTPForbiddenError, f"this user may not watch it; {_LOGIN}"),
    (av.error.HTTPNotFoundError, "it is there but knows no such stream; check camera.url's path"),
    (av.error.HTTPClientError, f"it refuses what it was asked for; {_KEYS}"),
    (av.error.HTTPError, "it has a fault of its own (server error); look at the camera"),
    (av.error.ConnectionRefusedError, f"nothing listens there; is it switched on? {_KEYS}'s port"),
    (av.error.ConnectionResetError, "it closed the connection at once; is it busy or starting?"),
    (av.error.InvalidDataError, f"what answers there is no RTSP camera; {_KEYS}"),
    (av.error.LookupError, f"this build of FFmpeg cannot speak to it; {_KEYS}"),
)
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)


def full_address(config: RtspCamera) -> str:
    """The address with user and password in it, to be handed to FFmpeg and nobody else.

    A password's file is read anew each time, since it may have changed.

    Raises:
        CameraAbsent: The file with the password cannot be read, or holds none.
    """
    parts = urlsplit(config.url)
    place = parts.netloc.rpartition("@")[2]
    user = config.user if config.user is not None else unquote(parts.username or "")
    password = _password(config)
    if password is None:
        password = unquote(parts.password or "")
    login = quote(user, safe="")
    if password:
        login += ":" + quote(password, safe="")
    return parts._replace(netloc=f"{login}@{place}" if login else place).geturl()


def check_name(config: RtspCamera, limit_s: float) -> None:
    """Looks the host's name up, so that a wrong one is told apart and none takes for ever.

    The system's look-up cannot be interrupted. It gets a thread, which is left behind where it
    takes too long, and ends with the look-up.

    Raises:
        CameraAbsent: There is no such name.
        CameraSilent: No answer in time.
    """
    host = urlsplit(config.url).hostname or ""
    if _is_number(host):
        return

    def is_known() -> bool:
        try:
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False
        return True

    problem: CameraError
    try:
        if within(limit_s, "look-up", is_known):
            return
        problem = CameraAbsent(
            f"RTSP camera: its host name is not known here; {_KEYS}, and the network's DNS"
        )
    except TimeoutError:
        problem = CameraSilent(
            f"RTSP camera: no answer to the look-up of its name in {limit_s:.0f} s; "
            "is the network's DNS in order?"
        )
    raise problem


def why_not_open(error: Exception, limit_s: float, *, late: bool) -> CameraError:
    """What kept a camera from being opened, without its address.

    Args:
        error: What PyAV raised.
        limit_s: How long opening was allowed to take.
        late: Whether that time is over, which FFmpeg words in many ways.
    """
    for kind, meaning in _MEANINGS:
        if isinstance(error, kind) and not (late and kind is av.error.InvalidDataError):
            return CameraAbsent(f"RTSP camera: {meaning}")
    if late or isinstance(error, (av.error.ExitError, av.error.TimeoutError)):
        return CameraSilent(f"RTSP camera: no answer within {limit_s:.0f} s; is it frozen? {_KEYS}")
    if getattr(error, "errno", None) in _UNREACHABLE:
        return CameraAbsent("RTSP camera: the network has no way to it; is it connected?")
    return CameraAbsent(f"RTSP camera: cannot be opened ({plain(error)}); {_KEYS}")


def plain(error: Exception) -> str:
    """The system's fixed words for an error, which carry no address; else the error's class."""
    number = getattr(error, "errno", None)
    words = getattr(error, "strerror", None)
    if isinstance(error, av.error.FFmpegError) and isinstance(number, int) and words:
        return str(words).splitlines()[0]
    return type(error).__name__


def _password(config: RtspCamera) -> str | None:
    try:
        password = read_password(config)
    except UsageError as error:
        # Whose file it is can tell whose camera.
        reason = str(error).removeprefix(f"{config.password_file}: ")
    else:
        # It may be another than at the start, and nothing may say that one either.
        SCRUBBER.add_login(config.user, password)
        return password
    raise CameraAbsent(f"RTSP camera: the file of camera.password_file: {reason}")


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
