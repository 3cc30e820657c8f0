"""The supervisor and a network camera in another process that is hung up on, frozen and killed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from faceguard.edge.budget import UNLIMITED
from faceguard.edge.cameras.registry import open_camera
from faceguard.edge.config.camera import RtspCamera, Supervision
from faceguard.edge.events import Event
from faceguard.edge.live.capture import Capture
from faceguard.edge.live.health import State
from faceguard.edge.meters import Meters
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.slot import Closed, Slot
from faceguard.edge.types import Frame
from tests.edge.live.shaky_camera import wait_until
from tests.edge.rtsp_server import RtspServer

SETTINGS = Supervision(
    frozen_after_s=1.0, open_within_s=5.0, retry_first_s=0.05, retry_longest_s=0.3
)


class Seen:
    """Takes frames all the time, and keeps what tells their order."""

    def __init__(self, slot: Slot[Frame]) -> None:
        self.frames: list[tuple[int, int, int]] = []
        self._slot = slot
        self._thread = threading.Thread(target=self._take)

    def __enter__(self) -> Seen:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _take(self) -> None:
        for frame in self._slot:
            self.frames.append((frame.index, frame.pts, frame.session))


@pytest.fixture
def camera() -> Iterator[RtspServer]:
    with RtspServer(size=(320, 240), rate=25, pattern="ball") as server:
        yield server


def test_a_network_camera_comes_back_whatever_happens_to_it(camera, caplog):
    slot: Slot[Frame] = Slot(2)
    meters, events = Meters(), list[Event]()
    config = RtspCamera(kind="rtsp", url=camera.url)
    threads = set(threading.enumerate())
    capture = Capture(
        lambda: open_camera(config, open_within_s=5.0, silent_after_s=1.5),
        lambda: SETTINGS,
        slot,
        meters,
        Quiet(meters),
        epoch_ns=time.monotonic_ns(),
        budget=lambda: UNLIMITED,
        on_event=events.append,
    )

    def is_up(session: int) -> bool:
        return capture.health.state is State.UP and capture.health.session >= session

    with Seen(slot) as seen, capture:
        capture.start()
        wait_until(lambda: is_up(1) and len(seen.frames) > 5, str(capture.health))
        camera.hang_up()
        wait_until(lambda: is_up(2), str(capture.health))

        camera.freeze()
        frozen_s = time.monotonic()
        wait_until(lambda: capture.health.state is State.LOST)
        assert capture.health.cause in ("silent", "frozen")
        assert time.monotonic() - frozen_s < 10
        camera.thaw()
        wait_until(lambda: is_up(3), str(capture.health))

        camera.kill()
        wait_until(lambda: capture.health.cause == "absent", str(capture.health))
        before = len(seen.frames)
        camera.start()
        session = capture.health.session + 1
        wait_until(lambda: is_up(session) and len(seen.frames) > before + 5, str(capture.health))

    for one, other in itertools.pairwise(seen.frames):
        assert other[0] > one[0]
        assert other[1] > one[1]
        assert other[2] >= one[2]
    assert meters.value("camera_failures_total", cause="lost") >= 1
    assert meters.value("camera_failures_total", cause="absent") >= 1
    hung = ("silent", "frozen")
    assert sum(meters.value("camera_failures_total", cause=cause) for cause in hung) >= 1
    assert str(camera.port) not in caplog.text
    with pytest.raises(Closed):
        slot.take(0)
    wait_until(lambda: set(threading.enumerate()) <= threads, "threads are left")
