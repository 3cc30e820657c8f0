"""The event log: what happens, a line of JSON each, for programs that watch the camera."""

from __future__ import annotations

import json
import logging
import os
import select
import stat
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.edge.config.outputs import EventsOutput
from faceguard.edge.events import Event
from faceguard.edge.meters import Meters
from faceguard.edge.outputs.growing import full, is_still_there, open_growing, write_whole
from faceguard.edge.outputs.plain import flat, rfc3339
from faceguard.edge.outputs.worker import Worker
from faceguard.edge.service.quiet import Quiet
from faceguard.engines.errors import OutputError

_CAPACITY = 200
_STDOUT = 1
_PATIENCE_MS = 500
# What a pipe that is ready takes at once without blocking; POSIX names no more.
_WHOLE_PIPE_WRITE = 4096
_OWN = ("time", "at_ns", "camera", "kind")
_log = logging.getLogger(__name__)


def as_line(event: Event, camera: str) -> bytes:
    """An event as a line of JSON.

    Args:
        event: What happened.
        camera: Name of the camera.

    Returns:
        The line with its end. Numbers that are not finite are null.

    Raises:
        TypeError: A field holds anything but a scalar or a short list of numbers.
    """
    line = {
        "time": rfc3339(event.wall_s),
        "at_ns": event.at_ns,
        "camera": camera,
        "kind": event.kind,
        **{str(key): flat(value) for key, value in event.fields.items() if key not in _OWN},
    }
    return json.dumps(line, allow_nan=False).encode() + b"\n"


class EventsLog(Worker[Event]):
    """A file that grows by one write a line, so that no reader sees half a line.

    Beyond its size it is put aside as FILE.1. Where somebody else moves it away (logrotate), it is
    made anew. `-` is standard output.
    """

    def __init__(self, settings: EventsOutput, name: str, meters: Meters, quiet: Quiet) -> None:
        """Sets up; the file is opened by the thread.

        Args:
            settings: Where it goes.
            name: Of the camera; stands in each line.
            meters: Where failures are counted.
            quiet: Who logs.
        """
        super().__init__("events", meters, quiet, capacity=_CAPACITY)
        self._path = settings.path
        self._to_stdout = str(settings.path) == "-"
        self._most_bytes = int(settings.keep_mb * 1e6)
        self._camera = name
        self._file = -1
        self._is_regular = False

    def open_up(self) -> None:
        """Opens the file, and ends a line that a cut of power left half.

        Raises:
            OutputError: It cannot be written.
        """
        if self._to_stdout:
            self._file = _STDOUT
        else:
            self._file = open_growing(self._path, os.O_WRONLY, "outputs.events.path")
        self._is_regular = stat.S_ISREG(os.fstat(self._file).st_mode)
        if self._is_regular and not self._to_stdout and _ends_in_mid_line(self._path):
            self._write(b"\n")

    def take(self, event: Event) -> None:
        """Writes one line.

        Raises:
            OSError: The disk is full, or whoever read standard output is gone.
            OutputError: Nobody reads standard output.
        """
        try:
            line = as_line(event, self._camera)
        except TypeError as error:
            # The event is at fault and not the file, which stays open.
            self.meters.output_dropped.labels(self.name).inc()
            self.quiet.say(_log, logging.ERROR, "event refused", f"{event.kind}: {error}")
            return
        if self._rotates and os.fstat(self._file).st_size + len(line) > self._most_bytes:
            self._put_aside()
        self._write(line)

    def tick(self) -> None:
        """Opens the file anew where it was moved away."""
        if self._to_stdout or not self._is_regular:
            return
        if not is_still_there(self._file, self._path):
            self.shut(broken=False)
            self.open_up()

    def shut(self, *, broken: bool) -> None:  # noqa: ARG002 - the same in both cases
        """Closes the file; standard output stays open."""
        if self._file not in (-1, _STDOUT):
            os.close(self._file)
        self._file = -1

    @property
    def _rotates(self) -> bool:
        return self._is_regular and not self._to_stdout

    def _put_aside(self) -> None:
        self.shut(broken=False)
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        self.open_up()

    def _write(self, line: bytes) -> None:
        if self._rotates:
            write_whole(self._file, self._path, line)
            return
        if self._is_regular:
            if os.write(self._file, line) < len(line):
                raise full(self._path)
            return
        poll = select.poll()
        poll.register(self._file, select.POLLOUT)
        while line:
            if not poll.poll(_PATIENCE_MS):
                raise OutputError(f"{one_line(self._path)}: nobody reads what is written there")
            line = line[os.write(self._file, line[:_WHOLE_PIPE_WRITE]) :]


def _ends_in_mid_line(path: Path) -> bool:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False  # a log that may be written and not read
