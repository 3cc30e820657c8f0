"""What a folder's earlier runs have finished, so that a run which was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

from faceguard.engines.errors import OutputError

LEDGER_NAME = ".faceguard.jsonl"


class Ledger:
    """A line a finished file, kept in the output folder.

    A file counts as done when its input, its output and the settings are what they were; an output
    that merely stands there proves nothing about what is in it.
    """

    def __init__(self, folder: Path, settings: object) -> None:
        """Reads what is there.

        Args:
            folder: The output folder.
            settings: Everything that shapes an output; its `repr` is what is compared.

        Raises:
            OutputError: The ledger cannot be read.
        """
        self._path = folder / LEDGER_NAME
        self._folder = folder
        self._settings = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
        self._lock = threading.Lock()
        self._done: set[str] = set()
        try:
            if self._path.exists():
                # A run that was killed may have left half a line; it stands for an unfinished file.
                lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
                self._done = set(lines)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot be read: {error.strerror}") from error

    def has(self, source: Path, output: Path) -> bool:
        """Whether this very file was finished before with these very settings."""
        return output.exists() and self._line(source, output) in self._done

    def add(self, source: Path, output: Path) -> None:
        """Notes a finished file.

        Raises:
            OutputError: The ledger cannot be written.
        """
        line = self._line(source, output)
        with self._lock:
            self._done.add(line)
            try:
                # A line that a kill cut short must not swallow this one.
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n" if self._clean_end() else "\n" + line + "\n")
            except OSError as error:
                raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error

    def _clean_end(self) -> bool:
        with self._path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _line(self, source: Path, output: Path) -> str:
        was, became = source.stat(), output.stat()
        return json.dumps(
            {
                "input": str(source.resolve()),
                "bytes": was.st_size,
                "mtime_ns": was.st_mtime_ns,
                "output": output.relative_to(self._folder).as_posix(),
                "output_bytes": became.st_size,
                "output_mtime_ns": became.st_mtime_ns,
                "settings": self._settings,
            }
        )
