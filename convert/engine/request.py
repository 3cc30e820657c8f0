"""What a user asks of the converter, with what a model's catalogue entry adds to it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from faceguard.convert.accuracy.picture_files import picture_files
from faceguard.convert.build.request import check_targets
from faceguard.convert.engine.source import Source
from faceguard.convert.graph.shape_options import ONLY_INPUT
from faceguard.engines.backends import INSTALL, INSTALL_PYCUDA, TITLES
from faceguard.engines.engine_store import folder_name
from faceguard.engines.errors import InputError, MissingPackage, UsageError
from faceguard.engines.machine import Machine
from faceguard.engines.manifest import BuiltFor, engine_key
from faceguard.engines.memory import Free, free_memory
from faceguard.engines.runtime import ENGINE_SUFFIXES
from faceguard.engines.spec import Backend, Precision, Profile

CONVERTER = 1
"""Raised by one with each change of the graphs that `prepared` makes; engines are then made anew.

Versions of packages are not looked at: building every engine again with each update of faceguard
would cost a device its minutes for nothing.
"""

TIMEOUT_S = 1800.0
MOST_CALIBRATION = 200
_MOST_GOLDEN = 50
UNIT_RANGE = (0.0, 1.0)
_SMALLEST_PX = 32
# 16:9 fits into it without padding, as YuNet and CenterFace take multiples of 32.
_USUAL_RATIO = 0.6
_TOOLS = ("onnx", "onnxruntime", "tflite")


@dataclass(frozen=True)
class Request:
    """One engine to be made.

    Attributes:
        source: What it is made from.
        backend: What is to run it.
        precision: What it is to compute in.
        machine: Where it is to run, unless `targets` says otherwise.
        profiles: The shapes asked for, by input; `ONLY_INPUT` where no name was given.
        targets: Compute capabilities, as sm86; tensorrt-rtx only.
        calibration: Pictures for int8.
        golden: Further pictures that the result must see as its source does.
        input_range: What black and white are for a model that is not in the catalogue.
        memory_limit_bytes: What the build may take at the most; None: what is free.
        timing_cache: A file for tactics' times; None takes the store's.
        timeout_s: When the build is given up.
        force: Whether an engine that stands there is made anew.
        out: The file to write; None takes the store.
    """

    source: Source
    backend: Backend
    precision: Precision
    machine: Machine
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    calibration: Path | None = None
    golden: Path | None = None
    input_range: tuple[float, float] = UNIT_RANGE
    memory_limit_bytes: int | None = None
    timing_cache: Path | None = None
    timeout_s: float = TIMEOUT_S
    force: bool = False
    out: Path | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be meant, or cannot be done here, before anything is begun.

        Raises:
            UsageError: Options that do not go together.
            MissingPackage: The backend is not installed, or there is no GPU to build for.
        """
        if self.calibration is not None and self.precision != "int8":
            raise UsageError(f"--calibration is for --int8; {self.precision} needs none")
        if self.targets and self.backend != "tensorrt-rtx":
            raise UsageError(
                f"--target is for --backend tensorrt-rtx; {self.backend} builds for this machine"
            )
        check_targets(self.targets)
        self._check_out()
        if self.backend != "onnx":
            self._check_backend()

    def _check_out(self) -> None:
        # What cannot even be looked at is told as such when it comes to writing.
        if self.out is None or os.path.isdir(self.out):  # noqa: PTH112 that one raises
            return
        suffixes = (".onnx",) if self.backend == "onnx" else ENGINE_SUFFIXES
        if self.out.suffix not in suffixes:
            raise UsageError(
                f"{self.out}: an engine for {self.backend} is opened by its suffix only; "
                f"name a file that ends in {' or '.join(suffixes)}"
            )
        with suppress(OSError):
            if self.out.samefile(self.source.path):
                raise UsageError(f"{self.out}: is the model itself; name another file with -o")

    def _check_backend(self) -> None:
        machine = self.machine
        title = TITLES[self.backend]
        if self.built_for.version is None:
            raise MissingPackage(
                f"{title} is not installed; {INSTALL[self.backend]}; "
                "--backend onnx makes a graph for the CPU"
            )
        if machine.gpu is None and not self.targets:
            instead = (
                "--target sm86 (or another) builds for a GPU elsewhere"
                if self.backend == "tensorrt-rtx"
                else "TensorRT builds on the device that is to run the engine"
            )
            raise MissingPackage(f"no GPU to build for: {machine.no_gpu}; {instead}")
        if self.runs_here and find_spec("pycuda") is None:
            # Said now, and not after minutes of building.
            raise MissingPackage(
                f"an engine is proven on its GPU, which takes pycuda; run: {INSTALL_PYCUDA}"
            )

    @property
    def runs_here(self) -> bool:
        """Whether this machine has the GPU that the engine is for."""
        gpu = self.machine.gpu
        if self.backend == "onnx" or gpu is None:
            return False
        return not self.targets or "sm{}{}".format(*gpu.compute_capability) in self.targets

    @cached_property
    def wanted_profiles(self) -> dict[str, Profile]:
        """The shapes asked for; for a catalogue's detector of open size, its usual ones."""
        entry = self.source.entry
        if self.profiles or entry is None or entry.input is None:
            return dict(self.profiles)
        longest = entry.input.long_side_px
        if longest is None:
            return {}
        multiple = entry.input.multiple_px
        smallest = max(_SMALLEST_PX, multiple)
        usual = max(smallest, round(longest * _USUAL_RATIO / multiple) * multiple)
        shapes = [(1, 3, smallest, smallest), (1, 3, usual, longest), (1, 3, longest, longest)]
        return {ONLY_INPUT: Profile(*shapes)}

    @cached_property
    def built_for(self) -> BuiltFor:
        """What the engine will depend on."""
        return BuiltFor.by(self.backend, self.machine, self.targets)

    @cached_property
    def flags(self) -> dict[str, Any]:
        """Further settings that the engine follows from."""
        flags: dict[str, Any] = {"converter": CONVERTER}
        entry = self.source.entry
        if entry is not None and entry.is_detector and entry.score is not None:
            # It is fed and judged as this detector; the same file by itself would not be.
            flags["detector"] = [entry.family, entry.variant, entry.score.start]
        if self.calibration is not None:
            flags["calibration"] = _digest(self.calibration_files)
        # Both are looked at for what half precision can hold, and an engine that was not asked
        # to see them alike is another one.
        if self.golden is not None:
            flags["golden"] = _digest(self.golden_files)
        if self.input_range != UNIT_RANGE:
            flags["input_range"] = list(self.input_range)
        return flags

    @cached_property
    def calibration_files(self) -> list[Path]:
        """The pictures for int8.

        Raises:
            InputError: There is no such folder, or no picture in it.
        """
        if self.calibration is None:
            return []
        return picture_files(self.calibration, what="--calibration", most=MOST_CALIBRATION)

    @cached_property
    def golden_files(self) -> list[Path]:
        """The user's own pictures that the result must see as its source does.

        Raises:
            InputError: There is no such folder, or no picture in it.
        """
        if self.golden is None:
            return []
        return picture_files(self.golden, what="--golden", most=_MOST_GOLDEN)

    @cached_property
    def key(self) -> str:
        """Hash of all that the engine follows from."""
        return engine_key(
            source_sha256=self.source.sha256,
            backend=self.backend,
            precision=self.precision,
            profiles=self.wanted_profiles,
            flags=self.flags,
            built_for=self.built_for,
        )

    def free(self) -> Free:
        """Memory that making the engine may take now."""
        return free_memory().within(self.memory_limit_bytes)

    @property
    def folder_name(self) -> str:
        """The engine's folder within a store."""
        return folder_name(self.source.name, self.precision, self.key)


def tools() -> dict[str, str]:
    """Versions of the packages that make graphs."""
    return {
        name: distribution.version
        for name in ("faceguard-edge", *_TOOLS)
        for distribution in distributions(name=name)
    }


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    try:
        for path in files:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
