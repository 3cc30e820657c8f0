"""`faceguard thermal` as people and programs use it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faceguard.edge.cli import main
from faceguard.edge.commands import thermal
from faceguard.edge.heat.governing.governor import COOL
from faceguard.edge.heat.traces.replay import replay
from faceguard.edge.heat.traces.trace_file import TraceFile, read_trace
from faceguard.engines.errors import InputError, OutputError, UsageError
from tests.edge.heat.sys_tree import no_leftovers, orin_nano, until, zone
from tests.edge.heat.traces import fill, seconds_of, survey, warming, written

Said = pytest.CaptureFixture[str]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return written(tmp_path / "a.csv", seconds_of(warming(300, to_c=82.0)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    orin_nano(tmp_path / "root")
    return tmp_path / "root"


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    thermal.add_arguments(parser)
    return parser.parse_args(words)


def record(root: Path, *words: str) -> int:
    return thermal.record_here(parsed("record", *words), root)


def test_a_replay_is_the_same(trace: Path, capsys: Said) -> None:
    assert main(["thermal", "replay", str(trace)]) == 0
    assert capsys.readouterr().out == "300 rows, the same decisions\n"
    assert main(["thermal", "replay", "--json", str(trace)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("versions")
    assert told == {"rows": 300, "sections": 1, "same": True, "differs": None}


def test_a_replay_that_differs_says_where(trace: Path, capsys: Said) -> None:
    lines = trace.read_text().splitlines()
    names, cells = lines[1].split(","), lines[120].split(",")
    cells[names.index("reason")] = "whim"
    lines[120] = ",".join(cells)
    trace.write_text("\n".join(lines) + "\n")
    assert main(["thermal", "replay", str(trace)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == (
        "row 119 (line 121, 2030-03-17T18:05:18.000Z): another decision than was recorded"
    )
    assert told[3].split() == ["reason", "whim", *COOL.split()]
    assert len(told) == 4
    assert main(["thermal", "replay", "--json", str(trace)]) == 1
    differs = json.loads(capsys.readouterr().out)["differs"]
    assert differs["fields"] == {"reason": {"recorded": "whim", "now": COOL}}
    assert (differs["row"], differs["line"]) == (119, 121)


def test_another_version_is_named_where_it_differs(trace: Path, capsys: Said) -> None:
    text = trace.read_text().replace(",75.0,", ",74.0,")
    trace.write_text(text.replace('"version": "', '"version": "9.'))
    assert main(["thermal", "replay", str(trace)]) == 1
    assert "faceguard 9." in capsys.readouterr().out


def test_a_replay_of_no_trace_is_one_line(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert main(["thermal", "replay", str(tmp_path / "a.csv")]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"faceguard: {tmp_path}/a.csv: is no trace of faceguard\n"


def config(folder: Path, **thermal_keys: float) -> str:
    keys = ", ".join(f"{key}: {value}" for key, value in thermal_keys.items())
    path = folder / "camera.yaml"
    path.write_text(f"camera: {{kind: synthetic, rate: 12}}\nthermal: {{{keys}}}\n")
    return str(path)


def test_other_settings_are_tried(trace: Path, tmp_path: Path, capsys: Said) -> None:
    words = ["thermal", "replay", str(trace), "--config", config(tmp_path, limit_c=60)]
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == ["recorded", "tried"]
    assert told[1].split() == ["rows", "300", "300"]
    assert [line.split("  ")[0] for line in told[2:8]] == [
        "changes of level",
        "share of frames",
        "highest temperature",
        "above the limit",
        "without output",
        "blind",
    ]
    assert "Temperatures stay those that were recorded" in told[-1]
    assert main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["tried"]["over_s"] > figures["recorded"]["over_s"]
    assert figures["tried"]["share"] < figures["recorded"]["share"]
    bad = config(tmp_path, limit_c=1000)
    assert main(["thermal", "replay", str(trace), "--config", bad]) == 2


def test_a_picture(trace: Path, tmp_path: Path, capsys: Said) -> None:
    pytest.importorskip("matplotlib")
    words = ["thermal", "plot", str(trace), "-o", str(tmp_path / "a.png")]
    assert main(words) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert main(words) == 1
    assert "use --force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    assert main(["thermal", "plot", str(trace), "-o", str(tmp_path / "no" / "a.png")]) == 5
    assert main(["thermal", "plot", str(tmp_path / "no.csv"), "-o", str(tmp_path / "b.png")]) == 1


def test_what_is_recorded_here_is_replayed(root: Path, tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "b.csv"
    with no_leftovers():
        assert record(root, "-o", str(path), "--seconds", "2") == 0
    assert capsys.readouterr().err == f"faceguard: {path}: 2 rows\n"
    entries = list(read_trace(path))
    assert [entry.row.reading.zone for entry in entries] == ["tj-thermal"] * 2
    assert entries[0].row.survey.zones["cv0-thermal"].temperature_c.reason is not None
    assert entries[0].row.survey.mode == "25W"
    assert entries[0].row.rate is None
    # A second apart, whatever one look took; a machine that halts makes it more.
    assert entries[1].row.at_ns - entries[0].row.at_ns > 0.5e9
    assert replay(read_trace(path)).differs is None
    assert main(["thermal", "replay", str(path)]) == 0


def test_it_records_what_a_configuration_would_do(root: Path, tmp_path: Path) -> None:
    path, wanted = tmp_path / "b.csv", config(tmp_path, limit_c=42, emergency_c=3)
    record(root, "-o", str(path), "--seconds", "1", "-q", "--config", wanted)
    (entry,) = read_trace(path)
    assert entry.section.settings.limit_c == 42
    assert entry.row.budget.paused  # the board has 48.5 C
    assert entry.row.rate == 12


def test_a_file_that_exists_stays(root: Path, tmp_path: Path, capsys: Said) -> None:
    path = tmp_path / "b.csv"
    path.write_text("mine")
    assert main(["thermal", "record", "-o", str(path)]) == 1
    assert "use --force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert record(root, "-o", str(path), "--seconds", "1", "--force") == 0
    assert len(list(read_trace(path))) == 1


def test_a_running_camera_s_trace_is_never_replaced(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    first, second = seconds_of(warming(2))
    with TraceFile(path, 1.0) as live:
        live.add(*first)
        with pytest.raises(
            OutputError, match=r"a running camera.*; name another file, or stop"
        ) as no:
            record(root, "-o", str(path), "--seconds", "1", "--force")
        assert "\n" not in str(no.value)
        assert [entry.name for entry in tmp_path.iterdir() if entry != root] == ["live.csv"]
        live.add(*second)
    assert len(list(read_trace(path))) == 2
    assert record(root, "-o", str(path), "--seconds", "1", "--force", "-q") == 0
    assert len(list(read_trace(path))) == 1


def test_a_camera_that_began_meanwhile_keeps_its_trace(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.csv"
    running = started(root, "-o", str(path), "--force")
    until(lambda: any(part.stat().st_size for part in tmp_path.glob(".live.*.part.csv")))
    with TraceFile(path, 1.0) as live:
        live.add(*seconds_of(warming(1))[0])
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 5
    assert "a running camera keeps its trace there" in told.splitlines()[-1]
    assert len(list(read_trace(path))) == 1
    assert not list(tmp_path.glob(".live.*"))


def test_a_machine_without_sensors_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(InputError, match=r"no sensor to record.*; load the driver") as told:
        record(tmp_path / "root", "-o", str(tmp_path / "b.csv"))
    assert "\n" not in str(told.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["root"]


def test_a_machine_that_cannot_read_its_zones_records_why(tmp_path: Path, capsys: Said) -> None:
    zone(tmp_path / "root", 0, "cv0-thermal", "")
    record(tmp_path / "root", "-o", str(tmp_path / "b.csv"), "--seconds", "1", "-q")
    assert "no temperature can be read here" in capsys.readouterr().err
    (entry,) = read_trace(tmp_path / "b.csv")
    assert entry.row.reading.blind is not None


def test_no_seconds_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        record(root, "-o", str(tmp_path / "b.csv"), "--seconds", "0")


def test_a_full_disk_leaves_nothing(root: Path, small_disk: Path, tmp_path: Path) -> None:
    """In a process of its own, since the whole command is what must tell it."""
    fill(small_disk)
    done = started(root, "-o", str(small_disk / "b.csv"), "--seconds", "30")
    _, told = done.communicate(timeout=120)
    assert done.returncode == 5
    assert told.startswith(f"faceguard: {small_disk}/b.csv: no space is left there; ")
    assert len(told.splitlines()) == 1
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]


DRIVER = """
import sys
from pathlib import Path
from faceguard.edge import cli
from faceguard.edge.commands import thermal
thermal._ROOT = Path(sys.argv.pop(1))
cli.faceguard()
"""


def started(root: Path, *words: str) -> subprocess.Popen[str]:
    """`faceguard thermal record`, on a machine whose files are below a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(root), "thermal", "record", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "stopped")],
)
def test_ctrl_c_leaves_a_whole_file(
    root: Path, tmp_path: Path, sent: signal.Signals, code: int, word: str
) -> None:
    path = tmp_path / "out" / "b.csv"
    path.parent.mkdir()
    running = started(root, "-o", str(path))

    def rows() -> int:
        parts = list(path.parent.glob(".b.*.part.csv"))
        return parts[0].read_bytes().count(b"\n") - 2 if parts else 0

    until(lambda: rows() >= 2)
    assert not path.exists()
    running.send_signal(sent)
    _, told = running.communicate(timeout=60)
    assert running.returncode == code
    assert told.splitlines()[-1] == f"faceguard: {word}"
    assert len(list(read_trace(path))) >= 2
    assert replay(read_trace(path)).differs is None
    assert os.listdir(path.parent) == ["b.csv"]  # noqa: PTH208 - hidden ones too


def test_standard_output_gets_rows_as_they_come(root: Path, tmp_path: Path) -> None:
    running = started(root, "-o", "-", "--config", config(tmp_path))
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(4)]
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    (tmp_path / "b.csv").write_text("".join(lines))
    assert len(list(read_trace(tmp_path / "b.csv"))) == 2
    # Whoever reads may leave.
    running = started(root, "-o", "-")
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    running.stdout = None
    _, told = running.communicate(timeout=60)
    assert running.returncode == 0
    assert told == ""


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom faceguard.edge.cli import main\n"
        "try:\n    main(['thermal', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'matplotlib', 'cv2', 'pydantic', 'av', 'onnxruntime'}\n"
        "print(heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "record" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_short_trace_of_one_row(tmp_path: Path, capsys: Said) -> None:
    path = written(tmp_path / "one.csv", seconds_of([survey(50.0)]))
    assert main(["thermal", "replay", str(path)]) == 0
    assert capsys.readouterr().out == "1 row, the same decisions\n"
