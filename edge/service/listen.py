"""A socket to listen on, or one line that says why there is none."""

from __future__ import annotations

import errno
import socket

from faceguard.engines.errors import OutputError

_WHY = {
    errno.EADDRINUSE: "the port is taken",
    errno.EACCES: "the port is not for everybody",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}
_BACKLOG = 32


def listen(host: str, port: int, key: str) -> socket.socket:
    """Binds a TCP socket and listens on it.

    Args:
        host: Address to listen on, IPv4 or IPv6, or `localhost`.
        port: Port; 0 takes any that is free.
        key: Where the configuration names both, for the message: "outputs.mjpeg".

    Returns:
        The socket; whoever calls closes it.

    Raises:
        OutputError: The address cannot be had.
    """
    listener: socket.socket | None = None
    try:
        # No name is ever looked up: that could ask the network.
        address = "127.0.0.1" if host == "localhost" else host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        reason = _WHY.get(error.errno or 0) or error.strerror or "it cannot be listened on"
        raise OutputError(
            f"{host} port {port}: {reason}; name another under {key}.host or {key}.port"
        ) from error
    return listener
