"""What an engine was built from and for, written beside it; the check that it fits this machine.

A TensorRT engine holds code for one GPU, made by one TensorRT. Loaded on another it crashes, or
worse, answers. So each engine stands beside a manifest, nothing is loaded without one, and one
that names another machine is refused with what to run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from faceguard.engines.backends import TITLES
from faceguard.engines.errors import EngineStale, ModelCorrupt, ModelMissing
from faceguard.engines.spec import Backend, Precision, Profile
from faceguard.engines.store import sha256_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from faceguard.engines.machine import Machine

MANIFEST_NAME = "manifest.json"
MEND = "run: faceguard engines build"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputNote(_Strict):
    """One input.

    Attributes:
        name: Its name in the graph.
        dtype: Of its elements, as numpy calls it.
        minimum: Smallest side on each axis.
        optimum: The shape that the engine is tuned for.
        maximum: Largest side on each axis.
    """

    name: str
    dtype: str
    minimum: tuple[int, ...]
    optimum: tuple[int, ...]
    maximum: tuple[int, ...]


class OutputNote(_Strict):
    """One output.

    Attributes:
        name: Its name in the graph.
        dtype: Of its elements, as numpy calls it.
        shape: One entry an axis; None where it follows from the inputs.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class BuiltFor(_Strict):
    """What an engine depends on; None and empty where it does not.

    Attributes:
        version: Of the backend, as 10.3.0.
        cuda: The CUDA version of the driver.
        gpu: The GPU's name.
        compute_capability: As 8.7.
        targets: Compute capabilities that a portable engine was made for, as sm86.
        l4t: Jetson Linux, as 36.4.3.
    """

    version: str | None = None
    cuda: str | None = None
    gpu: str | None = None
    compute_capability: str | None = None
    targets: tuple[str, ...] = ()
    l4t: str | None = None

    @classmethod
    def by(cls, backend: Backend, machine: Machine, targets: tuple[str, ...] = ()) -> Self:
        """What an engine of this backend depends on when it is built here.

        Args:
            backend: Which one.
            machine: This one.
            targets: Compute capabilities to build for, for tensorrt-rtx; none: the GPU here.
        """
        if backend == "onnx":
            return cls()
        if backend == "tensorrt-rtx" and targets:
            return cls(version=machine.tensorrt_rtx, targets=targets)
        gpu = machine.gpu
        return cls(
            version=machine.tensorrt if backend == "tensorrt" else machine.tensorrt_rtx,
            cuda=machine.cuda,
            gpu=gpu.name if gpu else None,
            compute_capability="{}.{}".format(*gpu.compute_capability) if gpu else None,
            l4t=machine.l4t,
        )


class EngineManifest(_Strict):
    """The paper that goes with an engine.

    Attributes:
        format: Version of this form.
        name: What the engine is called.
        catalogue: The catalogue's name for the model; None where it does not know it.
        key: Hash of all that the engine follows from; see `engine_key`.
        backend: What runs it.
        precision: What was asked for, and proven.
        file: Name of the engine's file, in the same folder.
        bytes: Its size.
        sha256: Its hash.
        source: Name and hash of the file that it was made from.
        graph_sha256: Hash of the prepared graph that the backend read.
        inputs: What the engine takes.
        outputs: What it gives.
        flags: Further settings of the build.
        built_for: The machine that it runs on.
        precision_proof: Types of the weights and layers that were found.
        accuracy: How far its answers are from those of the FP32 graph.
        build: Seconds and memory that it took.
        tools: Versions of what took part.
        made: When, in UTC.
    """

    format: Literal[1] = 1
    name: str
    catalogue: str | None = None
    key: str
    backend: Backend
    precision: Precision
    file: str
    bytes: int
    sha256: str
    source: dict[str, str]
    graph_sha256: str
    inputs: tuple[InputNote, ...]
    outputs: tuple[OutputNote, ...]
    flags: dict[str, Any] = {}
    built_for: BuiltFor
    precision_proof: dict[str, Any] = {}
    accuracy: dict[str, Any] = {}
    build: dict[str, Any] = {}
    tools: dict[str, str] = {}
    made: str

    def misfit(self, machine: Machine) -> str | None:
        """Why the engine cannot run on this machine; None where it can."""
        if self.backend == "onnx":
            return None
        package = TITLES[self.backend]
        here = BuiltFor.by(self.backend, machine)
        if here.version is None:
            return f"it needs {package} {self.built_for.version}, which is not installed"
        if machine.gpu is None:
            return f"it needs an NVIDIA GPU: {machine.no_gpu}"
        if self.built_for.version != here.version:
            return f"built by {package} {self.built_for.version}, here is {here.version}"
        if self.built_for.targets:
            mine = "sm{}{}".format(*machine.gpu.compute_capability)
            if mine in self.built_for.targets:
                return None
            return f"built for {', '.join(self.built_for.targets)}, this GPU is {mine}"
        for field, what in _COMPARED.items():
            then, now = getattr(self.built_for, field), getattr(here, field)
            if then != now:
                return f"built for {what} {then or 'none'}, here is {now or 'none'}"
        return None


