"""A whole camera for tests: the real rooms and outputs around a scene, and all that comes out.

What can be broken is given in: cameras, a detector, outputs of the kit. What comes out is kept and
looked at afterwards: raw pictures, recordings, snapshots, events, log, status, figures.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from prometheus_client import generate_latest

from faceguard.edge.av_image import view
from faceguard.edge.budget import UNLIMITED
from faceguard.edge.cameras.base import Camera
from faceguard.edge.config.read import read_config
from faceguard.edge.events import Event
from faceguard.edge.heat.felt import Felt
from faceguard.edge.live.current import Current
from faceguard.edge.live.outputs import Outputs
from faceguard.edge.live.rooms import Rooms
from faceguard.edge.live.rounds import Rounds, Views
from faceguard.edge.live.sharpener import Sharp
from faceguard.edge.live.upscaling import Upscaling, Use, open_model
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.status import StatusFile
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.lines import as_json, line_of
from faceguard.edge.service.notify import Notifier, Pulse
from faceguard.edge.service.quiet import Quiet
from faceguard.edge.service.scrub import SCRUBBER
from faceguard.edge.types import Cover, Image, SafeFrame
from faceguard.edge.verdict import FaceFinder
from faceguard.engines.closing import Closing
from tests.edge.live.faults import copied
from tests.edge.live.marks import assert_no_watermarks
from tests.edge.live.scene import STRIP_ROWS, Scene, Truthful, Watermarked, number_of
from tests.edge.outputs.recorder import closed
from tests.walking import files_in

NAME = "door"
PATIENCE_S = 20.0
# A row of so many numbers in a text would be a row of pixels.
_PIXELS = re.compile(r"(\d+[\s,;\[\]]+){10}|(\\x[0-9a-f]{2}){8}")
_FLAT = 8


@dataclass(frozen=True)
class Kept:
    """What went out, as a copy."""

    index: int
    session: int
    pts: int
    cover: Cover
    image: Image
    captured_ns: int

    @property
    def number(self) -> int | None:
        """The number of the scene's picture, where it can be read."""
        return number_of(self.image.planes[0])

    @property
    def is_slate(self) -> bool:
        return self.session == 0


class Keeper(Worker[SafeFrame]):
    """An output that keeps copies of all that it gets, and never drops anything."""

    def __init__(self, meters: Meters, quiet: Quiet) -> None:
        super().__init__("keeper", meters, quiet, wait=True)
        self.kept: list[Kept] = []

    def take(self, safe: SafeFrame) -> None:
        image = copied(safe.image)
        self.kept.append(
            Kept(safe.index, safe.session, safe.pts, safe.cover, image, safe.captured_ns)
        )


class HouseOutputs(Outputs):
    """The outputs of the configuration, and some more that take frames."""

    most_copies: int | None = None

    def add(self, *workers: Worker[SafeFrame]) -> None:
        self._frame_sinks += workers

    @property
    def copies(self) -> int:
        return super().copies if self.most_copies is None else self.most_copies

    @property
    def recordings(self) -> Any:
        return next(one for one in self._packet_sinks if one.name == "recordings")


