"""The commands as a user calls them, and what a store of one's own holds."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from faceguard.edge.cli import main
from tests.convert.engine.conftest import pictures, small, store

__all__ = ["pictures", "small", "store"]

SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True)
class Ended:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says what is wrong; besides it stand lines of progress only."""
        lines = [line for line in self.err.splitlines() if not line.startswith("faceguard: ")]
        assert len(lines) == 1, self.err
        return lines[0]

    @property
    def usage(self) -> str:
        """The last line of what argparse says, which begins with how the command is called."""
        assert self.code == 2
        assert self.err.startswith("usage: ")
        assert self.out == ""
        return self.err.splitlines()[-1]


def program(name: str, *words: object) -> Ended:
    """Calls the program that was installed."""
    script = SCRIPTS / name
    if not script.exists():
        pytest.skip(f"{name} is not installed beside this Python")
    ended = subprocess.run(
        [str(script), *map(str, words)], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Traceback" not in ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]):
    """Calls what the program calls, in this process: quicker."""

    def run(name: str, *words: object) -> Ended:
        capsys.readouterr()
        asked = [str(word) for word in words]
        if name == "convert-engine":
            asked.insert(0, name)
        try:
            code = main(asked, program=name)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return run


@pytest.fixture(autouse=True)
def _no_folders_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the folder that a command runs in is the test's own."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
