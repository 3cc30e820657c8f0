"""`faceguard redact`: covers the faces in pictures, videos and folders of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from faceguard.edge.batch import Batch, Job, plan
from faceguard.edge.ledger import Ledger
from faceguard.edge.masks import MaskSettings
from faceguard.edge.progress import Progress
from faceguard.edge.redactor import Redaction, Redactor, RedactorSettings
from faceguard.edge.report import Report
from faceguard.edge.sinks.video import EncoderSettings
from faceguard.edge.style import Look
from faceguard.edge.types import SafeFrame, Shape
from faceguard.engines.errors import FaceguardError, OutputError, UsageError

HELP = "cover the faces in pictures, videos and folders"


class Stopped(Exception):
    """Somebody asked to stop; the file at hand is given up."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
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
    parser.add_argument(
        "--preview",
        action="store_true",
        help="draw a green box and the score over each redacted face",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")
    faces = parser.add_argument_group("finding faces")
    faces.add_argument("--detector", metavar="NAME", help="see `faceguard models list` (yunet)")
    faces.add_argument("--score", type=float, help="what a face needs to be believed, 0 to 1")
    faces.add_argument(
        "--detect-size",
        type=int,
        metavar="PX",
        help="long side that the detector sees (pictures 1280, video 640)",
    )
    faces.add_argument(
        "--tile", action="store_true", help="look at large pictures in full resolution too; slower"
    )
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


def run(options: argparse.Namespace) -> int:
    """Redacts; 0 when all went well, 1 when some of several files failed, else the error's code."""
    if options.jobs < 1:
        raise UsageError(f"--jobs {options.jobs} must be 1 or more")
    settings = RedactorSettings(
        detector=options.detector,
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
    encoder = EncoderSettings(options.codec, options.crf, options.preset, options.audio == "keep")
    batch = plan(options.inputs, options.output)
    _make_folders(batch, options.output)
    with ExitStack() as stack:
        redactor = stack.enter_context(Redactor(settings))
        report = None
        if options.report is not None:
            report = stack.enter_context(Report(options.report, force=options.force))
        progress = stack.enter_context(Progress(len(batch.jobs), quiet=options.quiet))
        run = _Run(redactor, encoder, batch, options, report, progress)
        run.all()
    run.print_summary()
    if len(batch.jobs) == 1 and run.failed:
        return run.failed[0][1].exit_code
    return 1 if run.failed else 0


class _Run:
    """One call of the command: its files, and what became of each."""

    def __init__(
        self,
        redactor: Redactor,
        encoder: EncoderSettings,
        batch: Batch,
        options: argparse.Namespace,
        report: Report | None,
        progress: Progress,
    ) -> None:
        self._redactor = redactor
        self._encoder = encoder
        self._batch = batch
        self._options = options
        self._report = report
        self._progress = progress
        self._stop = threading.Event()
        self._ledger = None
        if batch.folder is not None:
            shaping = (redactor.settings, encoder, options.preview)
            self._ledger = Ledger(batch.folder, shaping)
        self.done: list[Redaction] = []
        self.before: list[Job] = []
        self.failed: list[tuple[Job, FaceguardError]] = []

    def all(self) -> None:
        """Does every job; a bad file does not stop the others."""
        with ThreadPoolExecutor(self._options.jobs, "file") as pool, self._stopping():
            for future in as_completed([pool.submit(self._one, job) for job in self._batch.jobs]):
                future.result()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Lets the files at hand end cleanly when an error or Ctrl-C ends the run."""
        try:
            yield
        except BaseException:
            self._stop.set()
            raise

    def _one(self, job: Job) -> None:
        if self._stop.is_set():
            return
        if not self._options.force and self._ledger and self._ledger.has(job.source, job.output):
            self.before.append(job)
            return
        with self._progress.file(job.source) as bar:

            def on_frame(frame: SafeFrame) -> None:
                if self._stop.is_set():
                    raise Stopped
                bar.step()
                if self._report is not None:
                    self._report.frame(str(job.source), frame)

            try:
                job.output.parent.mkdir(parents=True, exist_ok=True)
                done = self._redactor.file(
                    job.source,
                    job.output,
                    encoder=self._encoder,
                    force=self._options.force,
                    preview=self._options.preview,
                    on_start=bar.start,
                    on_frame=on_frame,
                )
                if self._ledger is not None:
                    self._ledger.add(job.source, job.output)
                self.done.append(done)
            except Stopped:
                return
            except FaceguardError as error:
                self.failed.append((job, error))
                self._progress.say(f"faceguard: {error}")
            except OSError as error:
                problem = OutputError(f"{job.output}: {error.strerror or error}")
                self.failed.append((job, problem))
                self._progress.say(f"faceguard: {problem}")

    def print_summary(self) -> None:
        """Prints JSON, or a table and a list of what failed."""
        if self._options.json:
            sys.stdout.write(json.dumps(self._summary(), indent=2) + "\n")
        elif not self._options.quiet:
            self._print_table()

    def _summary(self) -> dict[str, object]:
        files = [
            {**asdict(d), "source": str(d.source), "output": str(d.output),
             "fps": round(d.frames / d.seconds, 2), "seconds": round(d.seconds, 3)}
            for d in sorted(self.done, key=lambda d: str(d.source))
        ]  # fmt: skip
        return {
            "files": files,
            "frames": sum(d.frames for d in self.done),
            "covered_whole": sum(sum(d.covered_whole.values()) for d in self.done),
            "done_before": [str(job.source) for job in self.before],
            "skipped": [str(path) for path in self._batch.skipped],
            "failed": [
                {"source": str(job.source), "error": str(error)} for job, error in self.failed
            ],
        }

    def _print_table(self) -> None:
        out = sys.stdout.write
        if self.done:
            out(f"{'frames':>7} {'faces':>6} {'fps':>7}  written\n")
        for d in sorted(self.done, key=lambda d: str(d.source)):
            out(f"{d.frames:>7} {d.tracks:>6} {d.frames / d.seconds:>7.1f}  {d.output}\n")
            for cause, count in d.covered_whole.items():
                out(f"{'':>22}  {count} frames covered whole: {cause}\n")
            for note in d.notes:
                out(f"{'':>22}  note: {note}\n")
        if self.before:
            out(f"{len(self.before)} done before (--force does them again)\n")
        if self._batch.skipped:
            out(f"{len(self._batch.skipped)} files skipped: not pictures or videos by name\n")
        if self.failed:
            out(f"{len(self.failed)} of {len(self._batch.jobs)} failed:\n")
            for job, _ in self.failed:
                out(f"  {job.source}\n")


def _make_folders(batch: Batch, output: Path) -> None:
    folder = batch.folder or output.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder}: not allowed to write there")
