"""A line of a configuration becomes a request."""

from __future__ import annotations

from faceguard.convert.engine.request import TIMEOUT_S, Request
from faceguard.convert.engine.source import Source
from faceguard.convert.graph.shape_options import parse_profiles, parse_shapes
from faceguard.engines.catalogue import Catalogue
from faceguard.engines.machine import Machine
from faceguard.engines.spec import Backend, Profile
from faceguard.engines.wanted import Wanted


def best_backend(machine: Machine) -> Backend:
    """What runs engines best here: TensorRT, TensorRT for RTX, or ONNX Runtime on the CPU."""
    if machine.gpu is None:
        return "onnx"
    if machine.tensorrt is not None:
        return "tensorrt"
    return "onnx" if machine.tensorrt_rtx is None else "tensorrt-rtx"


def request_for(
    wanted: Wanted,
    machine: Machine,
    *,
    backend: Backend | None = None,
    targets: tuple[str, ...] = (),
    timeout_s: float = TIMEOUT_S,
    force: bool = False,
    catalogue: Catalogue | None = None,
) -> Request:
    """What a line of a configuration asks for.

    Args:
        wanted: The line.
        machine: This one.
        backend: Takes the place of the line's own; None takes that, or the machine's best.
        targets: Compute capabilities, as sm86; tensorrt-rtx only.
        timeout_s: When a build is given up.
        force: Whether to build what is up to date.
        catalogue: The catalogue; None reads the usual one.

    Raises:
        ModelError: The model is not on this machine, or unknown.
        UsageError: Shapes that are none, or settings that do not go together.
        MissingPackage: The backend is not installed.
    """
    shapes = parse_shapes([wanted.shape] if wanted.shape else [])
    profiles = parse_profiles([wanted.profile] if wanted.profile else [])
    chosen = backend or wanted.backend or best_backend(machine)
    return Request(
        source=Source.from_name(wanted.model, catalogue),
        backend=chosen,
        precision=wanted.precision or ("fp32" if chosen == "onnx" else "fp16"),
        machine=machine,
        profiles={name: Profile.fixed(shape) for name, shape in shapes.items()} | profiles,
        targets=targets if chosen == "tensorrt-rtx" else (),
        calibration=wanted.calibration,
        timeout_s=timeout_s,
        force=force,
    )
