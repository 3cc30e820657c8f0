"""The backend reads the graph; what it does not like becomes one clear error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from faceguard.convert.build.native import Library, Native
from faceguard.convert.child.wire import one_line
from faceguard.engines.errors import (
    BadModelFile,
    BuildFailed,
    ConvertError,
    UnsupportedOp,
    UsageError,
)
from faceguard.engines.spec import Profile

_MOST_NAMED = 3


def parse(trt: Library, network: Native, logger: Native, graph: Path) -> Native:
    """Reads the graph into the network.

    Returns:
        The backend's parser; it holds the weights, and must live as long as the network.

    Raises:
        BadModelFile: It is no ONNX file, or an empty one.
        UnsupportedOp: The backend does not know an operation; named with its node.
        BuildFailed: The backend refuses the graph for another reason.
    """
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse_from_file(str(graph))
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    if not parsed or errors:
        raise _refusal(graph, errors)
    if network.num_layers == 0 or network.num_outputs == 0:
        raise BadModelFile(f"{graph}: holds no graph; convert its source again")
    return parser


def shapes(network: Native, profiles: Mapping[str, Profile], graph: Path) -> dict[str, Profile]:
    """The profiles of the inputs that have open sides.

    Args:
        network: The parsed network.
        profiles: What was asked for, by input.
        graph: For messages.

    Raises:
        UsageError: A profile is missing, belongs to no input, or does not fit its input.
    """
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    inputs = {tensor.name: tuple(tensor.shape) for tensor in tensors}
    for name in profiles:
        if name not in inputs:
            raise UsageError(
                f"{graph.name}: no input is called {name!r}; it takes {', '.join(inputs)}"
            )
    found = {}
    for name, shape in inputs.items():
        written = "x".join("?" if side < 0 else str(side) for side in shape)
        profile = profiles.get(name)
        if profile is None:
            if any(side < 0 for side in shape):
                raise UsageError(
                    f"{graph.name}: input {name!r} is {written}; say how large it is to be with "
                    f"--shape {name}=... or --profile {name}=MIN,OPT,MAX"
                )
            continue
        if not _fits(profile, shape):
            raise UsageError(f"{graph.name}: input {name!r} is {written}, and {profile} is not")
        if any(side < 0 for side in shape):
            found[name] = profile
    return found


def _fits(profile: Profile, shape: tuple[int, ...]) -> bool:
    return len(profile.minimum) == len(shape) and all(
        side < 0 or low == high == side
        for side, low, high in zip(shape, profile.minimum, profile.maximum, strict=True)
    )


def _refusal(graph: Path, errors: list[Native]) -> ConvertError:
    codes = [error.code().name for error in errors]
    if "MODEL_DESERIALIZE_FAILED" in codes:
        return BadModelFile(f"{graph}: not an ONNX model, or a truncated one; convert it again")
    unknown = [error for error in errors if _is_unknown(error)]
    if unknown:
        return UnsupportedOp(
            f"{graph}: the backend does not know {_named(unknown)}; "
            "take another model, or another version of TensorRT"
        )
    return BuildFailed(f"{graph}: the backend refuses {_named(errors)}; see the model's source")


def _is_unknown(error: Native) -> bool:
    code: str = error.code().name
    # An operation that nobody has heard of is taken for that of a plugin, which is then not found.
    return code.startswith("UNSUPPORTED_") or "Plugin not found" in error.desc()


def _named(errors: list[Native]) -> str:
    if not errors:
        return "it without a word"
    names = []
    for error in errors[:_MOST_NAMED]:
        place = f"{error.node_operator() or 'the graph'} (node {error.node()}"
        named = f" {error.node_name()!r}" if error.node_name() else ""
        reason = one_line(error.desc(), 160)
        # A bare condition of the parser's source is no reason for people.
        told = f": {reason}" if reason not in ("", "false") else ""
        names.append(f"{place}{named}{told})")
    more = len(errors) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
