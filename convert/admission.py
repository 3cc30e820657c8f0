"""Whether a build fits into the memory that is free, said before it starts.

A build that takes too much ends with the kernel killing it, or something else, half-way. What it
will take is predicted from the graph; docs/decisions/admission.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from faceguard.convert.graph.nodes import reads_of, walk
from faceguard.convert.graph.tensors import (
    WEIGHTED,
    bits_of,
    constants_of,
    elements_of,
    tensor_types,
)
from faceguard.engines.errors import NotEnoughMemory
from faceguard.engines.memory import Free, largest_holders, show_bytes
from faceguard.engines.spec import Backend, Precision, Profile

MIB = 1 << 20

DEFAULT_WORKSPACE_BYTES = 512 * MIB
"""Scratch memory that a builder may take where nobody says otherwise."""

LEAST_WORKSPACE_BYTES = 64 * MIB
"""Below this TensorRT finds no way to compute some layers."""

_RESERVE_BYTES = 64 * MIB
"""Left for the rest of the machine, which goes on working while we build."""


@dataclass(frozen=True)
class _Costs:
    """What a backend takes.

    Attributes:
        library_bytes: In any case.
        weight_copies: So many copies of the weights.
        activation_copies: So many of the tensors that live at the same time.
        quantized_layer_bytes: For each layer, in INT8.
    """

    library_bytes: int
    weight_copies: float
    activation_copies: float
    quantized_layer_bytes: int


_COSTS: dict[Backend, _Costs] = {
    # Measured on x86-64 with 1.7.1: 205 MiB and 4.0 times the graph. It times nothing, so
    # activations and workspace are never taken.
    "tensorrt-rtx": _Costs(256 * MIB, 4.2, 0.0, 1280 << 10),
    # Not measured by us: what logs of others show of a Jetson with TensorRT 8.4 to 10.3 for CUDA
    # and the builder's kernels, and the copies in the network, the plan and on the GPU beside those
    # that RTX holds.
    "tensorrt": _Costs(1100 * MIB, 5.0, 1.0, 1280 << 10),
    # The proof, from reading the file to the last golden picture; measured with 1.31.
    "onnx": _Costs(195 * MIB, 7.0, 1.25, 0),
}


_SPELLED_OUT = ("HardSwish", "LeakyRelu", "PRelu")
_SPELLED_OUT_COPIES = 2.75
"""ONNX Runtime has no FP16 for these on a CPU, and puts their definitions in their place: several
simple operations, with a tensor between any two."""

_PROGRAM_BYTES = 185 * MIB
_SOURCE_COPIES = 4


def program_bytes(source_bytes: int) -> int:
    """What this program holds while a backend builds, in its two processes.

    Args:
        source_bytes: The size of the model's file.
    """
    return _PROGRAM_BYTES + _SOURCE_COPIES * source_bytes


@dataclass(frozen=True)
class Need:
    """What a build is going to take at its peak.

    Attributes:
        weights_bytes: All copies of the weights.
        activations_bytes: Tensors that live at the same time, at the largest shapes.
        workspace_bytes: Scratch memory that layers may use while they are timed; 0 where the
            backend times nothing, and then no limit should be set.
        library_bytes: What the backend takes for itself.
        beside_bytes: What this program holds while the backend builds.
    """

    weights_bytes: int
    activations_bytes: int
    workspace_bytes: int
    library_bytes: int
    beside_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return sum(self._parts().values())

    def _parts(self) -> dict[str, int]:
        return {
            "weights": self.weights_bytes,
            "activations": self.activations_bytes,
            "workspace": self.workspace_bytes,
            "library": self.library_bytes,
            "this program": self.beside_bytes,
        }

    def __str__(self) -> str:
        """As it stands in a message."""
        shown = ", ".join(
            f"{name} {show_bytes(size)}" for name, size in self._parts().items() if size
        )
        return f"{show_bytes(self.total_bytes)} ({shown})"


def predict(
    model: onnx.ModelProto,
    profiles: Mapping[str, Profile],
    precision: Precision,
    workspace_bytes: int = DEFAULT_WORKSPACE_BYTES,
    *,
    backend: Backend = "tensorrt",
) -> Need:
    """Predicts the peak of a build.

    Args:
        model: The graph that is built from, already in its precision; or one in single precision,
            which is then counted as if it were.
        profiles: The shapes of its inputs, from `resolve_shapes`.
        precision: What was asked for.
        workspace_bytes: The scratch memory that the builder may take.
        backend: Who builds.
    """
    costs = _COSTS[backend]
    # The proof holds the graph in single precision, whatever is made of it.
    shrink = 1.0 if backend == "onnx" else _shrink(model, precision)
    weights = int(_weights_bytes(model) * shrink)
    layers = sum(node.op_type in WEIGHTED for node in model.graph.node)
    quantized = layers * costs.quantized_layer_bytes if precision == "int8" else 0
    activations = 0
    if tensors := costs.activation_copies:
        if backend == "onnx" and precision == "fp16" and _is_spelled_out(model):
            tensors = _SPELLED_OUT_COPIES
        activations = int(peak_activations(model, profiles) * min(1.0, shrink * 2) * tensors)
    return Need(
        int(weights * costs.weight_copies),
        activations,
        workspace_bytes if backend == "tensorrt" else 0,
        costs.library_bytes + quantized,
    )


def _is_spelled_out(model: onnx.ModelProto) -> bool:
    return any(node.op_type in _SPELLED_OUT for node in model.graph.node)


def _shrink(model: onnx.ModelProto, precision: Precision) -> float:
    """How much smaller the weights will be, where the graph is not yet in its precision."""
    kinds = {weight.data_type for weight in constants_of(model.graph).values()}
    done = {onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8} & kinds
    if precision == "fp32" or done:
        return 1.0
    # INT8 weights are stored as bytes, but a build without the cast goes through half of that.
    return 0.5


def _weights_bytes(model: onnx.ModelProto) -> int:
    found = sum(
        elements_of(weight) * bits_of(weight.data_type) // 8
        for weight in constants_of(model.graph).values()
    )
    inside = sum(len(node.SerializeToString()) for node in walk(model.graph) if node.attribute)
    return int(found) + inside


def peak_activations(model: onnx.ModelProto, profiles: Mapping[str, Profile]) -> int:
    """The most bytes of tensors that live at the same time, in the order of the graph.

    A tensor lives from the operation that makes it to the last that reads it; inputs and outputs
    live throughout. A tensor whose size cannot be inferred counts like the largest that can.

    Args:
        model: Any graph.
        profiles: The shapes of its inputs; the largest are taken.
    """
    shapes = {name: profile.maximum for name, profile in profiles.items()}
    try:
        types = tensor_types(model, inputs=shapes)
    except onnx.shape_inference.InferenceError:
        types = tensor_types(model)
    constants = constants_of(model.graph).keys()
    made = [name for node in model.graph.node for name in node.output if name]
    sizes = {
        name: types[name].nbytes if name in types else None
        for name in (*types, *made)
        if name not in constants
    }
    largest = max((size for size in sizes.values() if size is not None), default=0)
    known = {name: largest if size is None else size for name, size in sizes.items()}
    last = {name: place for place, node in enumerate(model.graph.node) for name in reads_of(node)}
    ends = [value.name for value in (*model.graph.input, *model.graph.output)]
    forever = {name for name in ends if name not in constants}
    living = sum(known.get(name, 0) for name in forever)
    peak = living
    for place, node in enumerate(model.graph.node):
        outputs = [name for name in node.output if name in known and name not in forever]
        living += sum(known[name] for name in outputs)
        peak = max(peak, living)
        gone = {name for name in reads_of(node) if last[name] == place}
        gone |= {name for name in outputs if name not in last}
        living -= sum(known.get(name, 0) for name in gone - forever)
    return peak


def admit(need: Need, free: Free, *, name: str, root: Path = Path("/")) -> int:
    """Lets a build begin, with as much workspace as fits.

    Args:
        need: From `predict`.
        free: From `free_memory`, and `Free.within` where the user set a limit.
        name: The model's name, for messages.
        root: Where `proc` lies.

    Returns:
        The workspace to give the builder, in bytes: what was asked for or less, and 0 where the
        backend takes none.

    Raises:
        NotEnoughMemory: Even with the least workspace it would not fit; with what it needs, what
            is free, and who holds the rest.
    """
    least = min(need.workspace_bytes, LEAST_WORKSPACE_BYTES)
    fixed = need.total_bytes - need.workspace_bytes
    # What a user allows, or a group's limit, is for us alone.
    reserve = _RESERVE_BYTES if free.shared else 0
    left = free.bytes - reserve - fixed
    if left >= least:
        return min(need.workspace_bytes, left)
    smallest = replace(need, workspace_bytes=least)
    raise NotEnoughMemory(
        f"{name}: building it takes {smallest}, and {show_bytes(free.bytes)} is free {free.limit}; "
        f"{_advice(free, fixed + least + reserve, root)}"
    )


def _advice(free: Free, wanted: int, root: Path) -> str:
    if not free.shared:
        # Rounded up, so that what is then given is enough.
        return f"raise it to at least {-(-wanted // MIB)} MB"
    smaller = "build for a smaller --shape"
    missing = wanted - free.bytes
    stopped: list[str] = []
    for holder in largest_holders(root):
        stopped.append(str(holder))
        missing -= holder.resident_bytes
        if missing <= 0:
            return f"stop {' and '.join(stopped)}, or {smaller}"
    # Stopping even the largest would not do.
    return smaller
