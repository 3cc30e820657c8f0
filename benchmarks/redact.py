"""How fast video is redacted, beside deface and beside decoding and encoding alone.

`python -m benchmarks.redact [--quick] [--json FILE] [--clip FILE]`. Each program runs as a process
of its own and is measured whole, from start to end; libx264 has the same preset and crf in all of
them (one row shows the preset that faceguard has by itself). Programs take turns, in the opposite
order every other round, and are compared within a round; figures are medians over the rounds.

deface stands there twice: with ONNX Runtime, which its README recommends and its default backend
takes where `onnx` and `onnxruntime` are installed, and with OpenCV, which it takes elsewhere. Which
of them is faster depends on versions and machine; `speedup_vs_deface` is against the former.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import av

from benchmarks.parts import peers, remux, transcode
from benchmarks.parts.command import NOTHING_TO_MEASURE_ON, arguments, write_document
from benchmarks.parts.measure import machine
from benchmarks.parts.rounds import Clip, Row, encoder_notes, ratio, run_rounds, table
from benchmarks.parts.truth import ROOT, data_folder
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import FaceguardError
from faceguard.engines.store import State, state_of

CLIP = Path("video") / "egoblur_gen1_test_video.mp4"
WORK = ROOT / ".bench"
PRESET = "medium"
CRF = EncoderSettings.crf or 21
TRANSCODE = Path(transcode.__file__)
LIMIT, OURS, OUR_PRESET = "limit", "faceguard", "faceguard_default_preset"
DEFACE = {"deface": "onnxrt", "deface_opencv": "opencv"}


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        frames: Frames of the clip; None for all.
        deface_frames: Frames of it that deface gets.
        rounds: Rounds of faceguard and the limit.
        deface_rounds: In so many of them deface runs too.
        short: Frames of the clip whose peak memory is `peak_mb_short`; None for all.
        longer: How many times as long the clip of `peak_mb_long` is.
    """

    frames: int | None = None
    deface_frames: int | None = None
    rounds: int = 3
    deface_rounds: int = 2
    short: int | None = None
    longer: int = 10


QUICK = Scale(frames=90, deface_frames=30, rounds=1, deface_rounds=1, short=150, longer=4)


def figures(rows: Mapping[str, Row]) -> dict[str, float | None]:
    """What is to be compared from one run of this to the next, as one flat object."""
    ours = rows[OURS]
    flat = {
        "speedup_vs_deface": ratio(ours, rows.get("deface")),
        "speedup_vs_deface_opencv": ratio(ours, rows.get("deface_opencv")),
        "share_of_limit": ratio(ours, rows[LIMIT]),
    }
    for name in ("short", "long"):
        row = rows[f"memory_{name}"]
        flat[f"peak_mb_{name}"] = row.peak_mb if row.runs and not row.absent else None
    return {name: value if value is None else round(value, 3) for name, value in flat.items()}


def ours(clip: Clip, *options: str) -> Callable[[Path], list[str]]:
    """The command of `faceguard redact` with these options."""
    program = [sys.executable, "-m", "faceguard.edge.cli", "redact", str(clip.path)]
    return lambda out: [*program, "-o", str(out), "--crf", str(CRF), "--quiet", "--force", *options]


def own_rows(clip: Clip, scale: Scale) -> list[Row]:
    """The limit, faceguard, and faceguard with each detector that is ready here."""
    medium = ["--preset", PRESET]
    catalogue = read_catalogue()
    python, script = sys.executable, str(TRANSCODE)

    def limit(out: Path) -> list[str]:
        return [python, script, str(clip.path), str(out), PRESET, str(CRF)]

    rows = [
        Row(LIMIT, "decode + encode only", clip, limit, scale.rounds),
        Row(OURS, f"faceguard ({catalogue.default})", clip, ours(clip, *medium), scale.rounds),
        Row(
            OUR_PRESET,
            f"  preset {EncoderSettings.preset}",
            clip,
            ours(clip),
            scale.rounds,
        ),
    ]
    for entry in catalogue.entries.values():
        if entry.task != "face-detection" or entry.name == catalogue.default:
            continue
        row = Row(
            f"faceguard_{entry.name.replace('-', '_')}",
            f"  {entry.name}",
            clip,
            ours(clip, *medium, "--detector", entry.name),
            1,
        )
        state, why = state_of(entry, catalogue)
        if state is not State.READY:
            row.absent = why
        rows.append(row)
    return rows


def deface_rows(clip: Clip, scale: Scale, python: Path) -> list[Row]:
    """Rows of deface with each of its two backends."""

    def command(backend: str) -> Callable[[Path], list[str]]:
        return lambda out: peers.deface_command(python, backend, PRESET, CRF, clip.path, out)

    return [
        Row(key, f"deface ({backend})", clip, command(backend), scale.deface_rounds)
        for key, backend in DEFACE.items()
    ]


