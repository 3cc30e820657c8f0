"""From a super-resolution model's name in the catalogue to an upscaler that runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.errors import MissingPackage, ModelCorrupt, NoRoom, UsageError
from faceguard.engines.memory import show_bytes
from faceguard.engines.store import Manifest, find_graph
from faceguard.engines.upscaling.admission import Admission
from faceguard.engines.upscaling.admitted import AdmittedUpscaler
from faceguard.engines.upscaling.best_tile import least_tile
from faceguard.engines.upscaling.engine import open_engine
from faceguard.engines.upscaling.footprint import work_pixels
from faceguard.engines.upscaling.limits import advice, read_limits, tightest
from faceguard.engines.upscaling.measuring import Subject, footprint_of, key_of
from faceguard.engines.upscaling.pools import start_pools
from faceguard.engines.upscaling.tile import Tile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faceguard.engines.catalogue import Catalogue, Enlarging, Entry
    from faceguard.engines.runtime import Runtime
    from faceguard.engines.upscaling.footprint import Footprint
    from faceguard.engines.upscaling.limits import Limit

# How the system's loader words that there is no room for a library.
_UNMAPPED = re.compile(r"failed to map segment|[Cc]annot allocate memory|[Nn]o space")
_WORTHWHILE_OVERLAPS = 6
_ANY_SIDE_PX = 1 << 14
# Kernels of 3x3 are stored, and become 6x6 when the graph is loaded.
_REWRITTEN_COPIES = 4


@dataclass(frozen=True)
class _Form:
    """One of the graphs of a model.

    Attributes:
        name: `plain` or `rewritten`.
        path: The graph.
        sha256: Its hash.
        blocked: See `OnnxRuntime`.
        copies: So many times its file is in memory at least when it is loaded.
        tile: It is taken where a tile of this size fits, else the next form is.
    """

    name: str
    path: Path
    sha256: str
    blocked: bool
    copies: int
    tile: Tile


def open_upscaler(
    name: str,
    *,
    threads: int = 0,
    memory_limit_bytes: int | None = None,
    engine: Path | None = None,
    catalogue: Catalogue | None = None,
    say: Callable[[str], None] | None = None,
    limits: Callable[[int | None], list[Limit]] = read_limits,
) -> AdmittedUpscaler:
    """Opens a super-resolution model by its name in the catalogue; nothing is fetched.

    What it takes of the memory is measured once, in a process of its own, and kept beside the
    graph. Of a model that has a rewritten graph that one is taken where there is room for it.

    Args:
        name: The name, such as "espcn-x2".
        threads: Threads for one inference; 0 leaves the choice to the runtime.
        memory_limit_bytes: What this process may take of the memory in all, what it has now and
            the results of later calls included; None: what is free.
        engine: An engine that was built from this model; None takes the pulled graph, which ONNX
            Runtime runs on the CPU.
        catalogue: The catalogue; None reads the usual one.
        say: Told, in words for people, what takes a while.
        limits: Says at each call what may be taken, `memory_limit_bytes` observed.

    Raises:
        ModelUnknown: The catalogue has no such name.
        ModelMissing: The model was not pulled.
        ModelCorrupt: Its file is damaged.
        EngineStale: The engine was built for another machine.
        MissingPackage: The runtime is not installed.
        UsageError: The name of something that does not enlarge, or an engine of another model.
        NoRoom: There is not enough memory; the message has the figures.
    """
    catalogue = catalogue or read_catalogue()
    entry, enlarging = _entry(name, catalogue)
    start_pools()
    if engine is not None:
        opened = open_engine(
            engine, name, enlarging, threads=threads, limit_bytes=memory_limit_bytes, say=say
        )
        runtime, footprint, takes = opened.runtime, opened.footprint, opened.takes
    else:
        _import_runtime(name)
        forms = _forms(entry, enlarging, catalogue)
        form, footprint = _choose(name, enlarging, forms, threads, memory_limit_bytes, say)
        runtime = _load(form, threads)
        takes = None
    try:
        admission = Admission(
            name,
            enlarging,
            footprint,
            memory_limit_bytes=memory_limit_bytes,
            takes=takes,
            limits=limits,
        )
        least = (takes.least.width, takes.least.height) if takes is not None else (1, 1)
        return AdmittedUpscaler(runtime, enlarging, admission, name=name, least=least)
    except BaseException:
        runtime.close()
        raise


def usual_upscaler(scale: int, catalogue: Catalogue | None = None) -> str:
    """The model that is taken where none is named: the fastest.

    Args:
        scale: Each side is to grow by this.
        catalogue: The catalogue; None reads the usual one.

    Raises:
        UsageError: No model enlarges so; those that there are are named.
    """
    models = (catalogue or read_catalogue()).upscalers()
    found = [entry.name for entry in models if _scale(entry) == scale]
    if not found:
        scales = sorted({_scale(entry) for entry in models})
        raise UsageError(
            f"no model of the catalogue enlarges {scale} times; take one of "
            f"{', '.join(map(str, scales))}"
        )
    usual = f"espcn-x{scale}"
    return usual if usual in found else found[0]


def _entry(name: str, catalogue: Catalogue) -> tuple[Entry, Enlarging]:
    entry = catalogue.entry(name)
    if entry.enlarging is None:
        names = ", ".join(model.name for model in catalogue.upscalers())
        raise UsageError(f"{name} does not enlarge pictures; these do: {names}")
    return entry, entry.enlarging


def _scale(entry: Entry) -> int:
    return entry.enlarging.scale if entry.enlarging is not None else 0


def _import_runtime(name: str) -> None:
    """Before anything is measured: the library itself takes memory, which is not the network's."""
    try:
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackage(
            f"{name} needs the Python package {error.name!r}; "
            "run: pip install 'faceguard-edge[cpu]'"
        ) from error
    except (ImportError, MemoryError, SystemError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if not isinstance(error, ImportError) or _UNMAPPED.search(reason):
            raise NoRoom(
                f"{name}: there is too little memory even to load onnxruntime, which runs it; "
                "stop other programs, or allow more (ulimit -v, or the service's own limit)"
            ) from error
        raise MissingPackage(
            f"{name}: onnxruntime cannot be loaded: {reason}; install it anew: "
            "pip install --force-reinstall onnxruntime"
        ) from error


def _forms(entry: Entry, enlarging: Enlarging, catalogue: Catalogue) -> Iterator[_Form]:
    """The graphs of a model, the fastest first."""
    side = _WORTHWHILE_OVERLAPS * enlarging.overlap_px
    least = least_tile((_ANY_SIDE_PX, _ANY_SIDE_PX, 1), enlarging.overlap_px)
    kinds = [("rewritten", Tile(side, side))] if entry.is_rewritten else []
    for form, tile in [*kinds, ("plain", least)]:
        path = find_graph(entry.name, catalogue=catalogue, rewritten=form == "rewritten")
        note = path.with_name(f"{entry.name}.json")
        try:
            manifest = Manifest.model_validate_json(note.read_bytes())
        except (OSError, ValidationError) as error:
            raise ModelCorrupt(
                f"{note}: not a manifest: `faceguard models pull {entry.name}` mends it"
            ) from error
        sha256 = manifest.rewritten_sha256 if form == "rewritten" else manifest.sha256
        is_small = form == "plain" and entry.is_rewritten
        yield _Form(
            form,
            path,
            sha256 or "",
            # Blocks are faster; where another form is faster still, this one is for little memory.
            blocked=not is_small,
            copies=_REWRITTEN_COPIES if form == "rewritten" else 1,
            tile=tile,
        )


def _choose(
    name: str,
    enlarging: Enlarging,
    forms: Iterator[_Form],
    threads: int,
    limit_bytes: int | None,
    say: Callable[[str], None] | None,
) -> tuple[_Form, Footprint]:
    """The first form that fits with its tile; the others are not even measured."""
    refused: NoRoom | None = None
    for form in forms:
        limits = read_limits(limit_bytes)
        key = key_of(form.sha256, form.name, threads)
        subject = Subject(form.path, name, key, form.blocked, enlarging, form.copies)
        try:
            footprint = footprint_of(subject, tightest(limits), threads=threads, say=say)
            _check(name, form.tile, footprint, limits)
        except NoRoom as error:
            refused = error
            continue
        return form, footprint
    raise refused or NoRoom(f"{name}: there is no graph of it")


def _check(name: str, tile: Tile, footprint: Footprint, limits: list[Limit]) -> None:
    """Makes sure that a network can be loaded and then take a tile.

    Raises:
        NoRoom: It cannot; with figures.
    """
    need = footprint.need(work_pixels(tile))
    for limit in limits:
        load = footprint.loading(limit.kind)
        whole = footprint.loaded.of(limit.kind) + need.of(limit.kind)
        missing = max(load, whole) - limit.bytes
        if missing > 0:
            raise NoRoom(
                f"{name}: loading it takes {show_bytes(load)}, with the smallest tile "
                f"({tile.width}x{tile.height}) {show_bytes(whole)}, "
                f"{limit.spare}; "
                f"{advice(limit, missing, 'take a smaller model')}"
            )


def _load(form: _Form, threads: int) -> Runtime:
    from faceguard.engines.onnx import OnnxRuntime

    return OnnxRuntime(form.path, threads=threads, steady=True, blocked=form.blocked)
