"""Many files: which there are, where their copies go, and what was done before."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceguard.edge.file_formats import READ_SUFFIXES, output_name
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
        skipped: Files in folders that are neither pictures nor videos by their names, and links
            to folders.
        unreadable: Folders that cannot be listed, each with the reason.
    """

    jobs: tuple[Job, ...]
    folder: Path | None
    skipped: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...]


def plan(inputs: Sequence[str], output: Path) -> Batch:
    """Finds the files that a command line means and the places of their copies.

    Args:
        inputs: Files, folders, and patterns that the shell left alone.
        output: A file where one file is given and the name has a suffix, else a folder.

    Raises:
        InputError: Something does not exist, a pattern fits nothing, or there is nothing to do.
        UsageError: Two inputs would have the same output, an output would replace an input, or a
            folder would go into a file.
    """
    found = [one for text in inputs for one in _expanded(text)]
    if len(found) == 1 and found[0][0].is_file() and output.suffix and not output.is_dir():
        jobs = (Job(found[0][0], output),)
        refuse_overwriting([output], jobs, "the output")
        return Batch(jobs, None, (), ())
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file; several inputs need a folder to go into")
    if not output.exists() and output.suffix.lower() in READ_SUFFIXES:
        raise UsageError(f"{output}: names one file, but there are several inputs; name a folder")
    jobs_found: list[Job] = []
    skipped: list[Path] = []
    unreadable: list[tuple[Path, str]] = []
    several = sum(path.is_dir() for path, _ in found) > 1
    for path, within in found:
        if path.is_file():
            jobs_found.append(Job(path, (output / within).with_name(output_name(path))))
            continue
        root = output / path.resolve().name if several else output
        for file in _walk(path, output, unreadable):
            if file.suffix.lower() in READ_SUFFIXES and not file.is_dir():
                place = root / file.relative_to(path)
                jobs_found.append(Job(file, place.with_name(output_name(file))))
            else:
                skipped.append(file)
    if not jobs_found and not unreadable:
        raise InputError(f"{' '.join(inputs)}: no pictures or videos there")
    _refuse_clashes(jobs_found)
    refuse_overwriting([job.output for job in jobs_found], jobs_found, "an output")
    return Batch(tuple(jobs_found), output, tuple(skipped), tuple(unreadable))


def refuse_overwriting(outputs: Iterable[Path], jobs: Iterable[Job], what: str) -> None:
    """Stops an output from taking the place of an input, whatever its name or links.

    Args:
        outputs: Files that will be written.
        jobs: Files that will be read.
        what: What to call an output in the message.

    Raises:
        UsageError: One of them would.
    """
    inputs = {_identity(job.source) for job in jobs} - {None}
    for output in outputs:
        if _identity(output) in inputs:
            raise UsageError(f"{output}: {what} would replace an input; give another name")


def _identity(path: Path) -> tuple[int, int] | None:
    """What a file is under all its names; None where there is none."""
    try:
        there = path.stat()
    except OSError:
        return None
    return there.st_dev, there.st_ino


def _expanded(text: str) -> list[tuple[Path, Path]]:
    """The files that a word of the command line means, each with its place below the output."""
    path = Path(text)
    if path.exists():
        return [(path, Path(path.name))]
    # Path.glob takes no absolute patterns.
    found = sorted(Path(name) for name in glob.glob(text, recursive=True))  # noqa: PTH207
    if not found:
        what = "no file fits this pattern" if glob.has_magic(text) else "no such file or folder"
        raise InputError(f"{text}: {what}")
    fixed = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
    return [(one, one.relative_to(fixed)) for one in found]


def _walk(folder: Path, output: Path, unreadable: list[tuple[Path, str]]) -> Iterator[Path]:
    """Files below a folder in a stable order, without hidden ones and without our own outputs.

    Links to folders are given too, since nobody follows them; they may lead in a circle.
    """
    ours = output.resolve()

    def failed(error: OSError) -> None:
        place = Path(os.fsdecode(error.filename))
        unreadable.append((place, f"{place}: cannot be listed: {error.strerror}"))

    for here, folders, names in os.walk(folder, onerror=failed):
        places = sorted(Path(here) / name for name in folders if not name.startswith("."))
        yield from (place for place in places if place.is_symlink())
        folders[:] = [place.name for place in places if place.resolve() != ours]
        yield from sorted(Path(here) / name for name in names if not name.startswith("."))


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    taken: dict[Path, Path] = {}
    for job in jobs:
        other = taken.setdefault(job.output, job.source)
        if other != job.source:
            raise UsageError(f"{other} and {job.source} would both become {job.output}")
