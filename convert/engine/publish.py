"""Engine and manifest appear together, or not at all.

A build works in a draft folder beside the engines, which a lock marks as in use; drafts and locks
that nobody holds belong to builds that were killed, and go. In a store the draft becomes the
engine's folder in one rename. Where the user names a file, the old manifest goes first and the new
one comes last: a cut in between leaves an engine without a manifest, which nothing loads.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from faceguard.convert.engine.locks import Lock, try_lock
from faceguard.convert.files import publish, writing
from faceguard.engines.closing import Closing
from faceguard.engines.errors import BuildFailed
from faceguard.engines.manifest import MANIFEST_NAME, EngineManifest
from faceguard.engines.sync import sync

_DRAFTS = ".faceguard-drafts"
_LOCK = ".lock"
_LOOK_AGAIN_S = 0.2
_SAY_AGAIN_S = 15.0

STORE_ELSEWHERE = "set FACEGUARD_ENGINES to a folder that is, or name a file with -o"
FILE_ELSEWHERE = "name another file with -o"


class Draft(Closing):
    """A folder to build in; gone at the end unless it was published.

    Attributes:
        folder: Where to write.
        home: The folder in which the engine is to appear.
        elsewhere: How to name another place, for messages.
    """

    def __init__(self, home: Path, *, elsewhere: str) -> None:
        """Makes it, and clears away what killed builds left.

        Args:
            home: The folder in which the engine is to appear; made where it is not there.
            elsewhere: How to name another place, for messages.

        Raises:
            OutputError: The folder cannot be written.
        """
        self.home = home
        self.elsewhere = elsewhere
        drafts = home / _DRAFTS
        with ExitStack() as held:
            with self.writing():
                self.folder = drafts / f"{os.getpid()}-{secrets.token_hex(4)}"
                held.enter_context(_new_lock(self.folder))
                _clear_stale(drafts)
                held.callback(shutil.rmtree, self.folder, ignore_errors=True)
                self.folder.mkdir()
            self._held = held.pop_all()

    def writing(self) -> AbstractContextManager[None]:
        """Turns what the system says about a write into the draft into one clear line."""
        return writing(self.home, elsewhere=self.elsewhere)

    def close(self) -> None:
        """Removes what was not published."""
        self._held.close()

    def into_store(self, target: Path, manifest: EngineManifest) -> Path:
        """Makes the draft an engine's folder in a store.

        Args:
            target: The folder's name; what stands there is replaced.
            manifest: What goes beside the engine, whose file lies in the draft already.

        Returns:
            The engine's file.

        Raises:
            OutputError: The folder cannot be written.
        """
        with self.writing():
            note = self.folder / MANIFEST_NAME
            note.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
            for path in self.folder.iterdir():
                if path.name not in (MANIFEST_NAME, manifest.file):
                    path.unlink()
                else:
                    sync(path)
            sync(self.folder)
            if target.exists():
                # A folder takes the place of an empty one only. What dies here leaves no engine,
                # which the next build mends, and never half of one.
                old = self.folder.with_name(f"{self.folder.name}-old")
                target.replace(old)
                self._held.callback(shutil.rmtree, old, ignore_errors=True)
            self.folder.replace(target)
            sync(target.parent)
        return target / manifest.file

    def into_file(self, engine: Path, target: Path, manifest: EngineManifest) -> Path:
        """Gives the engine the name that the user wants, and its manifest that name with .json.

        Args:
            engine: The engine's file in the draft.
            target: The engine's file; replaced where it stands.
            manifest: What goes beside it; its `file` is the target's name.

        Raises:
            OutputError: The folder cannot be written.
        """
        note = target.with_name(f"{target.name}.json")
        with self.writing():
            draft = self.folder / MANIFEST_NAME
            draft.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
            note.unlink(missing_ok=True)
            publish(engine, target)
            publish(draft, note)
        return target


def lock_build(
    home: Path,
    name: str,
    *,
    say: Callable[[str], None],
    limit_s: float,
    elsewhere: str = STORE_ELSEWHERE,
) -> Lock:
    """Takes the lock of one engine, so that two builds of it do the work once.

    Args:
        home: The folder in which it is to appear.
        name: What it is called there.
        say: Told while another build holds it.
        limit_s: How long to wait for that.
        elsewhere: How to name another place, for messages.

    Returns:
        The lock, held until it is closed.

    Raises:
        BuildFailed: The other build took too long.
        OutputError: The folder cannot be written.
    """
    path = home / _DRAFTS / f"{name}{_LOCK}"
    begun = time.monotonic()
    told: float | None = None
    while True:
        with writing(home, elsewhere=elsewhere):
            lock = try_lock(path)
        if lock is not None:
            return lock
        now = time.monotonic()
        if now - begun > limit_s:
            raise BuildFailed(
                f"{name}: another build of it was not done after {limit_s:g} s; "
                "see what it does, or give --timeout more"
            )
        # Not at the first look: whoever clears up holds each lock for a moment.
        if now - begun >= _LOOK_AGAIN_S and (told is None or now - told > _SAY_AGAIN_S):
            say(f"another build of {name} is at work; waiting for it ({now - begun:.0f} s)")
            told = now
        time.sleep(_LOOK_AGAIN_S)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")


def _new_lock(folder: Path) -> Lock:
    """The lock of a draft, taken before the draft is there."""
    while True:
        lock = try_lock(_lock_of(folder))
        if lock is not None:
            return lock
        time.sleep(_LOOK_AGAIN_S)  # somebody clears up


def _clear_stale(drafts: Path) -> None:
    """Removes drafts and locks that nobody holds: whoever held them is dead."""
    for name in {path.name.removesuffix(_LOCK) for path in drafts.iterdir()}:
        folder = drafts / name
        with suppress(OSError):
            lock = try_lock(_lock_of(folder))
            if lock is not None:
                with lock:
                    shutil.rmtree(folder, ignore_errors=True)
