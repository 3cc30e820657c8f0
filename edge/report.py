"""What was covered, a line of JSON a frame: times, boxes, track numbers, scores, never pixels."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from faceguard.edge.atomic import Staged
from faceguard.edge.types import SafeFrame
from faceguard.engines.errors import OutputError
from faceguard.engines.types import Region


class Report:
    """A JSON Lines file that takes its name when it is whole; lines may come from any thread."""

    def __init__(self, path: Path, *, force: bool, redacted: bool = True) -> None:
        """Makes the file beside its place.

        Args:
            path: Where it goes.
            force: Whether to replace what stands there.
            redacted: Whether faces are covered at all; where not, each line says so.

        Raises:
            OutputExists: Something stands at `path` and `force` is False.
            OutputError: The place cannot be written.
        """
        self._path = path
        self._force = force
        self._redacted = redacted
        self._lock = threading.Lock()

    def frame(self, source: str, frame: SafeFrame) -> None:
        """Adds a frame.

        Args:
            source: The file it comes from, as the user named it.
            frame: The frame.
        """
        line: dict[str, object] = {
            "file": source,
            "frame": frame.index,
            "time_s": round(frame.time_s, 6),
            "faces": [
                {
                    "track": mask.track,
                    "box": [round(side, 1) for side in _corners(mask.face)],
                    "score": round(mask.score, 3),
                }
                for mask in frame.cover.masks
            ],
        }
        if frame.cover.whole is not None:
            line["covered_whole"] = frame.cover.whole
        if not self._redacted:
            line["redacted"] = False
        text = json.dumps(line) + "\n"
        with self._lock, self._written():
            self._file.write(text)

    def __enter__(self) -> Report:
        """Opens the file."""
        self._staged = Staged(self._path, force=self._force)
        self._file: IO[str] = self._staged.part.open("w", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the file its name, or removes it after an error."""
        with self._staged:
            with self._written():
                self._file.close()
            if error is None:
                self._staged.commit()

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error


def _corners(region: Region) -> tuple[float, float, float, float]:
    return region.x0, region.y0, region.x1, region.y1
