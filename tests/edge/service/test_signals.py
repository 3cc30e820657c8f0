"""Signals, sent for real to this process and to others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from faceguard.edge.service.signals import Signal, Signals
from tests.edge.service.left import descriptors

LONG_S = 30.0


@pytest.mark.parametrize(
    ("number", "meaning"),
    [
        (signal.SIGTERM, Signal.STOP),
        (signal.SIGINT, Signal.INTERRUPT),
        (signal.SIGHUP, Signal.RELOAD),
    ],
)
def test_each_is_waited_for(number, meaning):
    with Signals() as signals:
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        assert signals.wait(LONG_S) is meaning
        assert signals.wait(0) is None


def test_one_that_came_before_is_not_lost():
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert {signals.wait(LONG_S), signals.wait(LONG_S)} == {Signal.RELOAD, Signal.STOP}
        assert signals.wait(0) is None


def test_many_reloads_are_one():
    with Signals() as signals:
        for _ in range(1000):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signals.wait(LONG_S) is Signal.RELOAD
        assert signals.wait(0) is None


def test_other_threads_wake_it():
    with Signals() as signals:
        threading.Timer(0.05, signals.wake).start()
        assert signals.wait(LONG_S) is None
    signals.wake()


def test_what_was_before_is_put_back():
    before = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    before_open = descriptors()
    with Signals() as signals:
        assert signal.getsignal(signal.SIGTERM) != before[0]
    signals.close()
    after = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    assert after == before
    assert signal.set_wakeup_fd(wakeup) == wakeup
    assert descriptors() == before_open


def test_not_in_another_thread():
    with ThreadPoolExecutor(1) as other, pytest.raises(RuntimeError, match="main thread"):
        other.submit(Signals).result(10)


STUBBORN = """
import sys, threading, time
from faceguard.edge.service.signals import Signals
with Signals() as signals:
    print("ready", flush=True)
    while True:
        told = signals.wait(30)
        print(told.value, flush=True)
        # In short waits: a signal that comes just before a wait is handled only after it.
        until_s = time.monotonic() + 1.2
        while time.monotonic() < until_s:
            threading.Event().wait(0.02)
        print("still here", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_stop_ends_at_once(number):
    """The first is told; one right behind it is the same press; a later one ends the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() in ("stop\n", "interrupt\n")
        process.send_signal(number)
        assert process.stdout.readline() == "still here\n"
        process.send_signal(number)
        assert process.wait(30) == -number
