"""Super-resolution beside `cv2.dnn_superres`: how fast, how good, and in how much memory.

`python -m benchmarks.upscale [--quick] [--json FILE] [--only PART]`. Both have the same weights and
pictures and a thread for each core; a call is timed whole, uint8 B, G, R in and out. The peer runs
in an environment of its own under `.bench/`, in a process that is asked over a pipe and times
itself. They take turns with the machine's own float32 matrix product, by two libraries: a network's
arithmetic, as direct convolution would do it, is held against that.

Peak memory is that of a fresh process for each size. Quality is measured on Set5 and Set14, as
papers do: on luma, without the border.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.parts import peers
from benchmarks.parts.command import arguments, write_document
from benchmarks.parts.truth import data_folder
from benchmarks.parts.upscale_memory import SIDES, NoPeak, foreseen, measure
from benchmarks.parts.upscale_peer import DnnSuperres, PeerFailed, environment
from benchmarks.parts.upscale_report import MEMORY, PARTS, QUALITY, SPEED, Report
from benchmarks.parts.upscale_run import MODELS, QUICK, SETS, Bench, Scale
from faceguard.engines.errors import FaceguardError


@contextmanager
def told(report: Report, what: str) -> Iterator[None]:
    """What fails in the block is a line of the report, and the rest is measured all the same."""
    try:
        yield
    except (FaceguardError, PeerFailed, peers.NotHere, NoPeak) as error:
        report.failed.append(f"{what}: {error}")


def run(report: Report, scale: Scale, say: Callable[[str], None], *, with_peer: bool) -> None:
    """Everything that was asked for; what fails is told in the report."""
    if SPEED in report.parts or QUALITY in report.parts:
        with ExitStack() as stack:
            peer = None
            if with_peer:
                with told(report, "the peer"):
                    peer = DnnSuperres(environment(say), threads=report.threads)
                    stack.enter_context(peer)
                    report.opencv = peer.opencv
            bench = Bench(report, scale, peer, say)
            bench.baselines()
            for name in MODELS:
                with told(report, name):
                    bench.model(name)
            report.quality.sort(key=lambda row: SETS.index((row.of, row.scale)))
    if MEMORY in report.parts:
        for side in SIDES:
            say(f"memory: {side}x{side}")
            with told(report, "memory"):
                report.peaks.append(measure(side, threads=report.threads))
        with told(report, "memory"):
            report.edsr = foreseen(SIDES, threads=report.threads)


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; 0 when it measured, 1 when a figure could not be had."""
    parser = arguments("upscale", __doc__, "few rounds and pictures: some minutes")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated")
    parser.add_argument("--skip-peer", action="store_true", help="leave cv2.dnn_superres out")
    options = parser.parse_args(argv)
    parts = tuple(options.only or PARTS)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if QUALITY in parts and data_folder() is None:
        say("upscale: no Set5 and Set14 here, so no quality; set FACEGUARD_DATA to their folder")
    report = Report(parts, len(os.sched_getaffinity(0)))
    run(report, QUICK if options.quick else Scale(), say, with_peer=not options.skip_peer)
    print("\n".join(report.lines()), flush=True)
    if options.json:
        write_document(options.json, {**report.document(), "quick": options.quick})
    for line in report.failed:
        say(f"upscale: {line}")
    return 1 if report.failed or None in report.figures().values() else 0


if __name__ == "__main__":
    sys.exit(main())
