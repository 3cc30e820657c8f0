"""How long it takes to turn models into graphs and engines, and how much memory.

`python -m benchmarks.convert [--quick] [--json FILE]`. Each row is a process of its own, imports
included, so that peers can be held beside: tf2onnx (with TensorFlow) and tflite2onnx, each in an
environment of its own under `.bench/`, where they can convert the model at all. Engines are built
by TensorRT for RTX, which needs no GPU for it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.parts import peers
from benchmarks.parts.command import NOTHING_TO_MEASURE_ON, arguments, write_document
from benchmarks.parts.measure import Usage, last_line, machine, measured
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import FaceguardError
from faceguard.engines.store import find_file

WORK = Path(".bench")
TARGET = "sm86"
ROUNDS = 5
TF2ONNX = ("tf2onnx==1.17.0", "tensorflow-cpu")
TFLITE2ONNX = ("tflite2onnx==0.4.1",)

_OURS = """
import sys
from pathlib import Path
from faceguard.convert.tflite import convert_tflite
model = convert_tflite(Path(sys.argv[1]).read_bytes(), name="model")
Path(sys.argv[2]).write_bytes(model.SerializeToString())
"""
_THEIRS = "import sys, tflite2onnx; tflite2onnx.convert(sys.argv[1], sys.argv[2])"


@dataclass(frozen=True)
class Row:
    """One conversion by one program.

    Attributes:
        what: `tflite`, `rtx` or `noop`.
        model: The model's name.
        by: The program.
        wall_s: Median over the rounds; None where it failed.
        peak_mb: Largest over the rounds.
        failed: Its last word where it failed.
        build_s: For engines: the build alone, from the start of the child to the engine.
    """

    what: str
    model: str
    by: str
    wall_s: float | None = None
    peak_mb: float | None = None
    failed: str | None = None
    build_s: float | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, prints a table, and gives the exit code: 1 where one of our rows failed."""
    options = arguments("convert", __doc__, "one round, no peers").parse_args(argv)
    try:
        rows = list(measure(quick=options.quick))
    except FaceguardError as error:
        print(f"convert: {error}", file=sys.stderr)
        return NOTHING_TO_MEASURE_ON
    for row in rows:
        print(line(row))
    found = figures(rows)
    print("  ".join(f"{name} {_shown(value)}" for name, value in found.items()))
    if options.json:
        facts = machine("onnx", "onnxruntime", "tensorrt-rtx-cu13-bindings")
        document = {"figures": found, "rows": [asdict(row) for row in rows], "machine": facts}
        write_document(options.json, {"benchmark": "convert", "quick": options.quick, **document})
    return 1 if None in found.values() else 0


def measure(*, quick: bool) -> Iterator[Row]:
    """All rows, one after another.

    Raises:
        ModelError: The catalogue's models are not on this machine.
    """
    rounds = 1 if quick else ROUNDS
    detectors = read_catalogue().detectors()
    files = {entry.name: find_file(entry.name) for entry in detectors}
    with TemporaryDirectory(prefix="faceguard-bench-") as scratch:
        place = Path(scratch)
        for name, file in files.items():
            if file.suffix == ".tflite":
                yield _ours(name, file, place, rounds)
                if not quick:
                    yield from _peers(name, file, place)
        for entry in detectors:
            yield _rtx(entry.name, place, rounds)
        yield _noop(place, 2 * rounds)


def figures(rows: Sequence[Row]) -> dict[str, float | None]:
    """The worst of each kind, in seconds and MiB; None where one of ours failed, or none ran."""
    ours = [row for row in rows if row.by == "faceguard"]

    def worst(what: str, of: Callable[[Row], float | None]) -> float | None:
        values = [of(row) for row in ours if row.what == what]
        known = [value for value in values if value is not None]
        return max(known) if known and len(known) == len(values) else None

    return {
        "worst_tflite_s": worst("tflite", lambda row: row.wall_s),
        "worst_tflite_mb": worst("tflite", lambda row: row.peak_mb),
        "worst_rtx_s": worst("rtx", lambda row: row.build_s),
        "worst_rtx_mb": worst("rtx", lambda row: row.peak_mb),
        "noop_s": worst("noop", lambda row: row.wall_s),
    }