class Records(logging.Handler):
    """Keeps log records."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class House(Closing):
    """The rooms of one camera with outputs in a folder; `start` lets it work.

    Attributes:
        scene: What is filmed.
        keeper: Has copies of all that went out.
        events: What the rooms told.
    """

    def __init__(
        self,
        folder: Path,
        scene: Scene,
        *,
        camera: Callable[[], Camera] | None = None,
        finder: FaceFinder | None = None,
        more: Callable[[Meters, Quiet], Iterable[Worker[SafeFrame]]] = lambda _meters, _quiet: (),
        outputs: Sequence[str] = ("recordings", "snapshots", "events"),
        wait: bool = False,
        copies: int | None = None,
        keep: bool = True,
        settings: dict[str, Any] | None = None,
        sharpen_with: Callable[[Use], Sharp] = open_model,
    ) -> None:
        """Builds it.

        Args:
            folder: Where outputs and the configuration go.
            scene: What is filmed.
            camera: Opens the camera; None: `Watermarked`, 100 frames a second.
            finder: Finds the faces; None: `Truthful`.
            more: Makes further outputs.
            outputs: Which outputs there are besides.
            wait: Whether recordings wait, as for files.
            copies: Size of the pool; None: as the outputs have it.
            keep: Whether all that goes out is kept.
            settings: Parts of the configuration that differ.
            sharpen_with: Opens the models of `upscale`, where the settings name some.
        """
        self.scene = scene
        self.folder = folder
        self.budget = UNLIMITED
        self.wall_s: Callable[[], float] = time.time
        self.events: list[Event] = []
        self.beats = 0
        self.ended = threading.Event()
        self.records = Records()
        self.meters = Meters()
        self.quiet = Quiet(self.meters)
        self._path = folder / "faceguard.yaml"
        self._settings = _settings(folder, outputs, settings or {})
        self._write()
        self.current = Current(read_config(self._path), self._path)
        self.upscaling = Upscaling(
            lambda: self.current.config,
            lambda: self.budget,
            self.meters,
            self.quiet,
            open_with=sharpen_with,
        )
        self.outputs = HouseOutputs(
            lambda: self.current.config,
            self.meters,
            self.quiet,
            rate=lambda: self.rooms.health.rate,
            on_event=self._happened,
            wait=wait,
            enlarge_snapshots=self.upscaling.snapshots,
        )
        self.keeper = Keeper(self.meters, self.quiet)
        self.more = list(more(self.meters, self.quiet))
        self.outputs.add(*([self.keeper] if keep else []), *self.more)
        self.outputs.most_copies = copies
        if "recordings" in outputs:
            self.outputs.recordings._wall_s = lambda: self.wall_s()
        self.rooms = Rooms(
            self.current,
            finder or Truthful(scene),
            self.outputs,
            self.meters,
            self.quiet,
            budget=lambda: self.budget,
            beat=self._beat,
            on_event=self._happened,
            on_face=self.outputs.tell,
            on_end=self.ended.set,
            open_with=camera or (lambda: Watermarked(scene, rate=100)),
            enlarger=self.upscaling.stream,
        )

    @property
    def kept(self) -> list[Kept]:
        """Copies of all that went out so far."""
        return self.keeper.kept

    @property
    def frames(self) -> list[Kept]:
        """Those that are no slates."""
        return [one for one in self.kept if not one.is_slate]

    def start(self) -> House:
        logging.getLogger("faceguard").addHandler(self.records)
        self.outputs.start()
        self.rooms.start()
        return self

    def change(self, **parts: dict[str, Any]) -> None:
        """Changes the configuration's file and has it read again, as SIGHUP does."""
        for part, keys in parts.items():
            self._settings[part] = {**self._settings.get(part, {}), **keys}
        self._write()
        self.current.reload()
        self.rooms.retune()

    def finish(self, within_s: float = PATIENCE_S) -> list[str]:
        """Ends rooms and outputs as the daemon does; gives what hangs."""
        until_s = time.monotonic() + within_s
        self.upscaling.hurry()
        return self.rooms.finish(until_s) + self.outputs.finish(until_s)

    def close(self) -> None:
        self.rooms.close()
        self.outputs.close()
        self.upscaling.close()
        logging.getLogger("faceguard").removeHandler(self.records)

    def dropped(self, cause: str) -> float:
        return self.meters.value("frames_dropped_total", cause=cause)

    def last_frame(self) -> Kept | None:
        return next((one for one in reversed(list(self.kept)) if not one.is_slate), None)

    # What came out.

    def recorded(self) -> list[Image]:
        """The pictures of all closed segments, in their order."""
        paths = closed(self.folder / "recordings" / NAME)
        return [image for path in paths for image in decoded(path)]

    def snapshots(self) -> list[Image]:
        paths = files_in(self.folder / "snapshots" / NAME, ".jpg")
        return [image for path in paths for image in decoded(path, "jpeg_pipe")]

    def texts(self) -> list[str]:
        """Log, events, status and figures, as they are written down."""
        texts = [
            as_json(line_of(record, SCRUBBER, traces=True), NAME).decode()
            for record in self.records.records
        ]
        log = self.folder / "events.jsonl"
        if log.exists():
            texts += log.read_text().splitlines()
        return [*texts, self._status(), *generate_latest(self.meters.registry).decode().split("\n")]

    def assert_no_leak(self) -> int:
        """Looks at all that came out; call it when it has ended.

        Returns:
            How many pictures showed a number, and were thus not covered whole.
        """
        pictures = [one.image for one in self.kept]
        for worker in self.more:
            pictures += [i for i in getattr(worker, "taken", ()) if isinstance(i, Image)]
        shown = assert_none_leaks(pictures, self.scene)
        assert_none_leaks(self.recorded(), self.scene)
        # Each may be of any time.
        for image in self.snapshots():
            assert_none_leaks([image], self.scene)
        self.assert_no_pixels_in_text()
        return shown

    def assert_no_pixels_in_text(self) -> None:
        """Looks at all that was written down; call it when it has ended."""
        for text in self.texts():
            assert not _PIXELS.search(text), text[:300]
            assert len(text) < 5000, text[:300]
        for record in self.records.records:
            for value in vars(record).values():
                assert not isinstance(value, (bytes, np.ndarray, Image)), record.getMessage()

    def _status(self) -> str:
        notifier = Notifier()
        views = Views(
            lambda: self.rooms.health,
            lambda: Felt(budget=self.budget),
            lambda: self.rooms.blind_s,
            lambda: self.rooms.covered,
            "a scene",
            self.outputs.names,
            list,
            self.upscaling.state,
        )
        with StatusFile(self.folder, "status") as status:
            pulse = Pulse(notifier)
            rounds = Rounds(
                *(NAME, views, self.meters, self.quiet),
                *(notifier, pulse, status, self._happened),
            )
            rounds.go()
            text = (self.folder / "status.json").read_text()
        notifier.close()
        return text

    def _beat(self) -> None:
        self.beats += 1

    def _happened(self, event: Event) -> None:
        self.events.append(event)
        self.outputs.tell(event)

    def _write(self) -> None:
        # JSON is YAML.
        self._path.write_text(json.dumps(self._settings))


