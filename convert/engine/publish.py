"""Engine and manifest appear together, or not at all.

A build works in a draft folder beside the engines, which its lock marks as in use; drafts whose
lock is free belong to builds that were killed, and go. In a store the draft becomes the engine's
folder in one rename. Where the user names a file, the old manifest goes first and the new one
comes last: a cut in between leaves an engine without a manifest, which nothing loads.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from faceguard.convert.files import publish, writing
from faceguard.engines.closing import Closing
from faceguard.engines.errors import BuildFailed
from faceguard.engines.manifest import MANIFEST_NAME, EngineManifest
from faceguard.engines.sync import sync

_DRAFTS = ".faceguard-drafts"
_LOCKS = ".locks"
_LOOK_AGAIN_S = 0.2
_SAY_AGAIN_S = 15.0

STORE_ELSEWHERE = "set FACEGUARD_ENGINES to a folder that is, or name a file with -o"
FILE_ELSEWHERE = "name another file with -o"


class Draft(Closing):
    """A folder to build in; gone at the end unless it was published.

    Attributes:
        folder: Where to write.
    """

    def __init__(self, home: Path, *, elsewhere: str) -> None:
        """Makes it, and clears away what killed builds left.

        Args:
            home: The folder in which the engine is to appear; made where it is not there.
            elsewhere: How to name another place, for messages.

        Raises:
            OutputError: The folder cannot be written.
        """
        self._home = home
        self._elsewhere = elsewhere
        with ExitStack() as held:
            with self.writing(), _locked_folder(home / _DRAFTS) as drafts:
                held.callback(_remove, drafts)
                _clear_stale(drafts)
                self.folder = drafts / f"{os.getpid()}-{secrets.token_hex(4)}"
                self.folder.mkdir()
                held.callback(shutil.rmtree, self.folder, ignore_errors=True)
                lock = os.open(self.folder, os.O_RDONLY)
                held.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            self._held = held.pop_all()

    def writing(self) -> AbstractContextManager[None]:
        """Turns what the system says about a write into the draft into one clear line."""
        return writing(self._home, elsewhere=self._elsewhere)

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


def lock_build(store: Path, name: str, *, say: Callable[[str], None], limit_s: float) -> ExitStack:
    """Takes the lock of one engine, so that two builds of it do the work once.

    Args:
        store: The store in which it is to appear.
        name: Its folder's name.
        say: Told while another build holds it.
        limit_s: How long to wait for that.

    Returns:
        What holds the lock until it is closed.

    Raises:
        BuildFailed: The other build took too long.
        OutputError: The store cannot be written.
    """
    held = ExitStack()
    with writing(store, elsewhere=STORE_ELSEWHERE):
        (store / _LOCKS).mkdir(parents=True, exist_ok=True)
        # The file stays: removing it would let a third build lock a new one of the same name.
        file = held.enter_context((store / _LOCKS / f"{name}.lock").open("a"))
    begun = told = time.monotonic()
    first = True
    try:
        while not _try_lock(file.fileno()):
            now = time.monotonic()
            if first or now - told > _SAY_AGAIN_S:
                say(f"another build of {name} is at work; waiting for it ({now - begun:.0f} s)")
                told, first = now, False
            if now - begun > limit_s:
                raise BuildFailed(
                    f"{name}: another build of it was not done after {limit_s:g} s; "
                    "see what it does, or give --timeout more"
                )
            time.sleep(_LOOK_AGAIN_S)
    except BaseException:
        held.close()
        raise
    return held


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked_folder(folder: Path) -> Iterator[Path]:
    """A folder, made where it is not there, that no other build clears or removes meanwhile."""
    with ExitStack() as held:
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            # Another build's last act may be to remove it, until the lock is ours: then once more.
            with suppress(FileNotFoundError):
                handle = held.enter_context(_handle(folder))
                fcntl.flock(handle, fcntl.LOCK_EX)  # held for moments only
                if folder.stat().st_ino == os.fstat(handle).st_ino:
                    break
        yield folder


@contextmanager
def _handle(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)


def _clear_stale(drafts: Path) -> None:
    """Removes drafts whose builder is gone: its lock on the folder went with it."""
    for folder in drafts.iterdir():
        with suppress(OSError), _handle(folder) as handle:
            if _try_lock(handle):
                shutil.rmtree(folder, ignore_errors=True)


def _remove(drafts: Path) -> None:
    """Takes the folder of drafts away; one with drafts of others, or in use, stays."""
    with suppress(OSError), _handle(drafts) as handle:
        if _try_lock(handle):
            drafts.rmdir()
