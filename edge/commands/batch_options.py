"""What `faceguard redact` and `faceguard enhance` have in common: files, faces, encoders."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from faceguard.edge.batch import Batch, plan, refuse_overwriting
from faceguard.edge.batch_run import BatchRun
from faceguard.edge.commands.detector_options import add_detector
from faceguard.edge.masks import MaskSettings
from faceguard.edge.redactor_settings import RedactorSettings
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.edge.style import Look
from faceguard.edge.types import Shape
from faceguard.engines.errors import OutputError, UsageError


def add_files(parser: argparse.ArgumentParser) -> None:
    """Declares what is read, what is written, and what is told of it."""
    parser.add_argument("inputs", nargs="+", metavar="PATH", help="files, folders or patterns")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        type=Path,
        metavar="OUT",
        help="a file for one input, else a folder, where folders are mirrored",
    )
    parser.add_argument("--force", action="store_true", help="replace outputs that exist")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="files at a time (1)")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.jsonl",
        help="write a line a frame: time, boxes, tracks, scores; never pixels",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")


def add_faces(parser: argparse.ArgumentParser) -> None:
    """Declares how faces are found and covered."""
    faces = parser.add_argument_group("finding faces")
    add_detector(faces, "pictures 1280, video 640")
    faces.add_argument(
        "--detect-every",
        type=int,
        default=RedactorSettings.detect_every,
        metavar="N",
        help="look at every n-th frame of a video (%(default)s)",
    )
    faces.add_argument(
        "--look-ahead",
        type=int,
        default=RedactorSettings.look_ahead,
        metavar="N",
        help="frames that each waits for what comes after it (%(default)s)",
    )
    faces.add_argument(
        "--detect-timeout",
        type=float,
        default=RedactorSettings.timeout_s,
        metavar="S",
        help="then the frame is covered whole (%(default)s)",
    )
    cover = parser.add_argument_group("covering them")
    cover.add_argument(
        "--style",
        choices=[look.value for look in Look],
        default=Look.PIXELATE.value,
        help="(%(default)s)",
    )
    cover.add_argument(
        "--shape",
        choices=[shape.value for shape in Shape],
        default=MaskSettings.shape.value,
        help="(%(default)s)",
    )
    cover.add_argument(
        "--margin",
        type=float,
        default=MaskSettings.margin,
        metavar="PART",
        help="part of the face's size added around it (%(default)s)",
    )


def add_video(parser: argparse.ArgumentParser) -> None:
    """Declares how video is encoded."""
    video = parser.add_argument_group("video")
    video.add_argument(
        "--audio",
        choices=["keep", "drop"],
        default="drop",
        help="a voice is personal data (%(default)s)",
    )
    video.add_argument("--codec", help="an encoder of FFmpeg (libx264)")
    video.add_argument(
        "--crf",
        type=int,
        default=EncoderSettings.crf,
        help="quality, lower is better (%(default)s)",
    )
    video.add_argument(
        "--preset", default=EncoderSettings.preset, help="speed against size (%(default)s)"
    )


def redactor_settings(options: argparse.Namespace) -> RedactorSettings:
    """What `add_faces` declared.

    Raises:
        UsageError: A value that cannot be meant.
    """
    if options.jobs < 1:
        raise UsageError(f"--jobs {options.jobs} must be 1 or more")
    return RedactorSettings(
        detector=options.detector,
        engine=options.engine,
        score=options.score,
        long_side=options.detect_size,
        tile=options.tile,
        detect_every=options.detect_every,
        look_ahead=options.look_ahead,
        look=Look(options.style),
        shape=Shape(options.shape),
        margin=options.margin,
        timeout_s=options.detect_timeout,
        threads=1 if options.jobs > 1 else None,
    )


def encoder_settings(options: argparse.Namespace) -> EncoderSettings:
    """What `add_video` declared.

    Raises:
        UsageError: A value that cannot be meant.
    """
    return EncoderSettings(options.codec, options.crf, options.preset, options.audio == "keep")


def planned(options: argparse.Namespace) -> Batch:
    """The files that are meant, with the folder for what becomes of them.

    Raises:
        UsageError: Two things would be written to one place, or over an input.
        InputError: Something does not exist.
        OutputError: The folder cannot be made or written.
    """
    batch = plan(options.inputs, options.output)
    if options.report is not None:
        refuse_overwriting([options.report], batch.jobs, "--report")
        if any(options.report.resolve() == job.output.resolve() for job in batch.jobs):
            raise UsageError(f"{options.report}: --report and --output name the same file")
    _make_folders(batch, options.output)
    return batch


def told(options: argparse.Namespace, batch: Batch, job: BatchRun) -> int:
    """Prints what became of the files.

    Returns:
        0 when all went well, 1 when some of several files failed, else the error's code.
    """
    if options.json:
        sys.stdout.write(json.dumps(job.summary(), indent=2) + "\n")
    elif not options.quiet:
        sys.stdout.write(job.table())
    if len(batch.jobs) == 1 and job.failed:
        return job.failed[0].exit_code
    return 1 if job.failed else 0


def _make_folders(batch: Batch, output: Path) -> None:
    folder = batch.folder or output.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{folder}: a part of this path is a file, not a folder") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder}: not allowed to write there")
