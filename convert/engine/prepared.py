"""The graph that an engine is built from: checked, shaped, folded, in the precision asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from faceguard.convert.accuracy.gate import Gate
from faceguard.convert.accuracy.golden import Pictures, shipped_pictures
from faceguard.convert.accuracy.looks import Looker, Shown
from faceguard.convert.accuracy.reference import Reference
from faceguard.convert.admission import Need, admit, predict, program_bytes
from faceguard.convert.graph.check import (
    Problem,
    check_graph,
    check_sound,
    first_of,
    problems,
)
from faceguard.convert.graph.fold import fold
from faceguard.convert.graph.shapes import resolve_shapes
from faceguard.convert.onnx_bytes import serialized
from faceguard.convert.precision.half import to_half
from faceguard.convert.precision.int8 import to_int8
from faceguard.convert.precision.policy import Kept
from faceguard.convert.precision.proof import PrecisionProof, prove, unquantized
from faceguard.convert.trim import give_large_back, trim
from faceguard.engines.errors import (
    BadModelFile,
    ConvertError,
    InferenceError,
    ModelCorrupt,
    UsageError,
)
from faceguard.engines.manifest import InputNote, OutputNote
from faceguard.engines.onnx import OnnxRuntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

    from faceguard.convert.accuracy.looks import Feeds
    from faceguard.convert.engine.request import Request
    from faceguard.engines.spec import Profile
    from faceguard.engines.types import TensorSpec

_MOST_NOTED = 3


@dataclass(frozen=True)
class Prepared:
    """A graph, ready to be built, and what it is measured by.

    Attributes:
        graph: Its file.
        profiles: The shapes of each input.
        inputs: What it takes.
        outputs: What it gives.
        proof: Types of its weights and layers.
        kept: Layers that stay in single precision, and why.
        unread: What TensorRT would not read, in a graph for the CPU.
        need: The memory that building takes; with no backend to build, that of the proof.
        gate: What the result has to pass.
        reference: What the FP32 graph makes of the golden pictures.
        samples: What the golden pictures are to the graph's inputs.
    """

    graph: Path
    profiles: dict[str, Profile]
    inputs: tuple[InputNote, ...]
    outputs: tuple[OutputNote, ...]
    proof: PrecisionProof
    kept: list[Kept]
    unread: list[Problem]
    need: Need
    gate: Gate
    reference: Reference
    samples: Sequence[Feeds]

    def notes(self) -> list[str]:
        """What a user should know, one line each."""
        layers: dict[str, int] = {}
        for counts in self.proof.layers.values():
            for kind, count in counts.items():
                layers[kind] = layers.get(kind, 0) + count
        stored = ", ".join(
            f"{held.count} {kind}" for kind, held in self.proof.weights.items() if held.count
        )
        shown = ", ".join(f"{count} in {kind}" for kind, count in layers.items())
        lines = [f"weighted layers: {shown or 'none'}; stored values: {stored}"]
        lines += [f"stays in fp32: {kept}" for kept in self.kept[:_MOST_NOTED]]
        if len(self.kept) > _MOST_NOTED:
            lines.append(f"stay in fp32: {len(self.kept) - _MOST_NOTED} more, in the manifest")
        if self.unread:
            lines.append(f"TensorRT could not read this graph: {first_of(self.unread)}")
        lines += [
            f"output {output!r} is the same number everywhere, on every golden picture; "
            "a precision that broke what is behind it would not be seen"
            for output in self.reference.constant
        ]
        if self.gate.sure is not None and not self.reference.faces(self.gate.sure):
            lines.append(
                "in FP32, too, no golden picture shows a face at the shapes asked for "
                f"({', '.join(map(str, self.profiles.values()))}): judged by outputs alone; "
                "give a larger --shape, or --golden pictures with faces that it sees"
            )
        return lines


def prepare_graph(request: Request, folder: Path) -> Prepared:
    """Does all that can be done without the backend.

    Args:
        request: What is asked for.
        folder: Where to write the graph.

    Raises:
        ConvertError: The graph is not sound, holds what the backend does not know, or is not in
            the precision asked for afterwards.
        UsageError: Shapes that do not fit the graph.
        InputError: Pictures that cannot be read.
        OSError: The folder cannot be written.
    """
    name = request.source.name
    give_large_back()
    folded, profiles, unread = _folded(request)
    proof_need = predict(folded, profiles, request.precision, backend="onnx")
    admit(proof_need, request.free(), name=name)
    if request.backend != "onnx":
        # The build's as well, before the minutes that lie between; then once more when its graph
        # is known.
        admit(_build_need(request, folded, profiles), request.free(), name=name)
    entry = request.source.entry
    sure = entry.score.start if entry is not None and entry.score is not None else None
    looker = Looker(entry, profiles, request.input_range)
    pictures = Pictures(shipped_pictures(), request.golden_files)
    plain = folder / "fp32.onnx"
    plain.write_bytes(serialized(folded))
    with _opened(plain, name) as runtime:
        inputs = tuple(_input_note(spec, profiles[spec.name]) for spec in runtime.inputs)
        outputs = tuple(_output_note(spec) for spec in runtime.outputs)
        samples = Shown(looker, tuple(runtime.inputs), pictures)
        reference = _reference(looker, runtime, pictures, folder, name)
    trim()
    final, kept = _in_precision(request, folded, samples)
    del folded
    trim()
    proof = prove(final, request.precision, kept, name=name)
    graph = folder / "graph.onnx"
    graph.write_bytes(serialized(final))
    need = proof_need
    if request.backend != "onnx":
        need = _build_need(request, final, profiles)
    return Prepared(
        graph,
        profiles,
        inputs,
        outputs,
        proof,
        kept,
        unread,
        need,
        Gate(looker, pictures, sure, request.precision),
        reference,
        samples,
    )


def _opened(graph: Path, name: str) -> OnnxRuntime:
    try:
        return OnnxRuntime(graph, lean=True)
    except ModelCorrupt as error:
        reason = str(error).removeprefix(f"{graph}: ")
        raise BadModelFile(f"{name}: {reason}; export it anew") from error


def _reference(
    looker: Looker, runtime: OnnxRuntime, pictures: Pictures, folder: Path, name: str
) -> Reference:
    try:
        return Reference.of(looker, runtime, pictures, folder, name=name)
    except InferenceError as error:
        reason = str(error).rpartition("inference failed: ")[2]
        raise ConvertError(
            f"{name}: the model itself fails on golden pictures, in FP32 on ONNX Runtime: {reason}"
        ) from error


def _folded(
    request: Request,
) -> tuple[onnx.ModelProto, dict[str, Profile], list[Problem]]:
    """The graph in single precision, its shapes, and what TensorRT would not read in it."""
    name = request.source.name
    loaded = request.source.load()
    unread = []
    if request.backend == "onnx":
        check_sound(loaded, name=name)
        unread = problems(loaded)
    else:
        check_graph(loaded, name=name)
    shaped, profiles = resolve_shapes(loaded, request.wanted_profiles, name=name)
    return fold(shaped), profiles, unread


def _build_need(request: Request, graph: onnx.ModelProto, profiles: dict[str, Profile]) -> Need:
    need = predict(graph, profiles, request.precision, backend=request.backend)
    return replace(need, beside_bytes=program_bytes(len(request.source.data)))


def _in_precision(
    request: Request,
    folded: onnx.ModelProto,
    samples: Shown,
) -> tuple[onnx.ModelProto, list[Kept]]:
    """The graph in the precision asked for, and the layers that had to stay in FP32."""
    name = request.source.name
    if request.precision == "fp16":
        half = to_half(folded, samples, name=name)
        return half.model, half.kept
    if request.precision == "int8" and request.calibration is None:
        if not any(node.op_type == "DequantizeLinear" for node in folded.graph.node):
            raise UsageError(f"{name}: --int8 needs --calibration DIR: a folder of pictures")
        return folded, unquantized(folded)
    if request.precision == "int8":
        typical = samples.of(Pictures(files=request.calibration_files))
        return to_int8(folded, typical, name=name), []
    return folded, []


def _input_note(spec: TensorSpec, profile: Profile) -> InputNote:
    return InputNote(
        name=spec.name,
        dtype=str(spec.dtype),
        minimum=profile.minimum,
        optimum=profile.optimum,
        maximum=profile.maximum,
    )


def _output_note(spec: TensorSpec) -> OutputNote:
    return OutputNote(name=spec.name, dtype=str(spec.dtype), shape=spec.shape)
