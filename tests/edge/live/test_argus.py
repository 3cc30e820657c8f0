"""Restarting nvargus-daemon, with a real `systemctl` in the PATH that does as it is told."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faceguard.edge.live import connection
from faceguard.edge.live.argus import ArgusRestarter
from faceguard.edge.live.health import State
from faceguard.engines.errors import CameraAbsent, CameraLost, CameraSilent
from tests.edge.live.shaky_camera import Bench, Hang, Pictures, quick, wait_until

# As systemd words them.
DENIED = "Failed to restart nvargus-daemon.service: Interactive authentication required."
UNKNOWN = "Failed to restart nvargus-daemon.service: Unit nvargus-daemon.service not found."
Systemctl = Callable[[str], Path]


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    """Puts a `systemctl` into the PATH that notes its calls and then does what it is given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"
    calls.touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(then: str) -> Path:
        script = folder / "systemctl"
        # $$ is its number, so that a test can see that nothing of it is left.
        script.write_text(f'#!/bin/sh\necho "$$ $@" >> {calls}\n{then}\n')
        script.chmod(0o755)
        return calls

    return make


def lines(calls: Path) -> list[str]:
    return calls.read_text().splitlines()


def is_alive(calls: Path) -> bool:
    return any(Path("/proc", line.split()[0]).exists() for line in lines(calls))


def test_it_is_restarted_three_times_an_hour_at_most(systemctl):
    calls = systemctl("exit 0")
    now_s = 1000.0
    argus = ArgusRestarter(clock_s=lambda: now_s)
    for _ in range(3):
        assert argus.restart().restarted
        now_s += 600
    refused = argus.restart()
    assert not refused.restarted
    assert "three times within the hour" in refused.says
    assert argus.restart().says == "", "said twice"
    assert len(lines(calls)) == 3
    assert all(line.endswith(" restart nvargus-daemon") for line in lines(calls))
    # An hour after the first, one is free again, and only one.
    now_s = 1000.0 + 3600
    assert argus.restart().restarted
    assert not argus.restart().restarted


@pytest.mark.parametrize(
    ("says", "mend"),
    [
        (DENIED, "polkit rule"),
        ("Failed to restart nvargus-daemon.service: Access denied", "polkit rule"),
        (UNKNOWN, "no such unit"),
        ("Job for nvargus-daemon.service failed.", "systemctl status nvargus-daemon"),
        ("", "exit code 5"),
    ],
)
def test_a_failure_is_said_once_with_its_mend(systemctl, says, mend):
    systemctl(f'echo "{says}" >&2; exit 5')
    argus = ArgusRestarter()
    first = argus.restart()
    assert not first.restarted
    assert mend in first.says
    assert says.rstrip(".") in first.says
    assert "restart_argus" in first.says
    assert "\n" not in first.says
    assert argus.restart().says == ""


def test_there_may_be_no_systemctl(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    attempt = ArgusRestarter().restart()
    assert not attempt.restarted
    assert "systemctl cannot be run (No such file or directory)" in attempt.says


def test_one_that_hangs_is_ended_with_all_that_it_started(systemctl):
    calls = systemctl("sleep 1000 & echo $! x >> $0.child; sleep 1000")
    attempt = ArgusRestarter(limit_s=0.3).restart()
    assert not attempt.restarted
    assert "more than 0.3 s" in attempt.says
    assert not is_alive(calls)
    child = Path(os.environ["PATH"].split(":")[0], "systemctl.child").read_text().split()[0]

    def has_ended() -> bool:
        try:
            return " Z " in Path("/proc", child, "stat").read_text()
        except OSError:
            return True

    wait_until(has_ended, "its child lives on")


def test_cancelling_ends_it_at_once_and_for_good(systemctl):
    calls = systemctl("sleep 1000")
    argus = ArgusRestarter(limit_s=600)
    attempts = []
    thread = threading.Thread(target=lambda: attempts.append(argus.restart()))
    thread.start()
    wait_until(lambda: bool(lines(calls)))
    argus.cancel()
    thread.join(20)
    assert [attempt.restarted for attempt in attempts] == [False]
    assert not is_alive(calls)
    assert not argus.restart().restarted
    assert len(lines(calls)) == 1


def after_faults(*faults) -> Callable[[int], list[object]]:
    return lambda n: [faults[n - 1]] if n <= len(faults) else [Pictures()]


@pytest.mark.parametrize(
    ("faults", "restarts"),
    [
        ([CameraSilent("nothing"), CameraSilent("nothing")], 1),
        ([CameraSilent("nothing"), CameraAbsent("no sensor")], 1),
        ([CameraSilent("nothing")], 0),
        ([CameraSilent("nothing"), CameraLost("gone"), CameraSilent("nothing")], 0),
        ([CameraLost("gone")] * 5, 0),
        ([CameraSilent("nothing")] * 4, 2),
        ([CameraSilent("nothing")] * 9, 3),
    ],
)
def test_the_supervisor_restarts_it_after_two_hangs_in_a_row(systemctl, faults, restarts):
    calls = systemctl("exit 0")
    settings = quick(restart_argus=True)
    with Bench(after_faults(*faults), settings=settings, argus=ArgusRestarter()) as bench:
        wait_until(lambda: bench.health.state is State.UP)
    assert len(lines(calls)) == restarts
    assert bench.meters.value("argus_restarts_total") == restarts


def test_a_picture_that_froze_counts_as_a_hang(systemctl, monkeypatch):
    monkeypatch.setattr(connection, "_GRACE_S", 0.0)
    calls = systemctl("exit 0")
    hangs = [Hang(), Hang()]

    def script(number):
        return [Pictures(2), hangs[number - 1]] if number <= 2 else [Pictures()]

    settings = quick(restart_argus=True)
    with Bench(script, settings=settings, argus=ArgusRestarter()) as bench:
        wait_until(lambda: bench.health.session == 3)
    assert len(lines(calls)) == 1


@pytest.mark.parametrize("allowed", [True, False])
def test_it_is_left_alone_unless_allowed_and_csi(systemctl, allowed):
    calls = systemctl("exit 0")
    argus = None if allowed else ArgusRestarter()
    settings = quick(restart_argus=allowed)
    with Bench(after_faults(*[CameraSilent("x")] * 6), settings=settings, argus=argus) as bench:
        wait_until(lambda: bench.health.state is State.UP)
    assert lines(calls) == []


def test_the_log_has_the_mend_and_the_camera_is_tried_all_the_same(systemctl, caplog):
    systemctl(f'echo "{DENIED}" >&2; exit 4')
    faults = [CameraSilent("nothing")] * 6
    settings = quick(restart_argus=True)
    with Bench(after_faults(*faults), settings=settings, argus=ArgusRestarter()) as bench:
        wait_until(lambda: bench.health.state is State.UP)
    assert caplog.text.count("polkit rule") == 1
    assert bench.meters.value("argus_restarts_total") == 0


def test_closing_does_not_wait_for_a_restart_that_hangs(systemctl):
    calls = systemctl("sleep 1000")
    settings = quick(restart_argus=True)
    argus = ArgusRestarter(limit_s=600)
    with Bench(after_faults(*[CameraSilent("x")] * 9), settings=settings, argus=argus) as bench:
        wait_until(lambda: bool(lines(calls)))
        started_s = time.monotonic()
        bench.capture.close(1.0)
        assert time.monotonic() - started_s < 10
    wait_until(lambda: bench.health.state is State.ENDED)
    assert not is_alive(calls)
