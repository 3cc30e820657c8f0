"""Many files: which there are, where their copies go, and what was done before."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceguard.edge.outputs import READ_SUFFIXES, output_name
from faceguard.engines.errors import InputError, UsageError


@dataclass(frozen=True)
class Job:
    """One file to redact.

    Attributes:
        source: The file to read.
        output: Where its copy goes.
    """

    source: Path
    output: Path


@dataclass(frozen=True)
class Batch:
    """What a command line comes to.

    Attributes:
        jobs: The files, in order.
        folder: The folder that outputs go into, or None where one file becomes one file.
        skipped: Files in folders that are neither pictures nor videos by their names.
    """

    jobs: tuple[Job, ...]
    folder: Path | None
    skipped: tuple[Path, ...]


def plan(inputs: Sequence[str], output: Path) -> Batch:
    """Finds the files that a command line means and the places of their copies.

    Args:
        inputs: Files, folders, and patterns that the shell left alone.
        output: A file where one file is given and the name has a suffix, else a folder.

    Raises:
        InputError: Something does not exist, or a pattern fits nothing.
        UsageError: Two inputs would have the same output, or a folder would go into a file.
    """
    paths = [path for text in inputs for path in _expanded(text)]
    single = len(paths) == 1 and paths[0].is_file()
    if single and output.suffix and not output.is_dir():
        return Batch((Job(paths[0], output),), None, ())
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file; several inputs need a folder to go into")
    jobs: list[Job] = []
    skipped: list[Path] = []
    several = sum(path.is_dir() for path in paths) > 1
    for path in paths:
        if path.is_file():
            jobs.append(Job(path, output / output_name(path)))
            continue
        root = output / path.resolve().name if several else output
        for file in _walk(path, output):
            if file.suffix.lower() in READ_SUFFIXES:
                place = root / file.relative_to(path)
                jobs.append(Job(file, place.with_name(output_name(file))))
            else:
                skipped.append(file)
    _refuse_clashes(jobs)
    return Batch(tuple(jobs), output, tuple(skipped))


def _expanded(text: str) -> list[Path]:
    path = Path(text)
    if path.exists():
        return [path]
    # Path.glob takes no absolute patterns.
    found = sorted(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207
    if not found:
        what = "no file fits this pattern" if glob.has_magic(text) else "no such file or folder"
        raise InputError(f"{text}: {what}")
    return found


def _walk(folder: Path, output: Path) -> Iterator[Path]:
    """Files below a folder in a stable order, without hidden ones and without our own outputs."""
    ours = output.resolve()

    def failed(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be listed: {error.strerror}") from error

    for here, folders, names in os.walk(folder, onerror=failed):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (Path(here) / name).resolve() != ours
        )
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(here) / name


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    taken: dict[Path, Path] = {}
    for job in jobs:
        other = taken.setdefault(job.output, job.source)
        if other != job.source:
            raise UsageError(f"{other} and {job.source} would both become {job.output}")
