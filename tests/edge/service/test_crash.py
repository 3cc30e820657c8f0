"""A process that crashes leaves no memory behind: real crashes, as this machine takes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faceguard.edge.outputs.status import Life, StatusFile, read_status
from tests.edge.service.sandbox import SET_DUMPABLE, forbidding

PATTERN = Path("/proc/sys/kernel/core_pattern")
# As `ulimit -c unlimited`, as far as this user may.
UNLIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
"""
CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
FORBID = "from faceguard.edge.service.crash import no_core_dumps; no_core_dumps(); "
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CRASH!r}]); "
DUMPABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3))"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def ended(code: str, where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", UNLIMITED + code, *words],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def left_by(code: str, where: Path) -> list[Path]:
    """What a process that crashes leaves in its folder."""
    where.mkdir()
    assert ended(code, where).returncode == -signal.SIGSEGV
    return list(where.iterdir())


@pytest.fixture
def crashes_leave_cores(tmp_path: Path) -> None:
    """Skips where this machine puts no core into the folder of the process."""
    if not left_by(CRASH, tmp_path / "control"):
        pytest.skip(f"cores go elsewhere here: {PATTERN.read_text().strip()}")


@pytest.mark.usefixtures("crashes_leave_cores")
def test_a_crash_leaves_no_core(tmp_path):
    assert left_by(FORBID + CRASH, tmp_path / "own") == []


@pytest.mark.usefixtures("crashes_leave_cores")
def test_nor_does_the_crash_of_a_child(tmp_path):
    assert left_by(CHILD + CRASH, tmp_path / "control-of-child")
    assert left_by(FORBID + CHILD + CRASH, tmp_path / "child") == []


def test_limit_and_flag_are_set_whoever_takes_cores(tmp_path):
    """A program that takes cores gets them whatever the limit, but for a limit of one byte."""
    show = "print(open('/proc/self/limits').read()); "
    told = ended(FORBID + show + DUMPABLE, tmp_path).stdout
    found = next(line.split()[4:6] for line in told.splitlines() if "core file size" in line)
    assert found in (["1", "1"], ["0", "0"])  # the latter where more was never allowed
    assert told.splitlines()[-1] == "0"
    assert ended(DUMPABLE, tmp_path).stdout == "1\n"


def test_a_limit_of_nothing_stays(tmp_path):
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); "
        f"{FORBID} print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    assert ended(code, tmp_path).stdout == "(0, 0)\n"


def test_where_a_sandbox_forbids_the_flag_the_limit_holds_and_it_is_told(tmp_path):
    show = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    done = ended(forbidding(SET_DUMPABLE) + FORBID + show, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout in ("1\n", "0\n")
    assert "may be dumped to a program (Operation not permitted)" in done.stderr


HOLD = """
import os, sys
from pathlib import Path
from faceguard.edge.outputs.status import StatusFile
from faceguard.edge.service.crash import no_core_dumps
os.chdir("/")
if os.geteuid() == 0 and len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
no_core_dumps()
StatusFile(Path(sys.argv[1]), "front").write({"pid": os.getpid()})
print("written", flush=True)
sys.stdin.read()
"""
READ = """
import os, sys
from pathlib import Path
from faceguard.edge.outputs.status import read_status
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
print(read_status(Path(sys.argv[1]), "front").life.name)
"""


@pytest.mark.parametrize("user", [None, pytest.param("65534", marks=as_root)])
def test_the_status_of_such_a_process_is_still_understood(tmp_path, user):
    """Much of its /proc belongs to root, but not what says that it lives."""
    tmp_path.chmod(0o777)
    for above in tmp_path.parents:
        if above != Path("/") and above.stat().st_uid == os.geteuid():
            above.chmod(above.stat().st_mode | 0o711)
    words = [str(tmp_path)] if user is None else [str(tmp_path), user]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "written\n"
        # `open` of its environment would work for its own user otherwise.
        assert Path(f"/proc/{child.pid}/environ").stat().st_uid == 0
        assert ended(READ, tmp_path, *words).stdout == "WELL\n"
        assert read_status(tmp_path, "front").life is Life.WELL
        child.kill()
        child.wait(20)
        assert read_status(tmp_path, "front").life is Life.GONE
    StatusFile(tmp_path, "front").close()