@dataclass
class Report:
    """What one run of the benchmark found.

    Attributes:
        rows: Programs side by side.
        memory: faceguard on a short and a long clip.
        loads: Load of the machine before each round.
        deface_versions: deface and what it stands on.
        no_deface: Why deface is absent.
    """

    rows: list[Row]
    memory: list[Row]
    loads: list[float]
    deface_versions: dict[str, str]
    no_deface: str | None

    @property
    def by_key(self) -> dict[str, Row]:
        """All rows by key."""
        return {row.key: row for row in [*self.rows, *self.memory]}

    def encoder_notes(self) -> list[str]:
        """Where encoders were not set alike, but for the row that shows another preset."""
        rows = (row for row in self.rows if row.key != OUR_PRESET)
        return encoder_notes(rows, self.by_key[LIMIT])

    def lines(self) -> list[str]:
        """For people."""
        by_key = self.by_key
        lines = table(self.rows, by_key.get("deface"), by_key[LIMIT])
        lines += table(self.memory, None, None)[1:]
        if self.no_deface:
            lines.append(f"deface: absent: {self.no_deface}")
        lines += self.encoder_notes()
        if max(self.loads) > (os.cpu_count() or 1) / 2:
            lines.append(f"the machine was busy: load {self.loads} before the rounds")
        flat = figures(by_key).items()
        return [*lines, *(f"{name} {'-' if value is None else value}" for name, value in flat)]

    def document(self) -> dict[str, object]:
        """For programs."""
        host = machine("faceguard-edge", "av", "numpy", "onnxruntime", "opencv-python-headless")
        libraries = {name: ".".join(map(str, v)) for name, v in av.library_versions.items()}
        rows = [row.told() for row in [*self.rows, *self.memory]]
        if self.no_deface:
            rows += [{"key": key, "absent": self.no_deface} for key in DEFACE]
        return {
            "benchmark": "redact",
            "preset": PRESET,
            "crf": CRF,
            "figures": figures(self.by_key),
            "rows": rows,
            "encoder_differences": self.encoder_notes(),
            "load_before_rounds": self.loads,
            "machine": {**host, "ffmpeg": libraries, "deface": self.deface_versions},
        }


def measure(clip: Path, scale: Scale, *, with_deface: bool, say: Callable[[str], None]) -> Report:
    """Everything, on one clip."""
    clips, folder = WORK / "clips", WORK / "out"
    folder.mkdir(parents=True, exist_ok=True)
    everything = len(remux.frame_times(clip))

    def cut(frames: int | None) -> Clip:
        if frames is None or frames >= everything:
            return Clip(clip, everything)
        path = clips / f"{clip.stem}-first-{frames}{clip.suffix}"
        return Clip(path, remux.first_frames(clip, frames, path))

    rows = own_rows(cut(scale.frames), scale)
    versions: dict[str, str] = {}
    absent = "left out by --skip-deface"
    if with_deface:
        try:
            python = peers.deface_environment(WORK / "deface", say)
            parts = ["deface", *peers.DEFACE_WITH, "opencv-python", "imageio-ffmpeg"]
            versions = peers.versions(python, *parts)
            rows = [*deface_rows(cut(scale.deface_frames), scale, python), *rows]
        except peers.NotHere as error:
            absent = str(error)
    loads = run_rounds(rows, folder, say)

    short = cut(scale.short)
    path = clips / f"{clip.stem}-{short.frames}-times-{scale.longer}{clip.suffix}"
    medium = ["--preset", PRESET]
    memory = [Row("memory_short", "faceguard, short clip", short, ours(short, *medium), 1)]
    measured_before = next(row for row in rows if row.key == OURS)
    if measured_before.clip == short:
        memory = [replace(measured_before, key="memory_short", label="faceguard, short clip")]
    long = Clip(path, remux.repeated(short.path, scale.longer, path))
    memory.append(Row("memory_long", "faceguard, long clip", long, ours(long, *medium), 1))
    run_rounds([row for row in memory if not row.runs], folder, say)
    path.unlink()
    return Report(rows, memory, loads, versions, None if versions else absent)


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark; 0 when it measured, 2 when there is nothing to measure on."""
    parser = arguments("redact", __doc__, "short clips, one round: a minute")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="a video of your own")
    parser.add_argument("--skip-deface", action="store_true", help="leave deface out")
    options = parser.parse_args(argv)
    clip: Path | None = options.clip
    data = data_folder()
    if clip is None and data is not None:
        clip = data / CLIP
    if clip is None or not clip.is_file():
        where = f"{clip}: no such file" if clip else "the larger data set is not here"
        print(f"redact: {where}; set FACEGUARD_DATA to it or give --clip FILE", file=sys.stderr)
        return NOTHING_TO_MEASURE_ON

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        report = measure(
            clip,
            QUICK if options.quick else Scale(),
            with_deface=not options.skip_deface,
            say=say,
        )
    except (FaceguardError, av.error.FFmpegError) as error:
        print(f"redact: {error}", file=sys.stderr)
        return 1
    print("\n".join(report.lines()), flush=True)
    if options.json:
        document = {**report.document(), "quick": options.quick, "clip": clip.name}
        write_document(options.json, document)
    if report.by_key[OURS].absent:
        print(f"redact: faceguard did not run: {report.by_key[OURS].absent}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
