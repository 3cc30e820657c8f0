"""The command as people run it, above all where things are missing or broken."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from faceguard.edge.commands import doctor
from faceguard.edge.doctor.anonymous import Anonymizer
from faceguard.edge.doctor.finding import Check, Finding, State, examine
from faceguard.engines.store import PREPARER, Manifest

COMMAND = [sys.executable, "-m", "faceguard.edge.cli", "doctor"]
HEAVY = ("av", "cv2", "onnxruntime")
THIRD_PARTY = (*HEAVY, "numpy", "PIL", "pydantic", "yaml", "tqdm", "onnx")
BLOCKER = """
import os, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["BLOCKED"].split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""
SOURCE = b"what was fetched"
GRAPH = b"what was made of it"
CATALOGUE = """
default: face
entries:
  face:
    kind: model
    task: face-detection
    family: yunet
    about: x
    licence: MIT
    file: source.onnx
    bytes: 16
    sha256: {sha256}
    input: {{fixed_px: 128}}
    score: {{start: 0.5, keep: 0.5}}
    from: [{{url: "https://host.invalid/x"}}]
"""


class Machine:
    """A user of a machine with the tests' packages, and a store and a catalogue of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "jürgen"
        self.store = self.home / "data" / "faceguard" / "models"
        self.store.mkdir(parents=True)
        self.catalogue = self.home / "models.yaml"
        sha256 = hashlib.sha256(SOURCE).hexdigest()
        self.catalogue.write_text(CATALOGUE.format(sha256=sha256))
        hidden = {"FACEGUARD_MODELS", "NO_COLOR", "TERM"}
        self.environment = {k: v for k, v in os.environ.items() if k not in hidden} | {
            "HOME": str(self.home),
            "USER": "juergen-w",
            "XDG_DATA_HOME": str(self.home / "data"),
            "FACEGUARD_CATALOGUE": str(self.catalogue),
        }

    def pull(self) -> None:
        made = Manifest(
            name="face",
            source_sha256=hashlib.sha256(SOURCE).hexdigest(),
            sha256=hashlib.sha256(GRAPH).hexdigest(),
            preparer=PREPARER,
        )
        (self.store / "face.onnx").write_bytes(GRAPH)
        (self.store / "face.json").write_text(made.model_dump_json())

    def block(self, folder: Path, modules: tuple[str, ...]) -> None:
        (folder / "sitecustomize.py").write_text(BLOCKER)
        self.environment |= {"PYTHONPATH": str(folder), "BLOCKED": " ".join(modules)}

    def doctor(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *options], env=self.environment, capture_output=True, text=True, check=False
        )

    def findings(self, code: int) -> dict[str, dict[str, str | None]]:
        done = self.doctor("--json")
        assert done.stderr == ""
        assert done.returncode == code
        return {row.pop("name"): row for row in json.loads(done.stdout)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_all_is_here(machine: Machine) -> None:
    machine.pull()
    found = machine.findings(0)
    assert {row["state"] for row in found.values()} <= {"ok", "note"}
    for name in ("NumPy", "OpenCV", "ONNX Runtime", "PyAV", "encoder libx264", "model face"):
        assert found[name]["state"] == "ok", found[name]
    assert "CPU" in str(found["ONNX Runtime"]["detail"])
    assert {"RTSP server", "web server"} <= set(found)


def test_model_that_was_not_pulled_or_is_damaged(machine: Machine) -> None:
    row = machine.findings(1)["model face"]
    assert row["state"] == "missing"
    assert row["detail"] == "face is not on this machine"
    assert row["mend"] == "faceguard models pull face"
    machine.pull()
    (machine.store / "face.onnx").write_bytes(b"damaged")
    row = machine.findings(1)["model face"]
    assert (row["state"], row["mend"]) == ("missing", "faceguard models pull face")
    assert str(row["detail"]).startswith(
        "corrupt: $XDG_DATA_HOME/faceguard/models/face.onnx: sha256 is "
    )


def test_wrong_settings_are_told(machine: Machine) -> None:
    machine.environment["FACEGUARD_MODELS"] = "absent"
    assert machine.findings(1)["models"]["detail"] == "FACEGUARD_MODELS names no folder"
    del machine.environment["FACEGUARD_MODELS"]
    machine.catalogue.write_text("entries: {")
    row = machine.findings(1)["models"]
    assert str(row["detail"]).startswith("$FACEGUARD_CATALOGUE:1: not YAML")


@pytest.mark.parametrize("modules", [HEAVY, THIRD_PARTY])
def test_runs_where_packages_are_missing(
    machine: Machine, tmp_path: Path, modules: tuple[str, ...]
) -> None:
    machine.pull()
    machine.block(tmp_path, modules)
    found = machine.findings(1)
    for name, package in [
        ("OpenCV", "pip install"),
        ("ONNX Runtime", "pip install onnxruntime"),
        ("PyAV", "pip install av"),
    ]:
        assert found[name]["state"] == "missing"
        assert str(found[name]["mend"]).startswith(package)
    if modules == THIRD_PARTY:
        assert (found["NumPy"]["state"], found["NumPy"]["detail"]) == ("missing", "not installed")
        assert found["models"]["state"] == "missing"
        assert "No module named" in str(found["models"]["detail"])
        assert found["onnx"]["state"] == "note"
    else:
        assert found["model face"]["state"] == "ok"


def test_loads_nothing_heavy_itself() -> None:
    code = (
        "import sys, faceguard.edge.cli, faceguard.edge.commands.doctor; "
        f"sys.exit(' '.join(set({THIRD_PARTY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_names_nobody_and_speaks_ascii(machine: Machine) -> None:
    machine.environment |= {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "de_DE.UTF-8"}
    (machine.store / "face.json").write_text("{")
    (machine.store / "face.onnx").write_text("{")
    done = machine.doctor()
    assert done.returncode == 1, done.stderr
    assert done.stdout.isascii()
    for name in ("rgen", "juergen-w"):
        assert name not in done.stdout
    lines = done.stdout.splitlines()
    row = next(index for index, line in enumerate(lines) if "model face" in line)
    assert lines[row].startswith("missing  model face ")
    assert lines[row + 1].strip() == "mend: faceguard models pull face"
    assert lines[-1] == "Missing: model face."


@pytest.mark.parametrize("no_color", ["", "1"])
def test_color_on_a_terminal_only(machine: Machine, no_color: str, tmp_path: Path) -> None:
    machine.block(tmp_path, THIRD_PARTY)
    machine.environment["NO_COLOR"] = no_color
    master, slave = pty.openpty()
    child = subprocess.Popen(COMMAND, env=machine.environment, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # how Linux says that the other end of a terminal is gone
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert child.wait() == 1
    assert (b"\x1b[31mmissing\x1b[0m" in shown) == (not no_color)
    assert (b"\x1b" in shown) == (not no_color)


def test_failing_check_becomes_a_line() -> None:
    def broken() -> list[Finding]:
        raise OSError(5, "Input/output error", "/home/jane/x")

    fine = Finding("fine", State.OK, "yes")
    found = list(
        examine(
            [Check("a", broken, needed=True), Check("b", broken), Check("c", lambda: [fine])],
            Anonymizer({}),
        )
    )
    assert [(f.name, f.state) for f in found] == [
        ("a", State.MISSING),
        ("b", State.NOTE),
        ("fine", State.OK),
    ]
    assert "Input/output error" in found[0].detail
    assert "jane" not in found[0].detail


def test_empty_root_fails_no_check_outright(tmp_path: Path) -> None:
    names = {"system", "Python", "CPU", "memory", "Jetson", "GPU", "cameras"}
    looks = [check for check in doctor.checks(tmp_path) if check.name in names]
    found = list(examine(looks, Anonymizer({})))
    assert {f.name for f in found} >= {"system", "Python", "CPU", "memory", "GPU", "cameras"}
    assert State.MISSING not in {f.state for f in found}


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cannot read /home/jane/models/a.onnx: no", "cannot read ~/models/a.onnx: no"),
        ("/home/jane/w k/x.json is bad", "./x.json is bad"),
        ("/home/janet/a.onnx", ".../a.onnx"),
        ("at /media/jane/stick", "at ..."),
        (
            "/usr/lib/libGL.so.1: gone, /dev/video0 too",
            "/usr/lib/libGL.so.1: gone, /dev/video0 too",
        ),
        ("two\nlines\0 here", "two lines here"),
        ("caf\u00e9 \x1b[31m", "caf\\xe9 \\x1b[31m"),
        ("H.264/AVC at 1/25 s", "H.264/AVC at 1/25 s"),
    ],
)
def test_anonymizer(text: str, clean: str) -> None:
    folders = {"/home/jane": "~", "/home/jane/w k": ".", "/": "nowhere", "": "unset"}
    assert Anonymizer(folders).clean(text) == clean
