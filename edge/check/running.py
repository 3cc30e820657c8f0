"""The faceguard that runs already: what it has is in use, and not in disorder."""

from __future__ import annotations

from faceguard.edge.config.model import Config
from faceguard.edge.outputs.status import Life, read_status
from faceguard.edge.service.places import runtime_folders
from faceguard.engines.errors import InputError


def process_of(config: Config) -> int | None:
    """The process that serves this camera's name now; None where none does, or nobody can tell."""
    for folder in runtime_folders(config.outputs.status.folder):
        try:
            status = read_status(folder, config.name)
        except InputError:
            continue
        if status is not None and status.life is not Life.GONE:
            pid: int = status.state["pid"]
            return pid
    return None
