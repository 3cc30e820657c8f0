"""Where snapshots lie: FOLDER/NAME/YYYY-MM-DD/HH-MM-SS-appears-TRACK.jpg, times in UTC.

Nothing but files of these names is ever removed, and no link below FOLDER/NAME is followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from faceguard.edge.atomic import Staged, one_line
from faceguard.edge.outputs.steady_clock import CLOCK_SET_S
from faceguard.engines.errors import OutputError, OutputExists

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NAME = r"\d\d-\d\d-\d\d-(?:appears|leaves)-\d+(?:-\d+)?"
_PICTURE = re.compile(rf"{_NAME}\.jpg")
_LEFT_OVER = re.compile(rf"\.{_NAME}\.\d+-[0-9a-f]{{8}}\.part\.jpg")
_FILE_MODE, _FOLDER_MODE = 0o640, 0o750
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
        self._place = folder / name
        try:
            self._place.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
            for _, handle in self._days():
                for found in _names(handle, _LEFT_OVER):
                    os.unlink(found, dir_fd=handle)
            self.look()
        except OSError as error:
            raise OutputError(
                f"{one_line(self._place)}: snapshots cannot go there: {error.strerror}; "
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
        day = self._place / when.strftime("%Y-%m-%d")
        try:
            day.mkdir(_FOLDER_MODE, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{one_line(day)}: cannot be made: {error.strerror}") from error
        stem = f"{when:%H-%M-%S}-{what}-{track}"
        for number in range(1, _MOST_OF_A_NAME + 1):
            path = day / (f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg")
            with suppress(OutputExists), Staged(path, force=False) as staged:
                with staged.told():
                    staged.part.chmod(_FILE_MODE)
                    staged.part.write_bytes(jpeg)
                staged.commit()
                self.total += path.stat().st_blocks * 512
                return path
        raise OutputError(f"{one_line(day)}: there are too many snapshots of this second")

    def look(self) -> None:
        """Adds up what is there.

        Raises:
            OSError: It cannot be read.
        """
        self.total = 0
        for _, handle in self._days():
            for name in _names(handle, _PICTURE):
                self.total += _size(name, handle)

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
        for day, handle in self._days():
            began_s = _moment(day, "00-00-00")
            if began_s is None or began_s >= before_s:
                continue
            for name in _names(handle, _PICTURE):
                taken_s = _moment(day, name[:8])
                if taken_s is not None and CLOCK_SET_S <= taken_s < before_s:
                    self._remove(name, handle)
                    gone += 1
            self._clear(day)
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
        for day, handle in self._days():
            for name in _names(handle, _PICTURE):
                if self.total <= most_bytes:
                    return gone
                self._remove(name, handle)
                gone += 1
            self._clear(day)
        return gone

    def _remove(self, name: str, handle: int) -> None:
        size = _size(name, handle)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handle)
        self.total = max(0, self.total - size)

    def _clear(self, day: str) -> None:
        """Removes a day's folder, if nothing is left in it."""
        with suppress(OSError):
            (self._place / day).rmdir()

    def _days(self) -> Iterator[tuple[str, int]]:
        """Folders of days, the oldest first, with a handle each that is closed afterwards."""
        with os.scandir(self._place) as entries:
            days = sorted(entry.name for entry in entries if _DAY.fullmatch(entry.name))
        for day in days:
            # A link, a file, or gone by now: none of ours.
            with suppress(NotADirectoryError, FileNotFoundError), _opened(self._place / day) as on:
                yield day, on


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if folder.is_symlink():
            raise NotADirectoryError from error
        raise
    try:
        yield handle
    finally:
        os.close(handle)


def _names(handle: int, wanted: re.Pattern[str]) -> list[str]:
    """Names of plain files in an open folder, sorted by the time in them."""
    with os.scandir(handle) as entries:
        return sorted(
            entry.name
            for entry in entries
            if wanted.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        )


def _size(name: str, handle: int) -> int:
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0


def _moment(day: str, time: str) -> float | None:
    """Seconds since 1970 of a day and a time in names; None where there is no such moment."""
    try:
        when = datetime.strptime(f"{day} {time}", "%Y-%m-%d %H-%M-%S")
    except ValueError:
        return None
    return when.replace(tzinfo=timezone.utc).timestamp()
