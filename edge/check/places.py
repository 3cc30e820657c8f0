"""Places that outputs write to: there or to be made, writable, with room."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from faceguard.edge.config.model import Config
from faceguard.edge.config.part import STDOUT
from faceguard.edge.doctor.finding import Finding, State
from faceguard.edge.doctor.machine import gigabytes, nearest
from faceguard.engines.yaml_file import why

_LEAST_FREE_MB = 50.0
_EFFECTIVE = os.access in os.supports_effective_ids


def check_places(config: Config) -> list[Finding]:
    """Every folder that something is written to."""
    out = config.outputs
    found = []
    if out.recordings is not None:
        rec = out.recordings
        found.append(_place("recordings", rec.folder, rec.free_mb, rec.keep_gb))
    if out.snapshots is not None:
        keep_gb = None if out.snapshots.keep_mb is None else out.snapshots.keep_mb / 1000
        found.append(_place("snapshots", out.snapshots.folder, _LEAST_FREE_MB, keep_gb))
    if out.events is not None and out.events.path != STDOUT:
        found.append(_event_log(out.events.path, out.events.keep_mb))
    if config.thermal.trace is not None:
        found.append(_trace(config.thermal.trace, config))
    found.append(_status(config))
    return found


def _place(name: str, folder: Path, free_mb: float, keep_gb: float | None) -> Finding:
    """One folder."""
    wrong = _unwritable(folder)
    if wrong is not None:
        full = "No space" in wrong or "quota" in wrong
        mend = "free some space there" if full else f"sudo install -d -o {_me()} {folder}"
        return Finding(name, State.WARNING, f"{folder}: {wrong}", mend)
    usage = shutil.disk_usage(nearest(folder))
    room = f"{folder}: {gigabytes(usage.free)} of {gigabytes(usage.total)} free"
    if usage.free < free_mb * 1e6:
        detail = f"{room}, and {free_mb:g} MB shall stay so"
        return Finding(name, State.WARNING, detail, "free some space, or set a smaller limit")
    if keep_gb is not None and keep_gb * 1e9 > usage.total:
        detail = f"{room}; the disk is smaller than the {keep_gb:g} GB to keep"
        return Finding(name, State.NOTE, detail, "set a smaller limit")
    made = "" if folder.is_dir() else " (will be made)"
    return Finding(name, State.OK, room + made)


def _event_log(path: Path, keep_mb: float) -> Finding:
    """The file of events."""
    if path.is_dir():
        return Finding("events", State.WARNING, f"{path}: is a folder", "name a file in it")
    # A pipe or a terminal that somebody made is their business.
    if path.exists() and not os.access(path, os.W_OK, effective_ids=_EFFECTIVE):
        detail = f"{path}: this user may not write it"
        return Finding("events", State.WARNING, detail, f"sudo chown {_me()} {path}")
    return _place("events", path.parent, 2 * keep_mb, None)


def _trace(path: Path, config: Config) -> Finding:
    """The trace of heat, which writes to a plain file and follows no link."""
    from faceguard.edge.heat.traces.trace_format import MARK

    events = config.outputs.events
    wrong = None
    if events is not None and events.path.resolve() == path.resolve():
        wrong = "is the file of outputs.events.path"
    elif path.is_symlink():
        wrong = "is a link, which is not followed"
    elif path.is_dir():
        wrong = "is a folder"
    elif path.exists() and not path.is_file():
        wrong = "is no plain file"
    elif path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=_EFFECTIVE):
        detail = f"thermal.trace: {path}: this user may not write it"
        return Finding("trace", State.WARNING, detail, f"sudo chown {_me()} {path}")
    elif path.exists() and not _begins(path, MARK.encode()):
        wrong = "something else stands in it, and no trace"
    if wrong is not None:
        detail = f"thermal.trace: {path}: {wrong}"
        return Finding("trace", State.WARNING, detail, "name another file under thermal.trace")
    found = _place("trace", path.parent, 2 * config.thermal.trace_mb, None)
    return replace(found, detail=f"thermal.trace: {found.detail}")


def _begins(path: Path, mark: bytes) -> bool:
    """Whether a file begins so, or may yet; what a cut of power left may begin with zeros."""
    try:
        with path.open("rb") as file:
            return mark.startswith(file.read(len(mark)).lstrip(b"\0"))
    except OSError:
        return False


def _status(config: Config) -> Finding:
    """Where the state of things goes; without it `faceguard run` does not start."""
    from faceguard.edge.service.places import runtime_folders

    configured = config.outputs.status.folder
    tried = runtime_folders(configured)
    for folder in tried:
        if _unwritable(folder) is None:
            return Finding("status", State.OK, str(folder))
    wrong = f"{tried[0]}: {_unwritable(tried[0])}"
    return Finding("status", State.FAULT, wrong, "set outputs.status.folder")


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be written there; None where it can. Makes no folder."""
    if os.path.lexists(folder) and not os.path.isdir(folder):  # noqa: PTH112 - Path's own raises
        return "is no folder"
    place = nearest(folder)
    between = next((p for p in folder.parents if os.path.lexists(p)), place)
    if not os.path.isdir(between):  # noqa: PTH112
        return f"{between} is no folder"
    if place != folder:
        may = os.access(place, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE)
        return None if may else f"is not there, and this user may not make it in {place}"
    try:
        # Rights alone do not tell of a disk that is read-only, full or broken.
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return f"cannot be written: {why(error)}"
    return None


def _me() -> str:
    return str(os.geteuid())
