"""Many files, one after another or side by side: a bad one does not stop the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.edge.atomic import one_line
from faceguard.edge.batch import Batch, Job
from faceguard.edge.ledger import Ledger
from faceguard.edge.progress import Progress
from faceguard.edge.redactor import Redaction, Redactor
from faceguard.edge.report import Report
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.edge.types import SafeFrame
from faceguard.engines.errors import (
    FaceguardError,
    InferenceError,
    MissingPackage,
    ModelError,
    OutputExists,
)

if TYPE_CHECKING:
    from faceguard.edge.enhance.enhancer import Enhancer

_SAY_EXISTING = 3
# Python acts on a signal in its main thread alone, and one that comes just as that thread begins to
# wait does not wake it.
_SIGNALS_EVERY_S = 0.2


@dataclass(frozen=True)
class Failure:
    """A file that could not be done.

    Attributes:
        source: The file.
        error: Why, in one line.
        exit_code: What a run of this file alone ends with.
    """

    source: Path
    error: str
    exit_code: int


class Stopped(Exception):
    """Somebody asked to stop; the file at hand is given up."""


class BatchRun:
    """One run over a batch, and what became of each file.

    Attributes:
        done: Files that were redacted.
        before: Files that an earlier run had finished.
        failed: Files that could not be.
    """

    def __init__(
        self,
        batch: Batch,
        redactor: Redactor,
        encoder: EncoderSettings,
        report: Report | None,
        progress: Progress,
        *,
        force: bool = False,
        preview: bool = False,
        enhancer: Enhancer | None = None,
    ) -> None:
        """Reads what earlier runs have finished.

        Args:
            batch: The files.
            redactor: What covers the faces.
            encoder: How video is encoded.
            report: Where each frame is noted, or None.
            progress: Where progress is shown.
            force: Whether existing outputs are replaced.
            preview: Whether boxes are drawn over the redacted faces.
            enhancer: What enlarges the redacted frames, or None.

        Raises:
            OutputError: The output folder's ledger cannot be read.
        """
        self._batch = batch
        self._redactor = redactor
        self._encoder = encoder
        self._report = report
        self._progress = progress
        self._force = force
        self._preview = preview
        self._enhancer = enhancer
        self._stop = threading.Event()
        self._ledger = None
        if batch.folder is not None:
            # How fast a file was done, and how patiently, does not show in what came out.
            shaping = replace(redactor.settings, threads=None, timeout_s=1.0)
            settings: tuple[object, ...] = (shaping, encoder, preview)
            if enhancer is not None:
                settings += (enhancer.name, enhancer.region, redactor.uncovered)
            self._ledger = Ledger(batch.folder, settings)
        self.done: list[Redaction] = []
        self.before: list[Job] = []
        self.failed: list[Failure] = []
        self._kept = 0

    def all(self, jobs: int) -> None:
        """Does every file, so many at a time.

        Raises:
            ModelError: The detector cannot be loaded, so no file can be done.
            MissingPackage: Likewise.
        """
        for path, error in self._batch.unreadable:
            self._fail(path, FaceguardError(error))
        with ThreadPoolExecutor(jobs, "file") as pool, self._stopping() as files:
            for job in self._batch.jobs:
                files.add(pool.submit(self._one, job))
            left = files
            while left:
                ended, left = wait(left, _SIGNALS_EVERY_S, FIRST_COMPLETED)
                for future in ended:
                    future.result()

    def summary(self) -> dict[str, object]:
        """All of it, for machines."""
        how: dict[str, object] = {}
        if self._enhancer is not None:
            how = {"model": self._enhancer.name, "scale": self._enhancer.scale}
        return {
            **how,
            "redacted": not self._redactor.uncovered,
            "files": [
                {
                    **asdict(one),
                    "source": str(one.source),
                    "output": str(one.output),
                    "seconds": round(one.seconds, 3),
                    "fps": round(one.frames / one.seconds, 2),
                }
                for one in self._sorted()
            ],
            "frames": sum(one.frames for one in self.done),
            "covered_whole": sum(sum(one.covered_whole.values()) for one in self.done),
            "done_before": [str(job.source) for job in self.before],
            "skipped": [str(path) for path in self._batch.skipped],
            "failed": [{"source": str(f.source), "error": f.error} for f in self.failed],
        }

    def table(self) -> str:
        """What a person wants to know, line by line."""
        lines = []
        if self.done:
            lines.append(f"{'frames':>7} {'faces':>6} {'fps':>7}  written")
        for one in self._sorted():
            rate = one.frames / one.seconds
            name = one_line(one.output)
            lines.append(f"{one.frames:>7} {one.tracks:>6} {rate:>7.1f}  {name}")
            for cause, count in one.covered_whole.items():
                lines.append(f"{'':>22}  {count} frames covered whole: {cause}")
            if self._enhancer is not None:
                enlarged = f"{one.width}x{one.height} by {self._enhancer.name}"
                bare = "" if one.redacted else ", faces left bare (--no-redact)"
                lines.append(f"{'':>22}  {enlarged}{bare}")
            lines += [f"{'':>22}  note: {note}" for note in one.notes]
        if self.before:
            lines.append(f"{len(self.before)} done before (--force does them again)")
        if self._batch.skipped:
            lines.append(f"{len(self._batch.skipped)} skipped: not pictures or videos by name")
        if self.failed and len(self._batch.jobs) > 1:
            whole = len(self._batch.jobs) + len(self._batch.unreadable)
            lines.append(f"{len(self.failed)} of {whole} failed:")
            lines += [f"  {one_line(failure.source)}" for failure in self.failed]
        if self._kept and self._ledger is not None:
            lines.append(
                f"{self._kept} outputs exist that these options did not make: give another folder, "
                "or --force"
            )
        return "".join(line + "\n" for line in lines)

    def _sorted(self) -> list[Redaction]:
        return sorted(self.done, key=lambda one: str(one.source))

    @contextmanager
    def _stopping(self) -> Iterator[set[Future[None]]]:
        """Lets the files at hand end cleanly when an error or Ctrl-C ends the run.

        They are those that are put into the set. A tile of a large network takes many seconds, so
        it is interrupted: again and again, since a file may have been about to begin its next.
        """
        files: set[Future[None]] = set()
        try:
            yield files
        except BaseException:
            self._stop.set()
            left = files
            while left and self._enhancer is not None:
                self._enhancer.interrupt()
                left = wait(left, _SIGNALS_EVERY_S).not_done
            raise

    def _one(self, job: Job) -> None:
        if self._stop.is_set():
            return
        if not self._force and self._ledger and self._ledger.has(job.source, job.output):
            self.before.append(job)
            return
        try:
            self._redact(job)
        except Stopped:
            return
        except (ModelError, MissingPackage):
            raise
        except InferenceError as error:
            if not self._stop.is_set():  # else it was interrupted
                self._fail(job.source, error)
        except OutputExists as error:
            # One line for all of them, at the end, is enough where a whole folder was done before.
            self._kept += 1
            self._fail(job.source, error, say=self._kept <= _SAY_EXISTING)
        except FaceguardError as error:
            self._fail(job.source, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other files go on
            reason = str(error).splitlines()[0] if str(error) else "no reason given"
            what = f"{job.source}: {type(error).__name__}: {reason}"
            self._fail(job.source, FaceguardError(one_line(what)))

    def _redact(self, job: Job) -> None:
        with self._progress.file(job.source) as bar, ExitStack() as stack:

            def go_on() -> None:
                if self._stop.is_set():
                    raise Stopped

            def on_tile(done: int, of: int) -> None:
                go_on()
                bar.tiles(done, of)

            def on_frame(frame: SafeFrame) -> None:
                go_on()
                bar.step()
                if self._report is not None:
                    self._report.frame(str(job.source), frame)

            after = None
            if self._enhancer is not None:
                after = stack.enter_context(self._enhancer.watched(job.source, job.output, on_tile))
            job.output.parent.mkdir(parents=True, exist_ok=True)
            done = self._redactor.file(
                job.source,
                job.output,
                encoder=self._encoder,
                force=self._force,
                preview=self._preview,
                after=after,
                on_start=bar.start,
                on_frame=on_frame,
            )
        if self._ledger is not None:
            self._ledger.add(job.source, job.output)
        self.done.append(done)

    def _fail(self, source: Path, error: FaceguardError, *, say: bool = True) -> None:
        self.failed.append(Failure(source, str(error), error.exit_code))
        if say:
            self._progress.say(f"faceguard: {error}")
