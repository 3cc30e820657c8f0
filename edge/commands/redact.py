"""`faceguard redact`: covers the faces in pictures, videos and folders of them."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from faceguard.edge.batch_run import BatchRun
from faceguard.edge.commands.batch_options import (
    add_faces,
    add_files,
    add_video,
    encoder_settings,
    planned,
    redactor_settings,
    told,
)
from faceguard.edge.progress import Progress
from faceguard.edge.redactor import Redactor
from faceguard.edge.report import Report
from faceguard.edge.service.crash import no_core_dumps

HELP = "Covers the faces in pictures, videos and folders."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    add_files(parser)
    parser.add_argument(
        "--preview",
        action="store_true",
        help="draw a green box and the score over each redacted face",
    )
    add_faces(parser)
    add_video(parser)


def run(options: argparse.Namespace) -> int:
    """Redacts; 0 when all went well, 1 when some of several files failed, else the error's code."""
    no_core_dumps()
    settings, encoder = redactor_settings(options), encoder_settings(options)
    batch = planned(options)
    with ExitStack() as stack:
        redactor = stack.enter_context(Redactor(settings))
        report = None
        if options.report is not None:
            report = stack.enter_context(Report(options.report, force=options.force))
        progress = stack.enter_context(Progress(len(batch.jobs), quiet=options.quiet))
        job = BatchRun(
            batch, redactor, encoder, report, progress, force=options.force, preview=options.preview
        )
        job.all(options.jobs)
    return told(options, batch, job)
