"""The detector that a configuration asks for, on the engine that suits this machine."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from faceguard.edge.config.faces import DetectorConfig
from faceguard.edge.engine_choice import EngineChoice, Words
from faceguard.engines.catalogue import Catalogue, Entry, read_catalogue
from faceguard.engines.detectors import Detector, open_detector
from faceguard.engines.engine_store import stored_engines
from faceguard.engines.errors import FaceguardError, MissingPackage
from faceguard.engines.machine import read_machine
from faceguard.engines.store import find_graph

_WORDS = Words("detector.engine", "detector.long_side_px", "detector.model")
# What runs on the CPU is no faster than the plain graph, which is the reference for all.
_ORDER = ("tensorrt", "tensorrt-rtx")
_log = logging.getLogger(__name__)


def detector_entry(config: DetectorConfig, catalogue: Catalogue | None = None) -> Entry:
    """The catalogue's entry of the detector that is asked for.

    Raises:
        ModelUnknown: The catalogue has no such name.
        FaceguardError: The engine that is named does not tell what it is.
    """
    catalogue = catalogue or read_catalogue()
    choice = _named(config)
    name = choice.detector(config.model) if choice else config.model
    return catalogue.entry(name or catalogue.default)


def check_detector(config: DetectorConfig) -> None:
    """Looks whether there is a detector at all, before a camera is opened for it.

    Raises:
        ModelMissing: The model was not pulled.
        ModelCorrupt: Its file is damaged.
        MissingPackage: What runs it is not installed.
    """
    if _named(config) is not None:
        return
    # `auto` falls back on the CPU, so the model and what runs it there must be here in any case.
    find_graph(detector_entry(config).name)
    if find_spec("onnxruntime") is None:
        raise MissingPackage(
            "the Python package onnxruntime is missing; run: pip install 'faceguard-edge[cpu]'"
        )


def open_live_detector(config: DetectorConfig, keep: float) -> Detector:
    """Opens it; with `engine: auto`, an engine that fails gives way to the CPU.

    Args:
        config: What is asked for.
        keep: Lowest score that is given out.

    Raises:
        FaceguardError: It cannot be opened, and why.
    """
    catalogue = read_catalogue()
    entry = detector_entry(config, catalogue)
    choice = _named(config)
    if choice is not None:
        choice.check(config.long_side_px)
        return _opened(config, entry, keep, choice, catalogue)
    best = best_engine(entry.name, config) if config.engine == "auto" else None
    if best is not None:
        try:
            found = _opened(config, entry, keep, best, catalogue)
        except FaceguardError as error:
            _log.warning("the engine is not used, and the CPU instead: %s", error)
        else:
            _log.info("detector %s on the engine %s", entry.name, best.path.parent.name)
            return found
    return _opened(config, entry, keep, None, catalogue)


def _named(config: DetectorConfig) -> EngineChoice | None:
    if config.engine in ("auto", "none"):
        return None
    return EngineChoice.read(config.engine, _WORDS)  # type: ignore[arg-type] # a path is left


def best_engine(name: str, config: DetectorConfig) -> EngineChoice | None:
    """The engine to prefer among those that run here; None where the CPU is as good."""
    found = []
    for stored in stored_engines(read_machine()):
        manifest = stored.manifest
        if stored.wrong or manifest is None or manifest.catalogue != name:
            continue
        if manifest.backend not in _ORDER:
            continue
        choice = EngineChoice(stored.folder / manifest.file, manifest, _WORDS)
        most = choice.largest_px
        if config.long_side_px is not None and (
            choice.is_fixed or (most is not None and most < config.long_side_px)
        ):
            continue
        found.append(choice)
    # The fastest kind first, and of these the newest.
    found.sort(key=lambda choice: choice.manifest.made, reverse=True)
    return min(found, key=lambda c: _ORDER.index(c.manifest.backend), default=None)


def _opened(
    config: DetectorConfig,
    entry: Entry,
    keep: float,
    engine: EngineChoice | None,
    catalogue: Catalogue,
) -> Detector:
    long_side = config.long_side_px or (entry.input.long_side_px if entry.input else None)
    if engine is not None:
        long_side = engine.bounded(long_side)
    return open_detector(
        entry.name,
        score=keep,
        long_side=long_side,
        threads=config.threads,
        engine=None if engine is None else engine.path,
        catalogue=catalogue,
    )
