"""The engine that a user named: which detector it is, and how large a picture it takes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from faceguard.engines.errors import UsageError
from faceguard.engines.manifest import EngineManifest, check_whole
from faceguard.engines.runtime import ENGINE_SUFFIXES


@dataclass(frozen=True)
class Words:
    """What the user calls things, for messages."""

    engine: str = "--engine"
    size: str = "--detect-size"
    detector: str = "--detector"


@dataclass(frozen=True)
class EngineChoice:
    """An engine and its manifest; whether it fits this machine is asked when it is opened.

    Attributes:
        path: The engine's file.
        manifest: What is known of it.
        words: What the user calls engine, size and detector: options, or keys of a file.
    """

    path: Path
    manifest: EngineManifest
    words: Words = field(default_factory=Words)

    @classmethod
    def read(cls, path: Path, words: Words | None = None) -> EngineChoice:
        """Reads the manifest.

        Args:
            path: The engine's file.
            words: See the class; None takes the options of `faceguard redact`.

        Raises:
            UsageError: The path names no engine's file.
            ModelMissing: There is no manifest, so nothing vouches for the engine.
            ModelCorrupt: The engine's bytes are not those that it names.
        """
        words = words or Words()
        asked, see = f"{words.engine} {path}", "see: faceguard engines list"
        if os.path.isdir(path):  # noqa: PTH112 - Path's own raises where it may not look
            raise UsageError(f"{asked}: is a folder; name the engine's file in it")
        if not os.path.isfile(path):  # noqa: PTH113
            raise UsageError(f"{asked}: no such file; {see}")
        if path.suffix not in (".onnx", *ENGINE_SUFFIXES):
            raise UsageError(f"{asked}: is no engine; {see}")
        return cls(path, check_whole(path), words)

    def detector(self, asked: str | None) -> str:
        """The catalogue's name of the detector that reads its outputs.

        Args:
            asked: What the user says it is; None: what it was built from.

        Raises:
            UsageError: It was built from something else, or from what the catalogue does not know.
        """
        known = self.manifest.catalogue
        if asked is not None and known is not None and asked != known:
            said = f"{self.words.detector} {asked}"
            raise UsageError(f"{self.path}: built from {known}, not from {said}")
        if asked is None and known is None:
            raise UsageError(
                f"{self.path}: built from {self.manifest.name!r}, which the catalogue does not "
                f"know; say with {self.words.detector} how to read it"
            )
        return asked or str(known)

    @property
    def largest_px(self) -> int | None:
        """The longer side of the largest picture that it takes; None where that is not known."""
        sides = [side for note in self.manifest.inputs for side in note.maximum[1:]]
        return max(sides, default=None)

    @property
    def is_fixed(self) -> bool:
        """Whether it takes pictures of one size only."""
        return all(note.minimum == note.maximum for note in self.manifest.inputs)

    def check(self, long_side_px: int | None) -> None:
        """Refuses a size that it does not take.

        Raises:
            UsageError: It is larger, or the engine knows one size only.
        """
        if long_side_px is not None and self.is_fixed:
            asked = f"{self.words.size} {long_side_px}"
            raise UsageError(f"{asked}: {self.path.name} takes pictures of one size only")
        most = self.largest_px
        if long_side_px is not None and most is not None and long_side_px > most:
            raise UsageError(
                f"{self.words.size} {long_side_px}: {self.path.name} takes up to {most} px"
            )

    def bounded(self, long_side_px: int | None) -> int | None:
        """The long side to ask for; None leaves it to an engine that knows one size only."""
        if self.is_fixed or long_side_px is None:
            return None
        return min(long_side_px, self.largest_px or long_side_px)

    def notes(self, usual_px: int) -> tuple[str, ...]:
        """What a user should know of stills that are looked at smaller than they usually are."""
        most = self.largest_px
        if most is None or most >= usual_px:
            return ()
        note = f"the engine looks at {most} px, pictures are usually looked at with {usual_px}"
        return (f"{note}: more small faces are missed",)
