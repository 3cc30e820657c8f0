"""A word of warning where anybody in the network may watch."""

from __future__ import annotations

import logging

from faceguard.edge.config.login import is_loopback
from faceguard.edge.config.outputs import Guarded
from faceguard.edge.service.quiet import Quiet

_log = logging.getLogger(__name__)


def warn_if_open(name: str, settings: Guarded, quiet: Quiet) -> None:
    """Logs one line where an output listens on more than this machine and asks for no login.

    Args:
        name: Of the output: "rtsp", "mjpeg".
        settings: Where it listens, and who may come in.
        quiet: Who logs, so that an output that is opened again and again says it no more often.
    """
    if settings.user is None and not is_loopback(settings.host):
        quiet.say(
            _log,
            logging.WARNING,
            f"open door {name}",
            f"{name}: anybody who reaches this machine may watch; set outputs.{name}.user and "
            f"password_file, or host to 127.0.0.1",
        )