def decoded(path: Path, form: str | None = None) -> list[Image]:
    """The pictures of a video or JPEG, which must be whole."""
    with av.open(str(path), format=form) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return [copied(view(frame)) for frame in container.decode(stream)]


def assert_none_leaks(images: Iterable[Image], scene: Scene) -> int:
    """As `assert_no_watermarks`, with each picture looked at once."""
    seen: set[bytes] = set()
    last, shown = 0, 0
    for image in images:
        number = number_of(image.planes[0])
        last = last if number is None else number
        shown += number is not None
        key = b"".join(plane.tobytes() for plane in image.planes)
        # What is all of one colour hides nothing, and no face fits into a few pixels.
        is_flat = all(int(plane.max()) - int(plane.min()) < _FLAT for plane in image.planes)
        if key in seen or is_flat or image.height <= STRIP_ROWS:
            continue
        seen.add(key)
        assert_no_watermarks([image], scene)
    return shown


def until(
    true: Callable[[], object],
    why: str = "it did not come about",
    *,
    within_s: float = PATIENCE_S,
) -> None:
    """Waits for something that a thread does."""
    end_s = time.monotonic() + within_s
    pause = threading.Event()
    while not true():
        assert time.monotonic() < end_s, why
        pause.wait(0.003)


def _settings(folder: Path, outputs: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    places: dict[str, Any] = {
        "recordings": {"folder": str(folder / "recordings"), "free_mb": 0, "segment_s": 1},
        "snapshots": {
            "folder": str(folder / "snapshots"),
            "on": ["appears", "leaves"],
            "least_s": 0,
        },
        "events": {"path": str(folder / "events.jsonl")},
    }
    usual: dict[str, Any] = {
        "name": NAME,
        "camera": {"kind": "synthetic"},
        "supervision": {
            "frozen_after_s": 0.3,
            "open_within_s": 1,
            "retry_first_s": 0.05,
            "retry_longest_s": 0.1,
        },
        "detector": {"model": "yunet", "every": 1, "timeout_ms": 5000},
        "tracking": {"look_ahead": 0},
        "encoder": {"preset": "ultrafast", "threads": 1, "keyframe_s": 0.5},
        "outputs": {name: places[name] for name in outputs},
        "metrics": None,
    }
    for part, keys in settings.items():
        usual[part] = {**usual[part], **keys} if isinstance(usual.get(part), dict) else keys
    return usual
