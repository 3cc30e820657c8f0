"""From a detector's name in the catalogue to a detector that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceguard.engines.catalogue import read_catalogue
from faceguard.engines.detectors.blazeface import BlazeFace
from faceguard.engines.detectors.centerface import CenterFace
from faceguard.engines.detectors.detector import Detector, picture_size
from faceguard.engines.detectors.yunet import YuNet
from faceguard.engines.errors import UsageError
from faceguard.engines.runtime import open_runtime
from faceguard.engines.store import find_graph

if TYPE_CHECKING:
    from pathlib import Path

    from faceguard.engines.catalogue import Catalogue, Entry
    from faceguard.engines.detectors.family import Family
    from faceguard.engines.runtime import Runtime


def family_of(entry: Entry) -> Family:
    """The family that reads a catalogue entry's outputs.

    Raises:
        UsageError: The entry is no face detector, or names a variant that its family has not.
    """
    if entry.family == "yunet":
        return YuNet()
    if entry.family == "centerface":
        return CenterFace()
    if entry.family == "blazeface":
        return BlazeFace(entry.variant or "")
    raise UsageError(f"{entry.name} is no face detector; `faceguard models list` shows which are")


def open_detector(
    name: str,
    *,
    score: float | None = None,
    long_side: int | None = None,
    threads: int = 0,
    tile: bool = False,
    engine: Path | None = None,
    catalogue: Catalogue | None = None,
) -> Detector:
    """Opens a detector by its name in the catalogue; nothing is fetched.

    Args:
        name: The name, such as "yunet".
        score: Lowest score that is given out, over 0 and under 1; None takes the catalogue's
            `keep`, what is enough where a face was a moment ago. Ask the detections for those
            `above` a higher one.
        long_side: Long side of the input in pixels; None takes the catalogue's.
        threads: Threads for one inference; 0 leaves the choice to the runtime.
        tile: Whether to look at tiles in full resolution too, for small faces in large pictures.
        engine: An engine that was built from this model; None takes the pulled graph, which ONNX
            Runtime runs on the CPU.
        catalogue: The catalogue; None reads the usual one.

    Raises:
        ModelUnknown: The catalogue has no such name.
        ModelMissing: The model was not pulled.
        ModelCorrupt: Its file is damaged.
        EngineStale: The engine was built for another machine.
        UsageError: A value that cannot be meant, or a name of something else than a detector.
    """
    catalogue = catalogue or read_catalogue()
    entry = catalogue.entry(name)
    family_of(entry)
    runtime = open_runtime(engine or find_graph(name, catalogue=catalogue), threads=threads)
    return detector_on(runtime, entry, score=score, long_side=long_side, tile=tile)


def detector_on(
    runtime: Runtime,
    entry: Entry,
    *,
    score: float | None = None,
    long_side: int | None = None,
    tile: bool = False,
) -> Detector:
    """The detector of a catalogue entry on an engine that is open already.

    Args:
        runtime: The engine; closed with the detector, and at once where there is an error.
        entry: What the engine was made from.
        score: See `open_detector`.
        long_side: See `open_detector`; None takes the engine's own size where it has but one.
        tile: See `open_detector`.

    Raises:
        UsageError: A value that cannot be meant, or an entry of something else than a detector.
        ModelCorrupt: The engine does not take one picture.
    """
    try:
        family = family_of(entry)
        if score is None and entry.score is not None:
            score = entry.score.keep
        open_size = family.input_size is None and picture_size(runtime.inputs[0]) is None
        if long_side is None and entry.input is not None and open_size:
            long_side = entry.input.long_side_px
        return Detector(
            runtime,
            family,
            score=0.5 if score is None else score,
            long_side=long_side,
            tile=tile,
        )
    except BaseException:
        runtime.close()
        raise
