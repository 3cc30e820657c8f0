"""A recorder on a folder, with everything around it that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faceguard.edge.config.outputs import RecordingsOutput
from faceguard.edge.events import Event
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.encoder import Encoder
from faceguard.edge.outputs.recordings import Recordings
from faceguard.edge.service.quiet import Quiet
from tests.edge.outputs.recorded import encoder, numbers
from tests.walking import files_in

NAME = "door"
JUNE = 1_781_000_000.0  # 2026-06-09 10:13:20 UTC


@dataclass
class Setup:
    """A recorder with its encoder, which is called directly; the recorder may have its thread."""

    folder: Path
    recordings: Recordings
    encoder: Encoder
    meters: Meters
    config: RecordingsOutput
    events: list[Event] = field(default_factory=list)

    @property
    def place(self) -> Path:
        return self.config.folder / NAME

    def closed(self) -> list[Path]:
        return closed(self.place)

    def change(self, **settings) -> None:
        self.config = self.config.model_copy(update=settings)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def end(self) -> None:
        self.encoder.shut(broken=False)
        self.recordings.finish()
        assert self.recordings.join(20)


def order(path: Path) -> tuple[str, str, int]:
    number = path.name.split(".")[0][8:].lstrip("-")
    return path.parent.name, path.name[:8], int(number or 1)


def closed(place: Path) -> list[Path]:
    """Finished segments in the order in which they were begun, if the clock did not jump."""
    return sorted((p for p in files_in(place, ".mp4") if ".part." not in p.name), key=order)


def opened(place: Path) -> list[Path]:
    return files_in(place, ".part.mp4")


def all_numbers(place: Path) -> list[int]:
    """What all finished segments show, in the order in which they were written."""
    paths = sorted(closed(place), key=lambda path: path.stat().st_mtime_ns)
    return [number for path in paths for number in numbers(path)]


def set_up(
    folder: Path,
    *,
    wait: bool = True,
    encoding: dict | None = None,
    wall_s: Callable[[], float] | None = None,
    shelf: Callable | None = None,
    meters: Meters | None = None,
    **settings,
) -> Setup:
    meters = meters or Meters()
    config = RecordingsOutput(folder=folder, **{"free_mb": 0, **settings})
    more = {key: value for key, value in (("wall_s", wall_s), ("shelf", shelf)) if value}
    recordings = Recordings(
        lambda: made.config,
        NAME,
        meters,
        Quiet(meters),
        on_event=lambda event: made.events.append(event),
        request_keyframe=lambda: made.encoder.request_keyframe(),
        wait=wait,
        **more,
    )
    room = encoder(recordings, meters=meters, **(encoding or {}))
    made = Setup(folder, recordings, room, meters, config)
    return made


def take_all(made) -> None:
    """Does the work of the recorder's thread."""
    while len(made.recordings._slot):
        made.recordings.take(made.recordings._slot.take())


@contextmanager
def recorder(folder: Path, **how) -> Iterator[Setup]:
    """One that works in its own thread."""
    made = set_up(folder, **how)
    made.recordings.start()
    try:
        yield made
    finally:
        made.recordings.finish()
        made.recordings.join(20)
