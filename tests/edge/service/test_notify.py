"""systemd is told through a real datagram socket; and the watchdog gets nothing for nothing."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.edge.service.notify import Notifier, Pulse
from faceguard.edge.service.scrub import SCRUBBER
from tests.edge.service.left import descriptors


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(10)

    def hears(self) -> str:
        return self.socket.recv(4096).decode()

    def all_waiting(self) -> list[str]:
        self.socket.setblocking(False)
        heard = []
        with suppress(BlockingIOError):
            while True:
                heard.append(self.hears())
        return heard


@pytest.fixture(params=["path", "abstract"])
def address(request, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@faceguard-test-{os.getpid()}"


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    made = Manager(address)
    yield made
    made.socket.close()


@pytest.fixture
def notifier(address: str, manager: Manager) -> Iterator[Notifier]:
    with Notifier({"NOTIFY_SOCKET": address}) as made:
        yield made


def test_each_message(manager, notifier):
    notifier.ready()
    assert manager.hears() == "READY=1"
    notifier.status("25.0 frames/s\n61 C")
    assert manager.hears() == "STATUS=25.0 frames/s 61 C"
    notifier.alive()
    assert manager.hears() == "WATCHDOG=1"
    notifier.stopping()
    assert manager.hears() == "STOPPING=1"


def test_a_reload_says_when_it_began(manager, notifier):
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    first, second = manager.hears().split("\n")
    assert first == "RELOADING=1"
    key, value = second.split("=")
    assert key == "MONOTONIC_USEC"
    assert before <= int(value) <= time.monotonic_ns() // 1000


def test_a_status_holds_no_secret(manager, notifier):
    SCRUBBER.add("blue-horse-77")
    notifier.status("camera rtsp://192.0.2.7/live refused blue-horse-77")
    assert manager.hears() == "STATUS=camera rtsp://*** refused ***"


def test_a_full_socket_is_not_waited_for_and_loses_no_state(manager, notifier):
    for _ in range(10_000):  # any socket is full after that
        notifier.alive()
    notifier.ready()
    notifier.alive()
    heard = manager.all_waiting()
    assert 0 < len(heard) < 10_000
    assert "READY=1" not in heard
    notifier.status("fine")
    assert manager.all_waiting() == ["READY=1", "STATUS=fine"]


def test_several_threads_may_speak(manager, notifier):
    """The deliver room says that it is ready while the main thread tells the status."""
    gate = threading.Barrier(4)

    def speak() -> None:
        gate.wait(10)
        for number in range(500):
            notifier.ready()
            notifier.status(str(number))

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    heard: list[str] = []
    while len([one for one in heard if one == "STATUS=last"]) == 0:
        heard += manager.all_waiting()
        if not any(thread.is_alive() for thread in threads):
            notifier.status("last")
    for thread in threads:
        thread.join(10)
    assert "READY=1" in heard
    assert all(one == "READY=1" or one.startswith("STATUS=") for one in heard)


def test_a_manager_that_has_gone_is_no_trouble(manager, notifier):
    manager.socket.close()
    notifier.ready()
    notifier.alive()


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "relative/path", "@"])
def test_without_a_manager_nothing_happens(name):
    with Notifier({"NOTIFY_SOCKET": name}) as notifier:
        notifier.ready()
        notifier.status("x")
        notifier.alive()
        notifier.reloading()
        notifier.stopping()
        assert notifier.watchdog_s is None
    with Notifier({}) as notifier:
        notifier.ready()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdogs_interval(environment, seconds):
    assert Notifier(environment).watchdog_s == seconds


def test_no_descriptor_is_left(address, manager):
    before = descriptors()
    for _ in range(20):
        with Notifier({"NOTIFY_SOCKET": address}) as notifier:
            notifier.ready()
        notifier.alive()
        notifier.close()
    assert descriptors() == before


class Counting(Notifier):
    """Counts the meals."""

    def __init__(self) -> None:
        super().__init__({})
        self.meals = 0

    def alive(self) -> None:
        self.meals += 1


@given(st.lists(st.sampled_from(["beat", "feed"]), max_size=60))
def test_the_watchdog_is_fed_once_for_each_second_with_a_beat(steps):
    notifier = Counting()
    pulse = Pulse(notifier)
    want, beaten = 0, False
    for step in steps:
        if step == "beat":
            pulse.beat()
            beaten = True
        else:
            assert pulse.feed() is beaten
            want += beaten
            beaten = False
        assert notifier.meals == want
    if "beat" not in steps:
        assert notifier.meals == 0
