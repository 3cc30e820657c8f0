"""The detector: its model is whole, its engine fits, and it looks at a picture."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from faceguard.edge.check.seen import told
from faceguard.edge.config.camera import CsiCamera, SyntheticCamera, V4l2Camera
from faceguard.edge.config.model import Config
from faceguard.edge.doctor.finding import Finding, State
from faceguard.engines.errors import FaceguardError

# A GPU's first look takes its time.
_OPEN_WITHIN_S = 120.0
_LOOKS = 5
_USUAL_SIZE = (1280, 720)


def check_detector(config: Config, path: Path) -> list[Finding]:
    """Model, engine and a few looks at a black picture.

    Args:
        config: What is asked for.
        path: Its file, for what to run.
    """
    # Here and not above: these want packages that may be what is missing.
    from faceguard.edge.live.detector import detector_entry

    try:
        name = detector_entry(config.detector).name
    except FaceguardError as error:
        about = "engine" if isinstance(config.detector.engine, Path) else "model"
        return [told(about, State.FAULT, error, "correct detector: in the configuration")]
    engine, chosen = _engine(config, name, path)
    model = _model(name, needed=chosen is None)
    found = [model, engine]
    if any(finding.state is State.FAULT for finding in found):
        return found
    asked = config.detector.model_copy(update={"engine": chosen or "none"})
    look = _look(config.model_copy(update={"detector": asked}))
    if look.state is not State.FAULT or chosen is None or config.detector.engine != "auto":
        return [*found, look]
    # As `run` does it: what fails on its own gives way to the CPU.
    broken = Finding("engine", State.WARNING, f"{look.detail}; the CPU does the work", look.mend)
    asked = config.detector.model_copy(update={"engine": "none"})
    plain = _model(name, needed=True)
    if plain.state is State.FAULT:
        return [plain, broken]
    return [plain, broken, _look(config.model_copy(update={"detector": asked}))]


def _model(name: str, *, needed: bool) -> Finding:
    from faceguard.engines.catalogue import read_catalogue
    from faceguard.engines.store import State as Stored
    from faceguard.engines.store import find_graph, state_of

    catalogue = read_catalogue()
    mend = f"faceguard models pull {name}"
    try:
        state, why = state_of(catalogue.entry(name), catalogue)
        if state is not Stored.READY:
            find_graph(name, catalogue=catalogue)
            return Finding("model", State.WARNING, why.split(": `faceguard")[0], mend)
    except FaceguardError as error:
        if needed:
            return told("model", State.FAULT, error, mend)
        return Finding("model", State.OK, f"{name} is held by the engine; the model is not needed")
    return Finding("model", State.OK, f"{name} is pulled and whole")


def _engine(config: Config, name: str, path: Path) -> tuple[Finding, Path | None]:
    """What there is to say of the engine, and its file; None for the CPU."""
    from faceguard.edge.engine_choice import EngineChoice, Words
    from faceguard.edge.live.detector import best_engine
    from faceguard.engines.backends import TITLES
    from faceguard.engines.machine import read_machine

    asked = config.detector.engine
    if asked == "none":
        return Finding("engine", State.OK, "none is asked for; the CPU runs the model"), None
    machine = read_machine()
    build = f"faceguard engines build --config {path}"
    if asked == "auto":
        choice = best_engine(name, config.detector)
        if choice is None and machine.gpu is None:
            return Finding("engine", State.OK, "no GPU here; the CPU runs the model"), None
        if choice is None:
            detail = f"none is built for the {machine.gpu.name if machine.gpu else 'GPU'}"
            detail += f" and {name}; the CPU runs the model, several times slower"
            return Finding("engine", State.WARNING, detail, build), None
    else:
        try:
            choice = EngineChoice.read(
                Path(asked), Words("detector.engine", "detector.long_side_px", "detector.model")
            )
            choice.check(config.detector.long_side_px)
        except FaceguardError as error:
            return told("engine", State.FAULT, error, build), Path(asked)
        misfit = choice.manifest.misfit(machine)
        if misfit is not None:
            return Finding("engine", State.FAULT, f"{choice.path}: {misfit}", build), choice.path
    manifest = choice.manifest
    title = TITLES.get(manifest.backend, manifest.backend)
    detail = f"{title}, {manifest.precision}, in {choice.path.parent}"
    return Finding("engine", State.OK, detail), choice.path


def _look(config: Config) -> Finding:
    """Opens the detector and looks at a black picture."""
    from faceguard.edge.cameras.timely import within

    try:
        looks_ms, faces = within(_OPEN_WITHIN_S, "check the detector", lambda: _looks(config))
    except FaceguardError as error:
        return told("detector", State.FAULT, error, "see: faceguard doctor")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("faceguard"):
            raise
        mend = "pip install 'faceguard-edge[cpu]'"
        return Finding("detector", State.FAULT, f"needs the package {error.name}", mend)
    except TimeoutError:
        detail = f"gave no answer in {_OPEN_WITHIN_S:g} s"
        return Finding("detector", State.FAULT, detail, "see: faceguard doctor")
    took_ms = statistics.median(looks_ms)
    detail = f"a look takes {took_ms:.1f} ms"
    limit_ms = config.detector.timeout_ms
    if took_ms > limit_ms:
        detail += f", more than detector.timeout_ms ({limit_ms}): every frame gets covered whole"
        return Finding("detector", State.WARNING, detail, "raise detector.timeout_ms")
    if faces:
        detail += f"; it finds {faces} faces in a black picture"
        return Finding("detector", State.WARNING, detail, "raise detector.score, or leave it out")
    rate = getattr(config.camera, "rate", None) or 30.0
    room_ms = 1000 * config.detector.every / rate
    if took_ms > room_ms:
        detail += f", and there are {room_ms:.1f} ms from one to the next: frames get dropped"
        return Finding("detector", State.WARNING, detail, "raise detector.every")
    return Finding("detector", State.OK, detail)


def _looks(config: Config) -> tuple[list[float], int]:
    """How long some looks took in milliseconds, and how many faces they found."""
    from faceguard.edge.config.plan import plan_of, scores_of
    from faceguard.edge.live.detector import detector_entry, open_live_detector
    from faceguard.edge.sampling import looks
    from faceguard.edge.types import Image, PixelFormat

    scores = scores_of(config.detector, detector_entry(config.detector))
    picture = Image.blank(PixelFormat.I420, *size_of(config))
    for plane, black in zip(picture.planes, (16, 128, 128), strict=True):
        plane.fill(black)
    looks_ms = []
    faces = 0
    strong = plan_of(config, scores).tracking.strong
    with open_live_detector(config.detector, scores.keep) as detector:
        for _ in range(_LOOKS):
            begun_ns = time.monotonic_ns()
            found = [detector.detect(view) for view in looks(picture)]
            looks_ms.append((time.monotonic_ns() - begun_ns) / 1e6)
            faces = sum(int((one.scores >= strong).sum()) for one in found)
    # The first one warms it up.
    return looks_ms[1:], faces


def size_of(config: Config) -> tuple[int, int]:
    """Width and height of the camera's pictures, or what is usual where nobody knows yet."""
    return _asked_size(config) or _USUAL_SIZE


def knows_size(config: Config) -> bool:
    """Whether the configuration says how large the camera's pictures are."""
    return _asked_size(config) is not None


def _asked_size(config: Config) -> tuple[int, int] | None:
    camera = config.camera
    if isinstance(camera, (CsiCamera, SyntheticCamera, V4l2Camera)) and camera.width:
        return camera.width, camera.height or _USUAL_SIZE[1]
    return None
