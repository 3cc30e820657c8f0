"""`faceguard enhance`: enlarges pictures, videos and folders of them, with their faces covered."""

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
from faceguard.edge.enhance.choosing import model_for
from faceguard.edge.enhance.enhancer import Enhancer
from faceguard.edge.enhance.limits import MAX_OUTPUT_PIXELS
from faceguard.edge.enhance.region import parse_region
from faceguard.edge.progress import Progress
from faceguard.edge.redactor import Redactor
from faceguard.edge.report import Report
from faceguard.edge.service.crash import no_core_dumps
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.memory import parse_bytes
from faceguard.engines.store import find_graph
from faceguard.engines.upscaling.opening import open_upscaler

HELP = "Enlarges pictures, videos and folders, with faces covered first."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    add_files(parser)
    larger = parser.add_argument_group("enlarging")
    larger.add_argument(
        "--scale", type=int, metavar="N", help="times as long a side: 2, 3 or 4 (2)"
    )
    larger.add_argument(
        "--model", metavar="NAME", help="see `faceguard models list` (the quickest of the scale)"
    )
    larger.add_argument(
        "--roi",
        metavar="X,Y,W,H",
        help="enlarge this part alone, in pixels of the source; cut out after redaction",
    )
    larger.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_OUTPUT_PIXELS,
        metavar="N",
        help="the most that a result may have, an eighth for what moves (%(default)s)",
    )
    larger.add_argument(
        "--memory-limit",
        metavar="2G",
        help="the most memory for the whole program (all that is free)",
    )
    parser.add_argument(
        "--redact",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="cover faces first; --no-redact leaves them bare, and the summary says so",
    )
    add_faces(parser)
    add_video(parser)


def run(options: argparse.Namespace) -> int:
    """Enlarges; 0 when all went well, 1 when some of several failed, else the error's code."""
    no_core_dumps()
    settings, encoder = redactor_settings(options), encoder_settings(options)
    limit_bytes = None if options.memory_limit is None else parse_bytes(options.memory_limit)
    region = None if options.roi is None else parse_region(options.roi)
    catalogue = read_catalogue()
    model = model_for(options.scale, options.model, catalogue)
    find_graph(model, catalogue=catalogue)
    batch = planned(options)
    with ExitStack() as stack:
        redactor = stack.enter_context(Redactor(settings, uncovered=not options.redact))
        report = None
        if options.report is not None:
            report = stack.enter_context(
                Report(options.report, force=options.force, redacted=options.redact)
            )
        progress = stack.enter_context(Progress(len(batch.jobs), quiet=options.quiet))
        with progress.preparing(model) as say:
            upscaler = open_upscaler(
                model, memory_limit_bytes=limit_bytes, catalogue=catalogue, say=say
            )
            enhancer = stack.enter_context(
                Enhancer(
                    upscaler,
                    region=region,
                    max_output_pixels=options.max_pixels,
                    memory_limit_bytes=limit_bytes,
                )
            )
        job = BatchRun(
            batch, redactor, encoder, report, progress, force=options.force, enhancer=enhancer
        )
        job.all(options.jobs)
    return told(options, batch, job)