def line(row: Row) -> str:
    """A row of the table."""
    head = f"{row.what:7} {row.model:22} {row.by:12}"
    if row.wall_s is None or row.peak_mb is None:
        return f"{head} failed: {row.failed}"
    build = f"  build alone {row.build_s:.2f} s" if row.build_s is not None else ""
    return f"{head} {row.wall_s:7.2f} s {row.peak_mb:7.0f} MiB{build}"


def _shown(value: float | None) -> str:
    return "failed" if value is None else f"{value:.2f}"


def _ours(name: str, file: Path, place: Path, rounds: int) -> Row:
    command = [sys.executable, "-c", _OURS, str(file), str(place / "ours.onnx")]
    return _row("tflite", name, "faceguard", [_run(command, place) for _ in range(rounds)])


def _peers(name: str, file: Path, place: Path) -> Iterator[Row]:
    out = str(place / "peer.onnx")
    programs: dict[str, tuple[tuple[str, ...], int, list[str]]] = {
        "tf2onnx": (
            TF2ONNX,
            1700,
            ["-m", "tf2onnx.convert", "--tflite", str(file), "--output", out, "--opset", "17"],
        ),
        "tflite2onnx": (TFLITE2ONNX, 150, ["-c", _THEIRS, str(file), out]),
    }
    for peer, (packages, size_mb, words) in programs.items():
        try:
            python = peers.environment(WORK / peer, packages, _say, size_mb=size_mb)
        except peers.NotHere as error:
            yield Row("tflite", name, peer, failed=str(error))
            continue
        yield _row("tflite", name, peer, [_run([str(python), *words], place)])


def _rtx(name: str, place: Path, rounds: int) -> Row:
    """The whole command, and within it the build alone."""
    out = place / "engine.engine"
    command = [sys.executable, "-m", "faceguard.edge.cli", "convert-engine", "--model", name]
    command += ["--fp16", "--backend", "tensorrt-rtx", "--target", TARGET, "--force"]
    command += ["--quiet", "-o", str(out)]
    runs, builds = [], []
    for _ in range(rounds):
        runs.append(_run(command, place))
        if runs[-1][0].code == 0:
            manifest = json.loads(out.with_name(f"{out.name}.json").read_text(encoding="utf-8"))
            builds.append(float(manifest["build"]["seconds"]))
    return _row("rtx", name, "faceguard", runs, build_s=max(builds, default=None))


def _noop(place: Path, rounds: int) -> Row:
    """`faceguard engines build` once, and again with nothing to do."""
    os.environ["FACEGUARD_ENGINES"] = str(place / "engines")
    command = [sys.executable, "-m", "faceguard.edge.cli", "engines", "build", "--quiet"]
    first = _run(command, place)
    runs = [_run(command, place) for _ in range(rounds)] if first[0].code == 0 else [first]
    return _row("noop", "engines build", "faceguard", runs)


def _run(command: Sequence[str], place: Path) -> tuple[Usage, str]:
    log = place / "log"
    usage = measured(command, log, limit_s=900)
    return usage, last_line(log)


def _row(
    what: str,
    model: str,
    by: str,
    runs: Sequence[tuple[Usage, str]],
    *,
    build_s: float | None = None,
) -> Row:
    failed = next((word for usage, word in runs if usage.code != 0), None)
    if failed is not None:
        return Row(what, model, by, failed=failed[:160])
    wall_s = median(usage.wall_s for usage, _ in runs)
    return Row(what, model, by, wall_s, max(usage.peak_mb for usage, _ in runs), None, build_s)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
