"""Where snapshots lie: FOLDER/NAME/YYYY-MM-DD/HH-MM-SS-appears-TRACK.jpg, times in UTC.

Nothing but files of these names is ever removed, and no link is followed: neither NAME nor below.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from faceguard.edge.atomic import one_line
from faceguard.edge.outputs.place import BLOCK, Place, files, is_there, put
from faceguard.edge.outputs.steady_clock import CLOCK_SET_S
from faceguard.engines.errors import OutputError

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NAME = r"\d\d-\d\d-\d\d-(?:appears|leaves)-\d+(?:-\d+)?"
_PICTURE = re.compile(rf"{_NAME}\.jpg")
_LEFT_OVER = re.compile(rf"\.{_NAME}\.\d+-[0-9a-f]{{8}}\.part\.jpg")
_MOST_OF_A_NAME = 99
DAY_S = 86_400.0


class Album:
    """The snapshots of one camera, and how much room they take.

    Attributes:
        total: Bytes of all pictures, as of the last `look` and what was added and removed since.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Makes the folder, and clears away what a killed run left half written.

        Args:
            folder: As configured.
            name: Of the camera.

        Raises:
            OutputError: It cannot be made or read.
        """
        self._folder = folder
        self._name = name
        self.total = 0
        try:
            with self._opened() as place:
                for _, handle in place.days(_DAY):
                    for found in _names(handle, _LEFT_OVER):
                        os.unlink(found, dir_fd=handle)
            self.look()
        except OSError as error:
            raise OutputError(
                f"{one_line(folder / name)}: snapshots cannot go there: {error.strerror}; "
                "mend its rights, or name another folder in outputs.snapshots.folder"
            ) from error

    def add(self, jpeg: bytes, what: str, track: int, wall_s: float) -> Path:
        """Puts a picture in, whole or not at all.

        Args:
            jpeg: The picture.
            what: "appears" or "leaves".
            track: Number of the face.
            wall_s: When, seconds since 1970; any number, since clocks may be wrong.

        Returns:
            Where it is.

        Raises:
            OutputError: The place cannot be written.
        """
        try:
            when = datetime.fromtimestamp(max(0.0, wall_s), timezone.utc)
        except (ValueError, OverflowError, OSError):
            when = datetime.fromtimestamp(0, timezone.utc)
        day = when.strftime("%Y-%m-%d")
        path = self._folder / self._name / day
        try:
            with self._opened() as place, place.day(day, make=True) as handle:
                name = self._put(handle, f"{when:%H-%M-%S}-{what}-{track}", jpeg)
        except OSError as error:
            raise OutputError(
                f"{one_line(path)}: no snapshot can be written: {error.strerror}; free some of "
                "the disk or mend its rights; links are not followed"
            ) from error
        if name is None:
            raise OutputError(f"{one_line(path)}: there are too many snapshots of this second")
        return path / name

    def look(self) -> None:
        """Adds up what is there.

        Raises:
            OSError: It cannot be read.
        """
        total = 0
        with self._opened() as place:
            for _, handle in place.days(_DAY):
                total += sum(_size(name, handle) for name in _names(handle, _PICTURE))
        self.total = total

    def remove_older(self, before_s: float) -> int:
        """Removes what was taken before a moment, as the names tell.

        Pictures from before the clock was set have no age.

        Args:
            before_s: Seconds since 1970.

        Returns:
            How many went.

        Raises:
            OSError: One cannot be removed.
        """
        gone = 0
        with self._opened() as place:
            for day, handle in place.days(_DAY):
                began_s = _moment(day, "00-00-00")
                if began_s is None or began_s >= before_s:
                    continue
                for name in _names(handle, _PICTURE):
                    taken_s = _moment(day, name[:8])
                    if taken_s is not None and CLOCK_SET_S <= taken_s < before_s:
                        self._remove(name, handle)
                        gone += 1
                place.clear(day)
        return gone

    def remove_beyond(self, most_bytes: float) -> int:
        """Removes the oldest until no more than so much is left.

        Returns:
            How many went.

        Raises:
            OSError: One cannot be removed.
        """
        gone = 0
        if self.total <= most_bytes:
            return gone
        with self._opened() as place:
            for day, handle in place.days(_DAY):
                for name in _names(handle, _PICTURE):
                    if self.total <= most_bytes:
                        return gone
                    self._remove(name, handle)
                    gone += 1
                place.clear(day)
        return gone

    def _opened(self) -> Place:
        """The folder, for one piece of work; held for good, no disk on it could be taken out."""
        return Place(self._folder, self._name)

    def _put(self, handle: int, stem: str, jpeg: bytes) -> str | None:
        """Puts a picture under the first name that is free; None where too many are taken."""
        for number in range(1, _MOST_OF_A_NAME + 1):
            name = f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg"
            if not is_there(handle, name):
                with suppress(FileExistsError):
                    self.total += put(handle, name, jpeg)
                    return name
        return None

    def _remove(self, name: str, handle: int) -> None:
        size = _size(name, handle)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handle)
        self.total = max(0, self.total - size)


def _names(handle: int, wanted: re.Pattern[str]) -> list[str]:
    """Names of plain files in an open folder, sorted by the time in them."""
    return sorted(entry.name for entry in files(handle) if wanted.fullmatch(entry.name))


def _size(name: str, handle: int) -> int:
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False).st_blocks * BLOCK
    except FileNotFoundError:
        return 0


def _moment(day: str, time: str) -> float | None:
    """Seconds since 1970 of a day and a time in names; None where there is no such moment."""
    try:
        when = datetime.strptime(f"{day} {time}", "%Y-%m-%d %H-%M-%S")
    except ValueError:
        return None
    return when.replace(tzinfo=timezone.utc).timestamp()
