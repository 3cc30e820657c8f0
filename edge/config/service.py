"""`metrics:` and `log:`, what the service says of itself."""

from __future__ import annotations

from typing import Literal

from faceguard.edge.config.login import Host
from faceguard.edge.config.outputs import Port
from faceguard.edge.config.part import Part


class MetricsConfig(Part):
    """Figures for Prometheus at http://HOST:PORT/metrics."""

    host: Host = "127.0.0.1"
    """Address to listen on."""
    port: Port = 9108
    """Port; 0 takes any that is free."""


class LogConfig(Part):
    """What goes to the journal, or to standard error where there is none."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is said."""
    format: Literal["auto", "journald", "text", "json"] = "auto"
    """auto: to journald with fields where systemd started it, else lines of text."""
