"""A child that may crash or hang, and what is heard of it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from faceguard.engines.child import ChildFailed, run_limited, signal_name


def _python(script):
    return [sys.executable, "-I", "-S", "-c", script]


def _gone(pid):
    for _ in range(500):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_hears_what_it_said_and_how_it_ended():
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    answer = run_limited(_python(script), limit_s=60)
    assert (answer.code, answer.out, answer.err) == (3, "out\n", "err\n")
    assert answer.crash is None


def test_reads_nothing_and_speaks_english():
    script = "import os, sys; print(repr(sys.stdin.read()), os.environ['LC_ALL'])"
    assert run_limited(_python(script), limit_s=60).out == "'' C\n"


def test_bytes_that_are_no_text_are_replaced():
    script = "import sys; sys.stdout.buffer.write(b'a\\xff')"
    assert run_limited(_python(script), limit_s=60).out == "a\N{REPLACEMENT CHARACTER}"


def test_a_crash_has_a_name():
    answer = run_limited(_python("import os; os.abort()"), limit_s=60)
    assert answer.crash == "SIGABRT"


def test_a_signal_without_a_name():
    assert signal_name(signal.SIGSEGV) == "SIGSEGV"
    assert signal_name(250) == "signal 250"


def test_a_hang_is_given_up_with_all_its_children(tmp_path):
    told = tmp_path / "pid"
    script = (
        "import subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(told)!r}, 'w').write(str(inner.pid))\n"
        "time.sleep(600)"
    )
    with pytest.raises(ChildFailed, match="no answer within 2 s"):
        run_limited(_python(script), limit_s=2)
    assert _gone(int(told.read_text()))


def test_an_interrupt_takes_the_child_along(tmp_path):
    told = tmp_path / "pid"
    script = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    def interrupt():
        while not (told.exists() and told.read_text()):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_limited(_python(script), limit_s=60)
    assert _gone(int(told.read_text()))


def test_a_program_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        run_limited(["/nonexistent/program"], limit_s=1)
