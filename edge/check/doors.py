"""Ports that are listened on: free, and not open to everyone."""

from __future__ import annotations

import errno
import ipaddress
import socket

from faceguard.edge.check.running import process_of
from faceguard.edge.check.seen import told
from faceguard.edge.config.camera import RtspCamera
from faceguard.edge.config.login import is_loopback
from faceguard.edge.config.model import Config
from faceguard.edge.config.outputs import Guarded, MjpegOutput, RtspOutput
from faceguard.edge.config.secret import everyone_reads, read_password
from faceguard.edge.config.service import MetricsConfig
from faceguard.edge.doctor.finding import Finding, State
from faceguard.engines.errors import UsageError

_FIRST_FREE_FOR_ALL = 1024
_TAKEN = "another program has it"
_NOT_ALLOWED = "this user may not listen there"
_NOT_HERE = "this machine has no such address"
_WHY = {
    errno.EADDRINUSE: _TAKEN,
    errno.EACCES: _NOT_ALLOWED,
    errno.EADDRNOTAVAIL: _NOT_HERE,
}


def check_doors(config: Config) -> list[Finding]:
    """Each address that is listened on."""
    out = config.outputs
    runs = process_of(config)
    doors = {"outputs.rtsp": out.rtsp, "outputs.mjpeg": out.mjpeg, "metrics": config.metrics}
    found = []
    for key, part in doors.items():
        if part is not None:
            found += _door(key, part, runs)
    return found


def _door(
    key: str, part: RtspOutput | MjpegOutput | MetricsConfig, runs: int | None
) -> list[Finding]:
    name = f"{key.rpartition('.')[2]} port"
    wrong = _taken(part.host, part.port)
    if wrong is None:
        found = [Finding(name, State.OK, f"{part.port or 'any'} on {part.host}")]
    elif wrong == _TAKEN and runs is not None:
        # By that one, unless the port was changed since it started.
        detail = f"{part.port} on {part.host}: in use, as faceguard runs (process id {runs})"
        found = [Finding(name, State.NOTE, detail)]
    else:
        detail = f"{part.port} on {part.host}: {wrong}"
        mend = f"find what has it: ss -ltnp 'sport = {part.port}'; or change {key}.port"
        if wrong == _NOT_ALLOWED:
            mend = f"give {key}.port from {_FIRST_FREE_FOR_ALL} on"
        elif wrong == _NOT_HERE:
            mend = f"correct {key}.host"
        found = [Finding(name, State.WARNING, detail, mend)]
    guarded = isinstance(part, Guarded) and part.user is not None
    if not is_loopback(part.host) and not guarded:
        detail = f"listens on {part.host}: whoever reaches this machine may see it"
        mend = f"give {key}.user and {key}.password_file, or host: 127.0.0.1"
        if isinstance(part, MetricsConfig):
            mend = f"give {key}.host: 127.0.0.1, and let Prometheus come through a tunnel"
        found.append(Finding(name, State.WARNING, detail, mend))
    if isinstance(part, Guarded):
        found += check_password(f"{key.rpartition('.')[2]} password", part)
    return found


def check_password(name: str, part: Guarded | RtspCamera) -> list[Finding]:
    """A password's file: there, whole, and for nobody else to read."""
    path = part.password_file
    if path is None:
        return []
    try:
        read_password(part)
    except UsageError as error:
        return [told(name, State.FAULT, error, f"write the password into {path}")]
    if everyone_reads(path):
        detail = f"{path} can be read by every user of this machine"
        return [Finding(name, State.WARNING, detail, f"chmod 600 {path}")]
    return [Finding(name, State.OK, str(path))]


def _taken(host: str, port: int) -> str | None:
    """Why nobody can listen there; None where one can."""
    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as door:
            # As servers do: what a connection of a minute ago left behind is no obstacle.
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((str(address), port))
            door.listen(1)
    except OSError as error:
        return _WHY.get(error.errno or 0, error.strerror or "cannot be listened on")
    return None
