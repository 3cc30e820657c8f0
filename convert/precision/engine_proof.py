"""Proof from a built engine: what TensorRT's EngineInspector says of its layers.

The shape of its JSON is NVIDIA's ("Engine Inspector" in TensorRT's documentation, and "Migrating
IEngineInspector Usage from TensorRT 10.x to 11.x"): an object with `Layers`, a list of objects
where the engine was built with detailed profiling verbosity and of bare names where it was not.
Tensors have `Format/Datatype` up to TensorRT 10, `Format` and `DataType` from 11 on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from faceguard.convert.precision.policy import Kept, names_of
from faceguard.engines.errors import ProofFailed
from faceguard.engines.spec import Precision

_SHOWN = 3

# Kinds of layers that carry weights, by what `LayerType` and `ParameterType` say.
_WEIGHTED = re.compile(
    r"convolution|deconv|gemm|matrixmultiply|matmul|fullyconnected|fully connected", re.IGNORECASE
)
# Where kinds are fused into one generated kernel, its name or tactic still says so.
_FUSED = re.compile(r"conv|gemm|matmul|fprop|dgrad", re.IGNORECASE)
_TYPES = (
    ("int8", re.compile(r"\bint8\b", re.IGNORECASE)),
    ("fp16", re.compile(r"\bfp16\b|\bhalf\b|\bfloat16\b", re.IGNORECASE)),
    ("bf16", re.compile(r"\bbf16\b|\bbfloat16\b", re.IGNORECASE)),
    ("fp8", re.compile(r"\bfp8\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\bfp32\b|\bfloat\b|\bfloat32\b", re.IGNORECASE)),
)


@dataclass(frozen=True)
class EngineProof:
    """What an engine's layers compute in.

    Attributes:
        precision: What was asked for.
        layers: How many weighted layers compute in each type.
        others: How many layers there are besides.
        kept: The weighted layers that compute in another type than was asked for, as allowed.
    """

    precision: Precision
    layers: dict[str, int]
    others: int
    kept: list[str]


def prove_engine_layers(
    inspector_json: str,
    precision: Precision,
    kept: Iterable[Kept | str] = (),
    *,
    name: str = "engine",
) -> EngineProof:
    """Reads what an engine's inspector says, and compares it with what was asked for.

    Args:
        inspector_json: From `EngineInspector.get_engine_information(LayerInformationFormat.JSON)`
            of an engine that was built with `ProfilingVerbosity.DETAILED`; or a list of layers.
        precision: What was asked for.
        kept: Layers of the graph that may compute in single precision, or their names. Layers are
            fused: one such name in an engine's layer excuses it.
        name: The engine's name, for messages.

    Returns:
        The counts, for the manifest.

    Raises:
        ProofFailed: It is not such a text, holds no details, or a weighted layer computes in
            another type.
    """
    allowed = names_of(kept)
    layers: dict[str, int] = {}
    excused: list[str] = []
    wrong: list[str] = []
    others = 0
    for layer in _layers(inspector_json, name):
        if not _is_weighted(layer):
            others += 1
            continue
        found = _type_of(layer)
        layers[found] = layers.get(found, 0) + 1
        if found == precision:
            continue
        title = _text(layer, "Name")
        if _excused(layer, allowed):
            excused.append(title)
        else:
            wrong.append(f"{title!r} in {found}")
    if not layers:
        raise ProofFailed(
            f"{name}: its inspector names no convolution or product in {others} layers, "
            "so nothing is proven; nothing was published"
        )
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ProofFailed(
            f"{name}: {precision} was asked for, but {len(wrong)} layers of the engine compute "
            f"otherwise: {', '.join(wrong[:_SHOWN])}{more}; nothing was published"
        )
    return EngineProof(precision, dict(sorted(layers.items())), others, excused)


def _layers(inspector_json: str, name: str) -> Iterator[Mapping[str, object]]:
    try:
        found = json.loads(inspector_json)
    except ValueError as error:
        raise ProofFailed(f"{name}: its inspector gave no JSON: {error}") from error
    if isinstance(found, dict):
        found = found.get("Layers", found.get("layers"))
    if isinstance(found, dict):
        # By name, or by number.
        found = [
            {"Name": key, **value} if isinstance(value, dict) else value
            for key, value in found.items()
        ]
    if not isinstance(found, list) or not found:
        raise ProofFailed(f"{name}: its inspector names no layers")
    for layer in found:
        if not isinstance(layer, dict):
            raise ProofFailed(
                f"{name}: its inspector gives names of layers only; "
                "build it with ProfilingVerbosity.DETAILED"
            )
        yield layer


def _text(layer: Mapping[str, object], key: str) -> str:
    value = layer.get(key)
    return value if isinstance(value, str) else ""


def _is_weighted(layer: Mapping[str, object]) -> bool:
    kind, parameters = _text(layer, "LayerType"), _text(layer, "ParameterType")
    if _WEIGHTED.search(kind) or _WEIGHTED.search(parameters):
        return True
    if kind.lower() in ("reformat", "constant", "shuffle", "cast", "noop", "scale", "signal"):
        return False
    weights = layer.get("Weights")
    if isinstance(weights, dict) and weights.get("Count"):
        return True
    return bool(_FUSED.search(_text(layer, "TacticName")))


def _type_of(layer: Mapping[str, object]) -> str:
    """The type of its weights where it tells one, else of its first input that is a number."""
    weights = layer.get("Weights")
    if isinstance(weights, dict) and weights.get("Count"):
        found = _named_type(_text(weights, "Type"))
        if found:
            return found
    inputs = layer.get("Inputs")
    for tensor in inputs if isinstance(inputs, list) else []:
        if isinstance(tensor, dict):
            found = _named_type(_text(tensor, "Format/Datatype")) or _named_type(
                _text(tensor, "DataType") or _text(tensor, "Datatype") or _text(tensor, "Format")
            )
            if found:
                return found
    return "a type that it does not tell"


def _named_type(text: str) -> str:
    return next((name for name, pattern in _TYPES if pattern.search(text)), "")


def _excused(layer: Mapping[str, object], kept: Collection[str]) -> bool:
    """Whether a name that may be kept stands in the layer's name or metadata, as a whole."""
    texts = (_text(layer, "Name"), _text(layer, "Metadata"))
    # A name ends where none of its usual characters follows: conv1 is not conv10.
    patterns = [re.compile(rf"(?<![\w./]){re.escape(name)}(?![\w./])") for name in kept if name]
    return any(pattern.search(text) for pattern in patterns for text in texts)