_COMPARED = {"gpu": "GPU", "compute_capability": "compute capability", "cuda": "CUDA", "l4t": "L4T"}


def engine_key(
    *,
    source_sha256: str,
    backend: Backend,
    precision: Precision,
    profiles: Mapping[str, Profile],
    flags: Mapping[str, Any],
    built_for: BuiltFor,
) -> str:
    """Hash of all that an engine follows from: equal keys mean that building again is idle.

    Args:
        source_sha256: Hash of the file that it is made from.
        backend: What is to run it.
        precision: What is asked for.
        profiles: The shapes asked for, by input.
        flags: Further settings, those of the preparation among them; only what JSON can hold.
        built_for: The machine that is to run it.
    """
    facts = {
        "source": source_sha256,
        "backend": backend,
        "precision": precision,
        "profiles": {name: str(profile) for name, profile in profiles.items()},
        "flags": dict(flags),
        "built_for": built_for.model_dump(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def manifest_of(engine: Path) -> Path:
    """Where the manifest of an engine file stands: FILE.json, or manifest.json in its folder."""
    own = engine.with_name(f"{engine.name}.json")
    inside = engine.with_name(MANIFEST_NAME)
    return inside if not own.exists() and inside.exists() else own


def read_manifest(path: Path) -> EngineManifest:
    """Reads a manifest.

    Raises:
        ModelMissing: There is none.
        ModelCorrupt: It cannot be read, or is none.
    """
    try:
        return EngineManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelMissing(
            f"{path}: no such manifest, so nothing vouches for the engine; "
            f"copy it here with its engine, or {MEND}"
        ) from error
    except OSError as error:
        raise ModelCorrupt(f"{path}: cannot be read ({error.strerror}); {MEND}") from error
    except ValidationError as error:
        raise ModelCorrupt(f"{path}: not a manifest of this version; {MEND}") from error


def load_engine(engine: Path, machine: Machine) -> tuple[EngineManifest, bytes]:
    """Reads an engine that belongs to this machine and is whole.

    Args:
        engine: The engine's file.
        machine: This one.

    Returns:
        Its manifest, and the very bytes that were held against it.

    Raises:
        ModelMissing: It has no manifest.
        ModelCorrupt: Its bytes are not those that the manifest names.
        EngineStale: It was built for another GPU, or by another TensorRT.
    """
    manifest = read_manifest(manifest_of(engine))
    misfit = manifest.misfit(machine)
    if misfit is not None:
        mend = MEND if machine.gpu is not None else "the CPU runs the model itself"
        raise EngineStale(f"{engine}: {misfit}; {mend}")
    try:
        data = engine.read_bytes()
    except OSError as error:
        raise ModelCorrupt(f"{engine}: cannot be read ({error.strerror}); {MEND}") from error
    _check_hash(engine, hashlib.sha256(data).hexdigest(), manifest)
    return manifest, data


def check_whole(engine: Path) -> EngineManifest:
    """Makes sure that an engine is what its manifest says, whatever machine it is for.

    Args:
        engine: The engine's file.

    Returns:
        Its manifest.

    Raises:
        ModelMissing: It has no manifest.
        ModelCorrupt: Its bytes are not those that the manifest names.
    """
    manifest = read_manifest(manifest_of(engine))
    try:
        have = sha256_of(engine)
    except OSError as error:
        raise ModelCorrupt(f"{engine}: cannot be read ({error.strerror}); {MEND}") from error
    _check_hash(engine, have, manifest)
    return manifest


def _check_hash(engine: Path, have: str, manifest: EngineManifest) -> None:
    if have != manifest.sha256:
        raise ModelCorrupt(
            f"{engine}: sha256 is {have[:12]}..., its manifest says {manifest.sha256[:12]}...; "
            f"{MEND} --force"
        )
