"""Open sides of the inputs are fixed, or bounded by a profile, and the graph follows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import onnx

from faceguard.convert.graph.damage import damage_told
from faceguard.convert.graph.shape_options import ONLY_INPUT
from faceguard.convert.graph.tensors import (
    Side,
    copy_of,
    line_of,
    loosen,
    plain_inputs,
    set_shape,
    tensor_types,
    text_of_shape,
    type_of,
)
from faceguard.engines.errors import BadModelFile, UsageError
from faceguard.engines.spec import Profile, Shape

# What is shown as an example where a side is open: one picture of three colours, of this size.
_USUAL_PX = 640
_NARROW_PX, _WIDE_PX = 320, 1280
_COLOURS = 3
# Most networks halve their picture five times.
_MULTIPLE_PX = 32

_Sides = tuple[Side, ...]
_Bounds = tuple[int, int, int]


def resolve_shapes(
    model: onnx.ModelProto, profiles: Mapping[str, Profile], *, name: str
) -> tuple[onnx.ModelProto, dict[str, Profile]]:
    """Leaves no side of an input without a number or bounds.

    Sides that share a symbol (`height` at two inputs) are one: what fixes the one fixes the other.

    Args:
        model: A graph that was checked; it is not changed.
        profiles: From `--shape` and `--profile`, by input; `ONLY_INPUT` names the only one.
        name: The model's name, for messages.

    Returns:
        The graph with fixed sides written into inputs and outputs, and for each input the shapes
        it takes: one and the same three times where all its sides are fixed.

    Raises:
        UsageError: A side has neither number nor bounds, an option does not fit the graph, or the
            graph cannot work on such a shape; in one line, with the input, the axis, and what
            to write instead.
        BadModelFile: The graph contradicts itself whatever the shapes are.
    """
    with damage_told(name):
        inputs = {value.name: type_of(value).shape for value in plain_inputs(model.graph)}
        wanted = _named(profiles, inputs, name)
        sides = {key: _ranked(key, shape, wanted.get(key), name) for key, shape in inputs.items()}
        bounds = _bounds(sides, wanted, name)
        found = {key: _bounded(key, shape, bounds, name) for key, shape in sides.items()}
        _try_out(model, sides, found, name)
        return _written(model, sides, found), found


def _named(
    given: Mapping[str, Profile], inputs: Mapping[str, object], name: str
) -> dict[str, Profile]:
    """The options by the inputs' real names."""
    found: dict[str, Profile] = {}
    for key, profile in given.items():
        real = key
        if key == ONLY_INPUT:
            if len(inputs) != 1:
                raise UsageError(
                    f"{name}: shape {profile} names no input, and there are {len(inputs)}: "
                    f"write NAME={profile} with one of {', '.join(inputs)}"
                )
            real = next(iter(inputs))
        if real not in inputs:
            raise UsageError(
                f"{name}: no input is called {key!r}; this model takes {', '.join(inputs)}"
            )
        if real in found:
            raise UsageError(f"{name}: input {real!r} was given two shapes; keep one")
        found[real] = profile
    return found


def _ranked(key: str, shape: _Sides | None, wanted: Profile | None, name: str) -> _Sides:
    """The sides of an input, open ones where the graph does not even say how many."""
    if shape is None:
        if wanted is None:
            raise UsageError(
                f"{name}: input {key!r} has no shape; add --shape {key}=1x3x640x640, "
                "with the sides that it takes"
            )
        return (None,) * len(wanted.optimum)
    if wanted is not None and len(wanted.optimum) != len(shape):
        raise UsageError(
            f"{name}: input {key!r} has {len(shape)} sides ({text_of_shape(shape)}), "
            f"and {wanted} has {len(wanted.optimum)}"
        )
    return shape


def _bounds(
    inputs: Mapping[str, _Sides], wanted: Mapping[str, Profile], name: str
) -> dict[Side | tuple[str, int], _Bounds]:
    """What was asked for, by symbol, or by input and axis where the side has no symbol."""
    found: dict[Side | tuple[str, int], _Bounds] = {}
    for key, profile in wanted.items():
        asked = zip(profile.minimum, profile.optimum, profile.maximum, strict=True)
        for axis, (side, bounds) in enumerate(zip(inputs[key], asked, strict=True)):
            if isinstance(side, int):
                if bounds != (side, side, side):
                    raise UsageError(
                        f"{name}: axis {axis} of input {key!r} is {side} in the graph "
                        f"({text_of_shape(inputs[key])}) and cannot become {_range(bounds)}"
                    )
                continue
            slot = side or (key, axis)
            if found.setdefault(slot, bounds) != bounds:
                raise UsageError(
                    f"{name}: axis {axis} of input {key!r} is {_range(bounds)}, but it is "
                    f"{side!r} and so must be {_range(found[slot])} as elsewhere"
                )
    return found


def _bounded(
    key: str,
    sides: _Sides,
    bounds: Mapping[Side | tuple[str, int], _Bounds],
    name: str,
) -> Profile:
    """Numbers for each side of one input."""
    found: list[_Bounds] = []
    for axis, side in enumerate(sides):
        if isinstance(side, int):
            if side < 1:
                raise UsageError(f"{name}: axis {axis} of input {key!r} is {side}: nothing fits it")
            found.append((side, side, side))
            continue
        asked = bounds.get(side or (key, axis))
        if asked is None:
            usual, narrow, wide = (
                _example(sides, edge) for edge in (_USUAL_PX, _NARROW_PX, _WIDE_PX)
            )
            raise UsageError(
                f"{name}: axis {axis}{f' ({side})' if side else ''} of input {key!r} is open: "
                f"add --shape {key}={usual} or --profile {key}={narrow},{usual},{wide}"
            )
        found.append(asked)
    low, best, high = (tuple(side[end] for side in found) for end in range(3))
    return Profile(low, best, high)


def _example(sides: _Sides, edge_px: int) -> str:
    """A shape that a user may want: the graph's own sides, one picture, three colours."""
    shown: list[Side] = list(sides)
    if len(shown) == 4 and not any(isinstance(side, int) for side in shown[1:]):
        shown[1] = _COLOURS
    words = [
        side if isinstance(side, int) else 1 if axis == 0 else edge_px
        for axis, side in enumerate(shown)
    ]
    return "x".join(map(str, words))


def _try_out(
    model: onnx.ModelProto,
    inputs: Mapping[str, _Sides],
    found: Mapping[str, Profile],
    name: str,
) -> None:
    """Infers all shapes at the smallest, the usual and the largest input."""
    for end in ("optimum", "minimum", "maximum"):
        shapes: dict[str, Shape] = {key: getattr(profile, end) for key, profile in found.items()}
        why = _contradiction(model, shapes)
        if why is None:
            continue
        if _contradiction(model, {}) is not None:
            raise BadModelFile(f"{name}: its shapes contradict one another: {why}")
        key, axis = _culprit(model, inputs, shapes)
        side = inputs[key][axis]
        where = f"axis {axis}{f' ({side})' if side else ''} of input {key!r}"
        hint = _neighbour(model, shapes, key, axis)
        raise UsageError(f"{name}: {where} cannot be {shapes[key][axis]}{hint}: {why}")


def _contradiction(model: onnx.ModelProto, shapes: Mapping[str, _Sides]) -> str | None:
    try:
        tensor_types(model, strict=True, inputs=shapes)
    except onnx.shape_inference.InferenceError as error:
        # One contradiction makes many; the first is the cause.
        found = re.search(r"\(op_type.*?(?= \(op_type|$)", line_of(error))
        return (found[0] if found else line_of(error)).replace("[ShapeInferenceError] ", "")
    return None


def _culprit(
    model: onnx.ModelProto, inputs: Mapping[str, _Sides], shapes: Mapping[str, Shape]
) -> tuple[str, int]:
    """The axis whose number is a contradiction by itself, or else the first that was open."""
    opened = [
        (key, axis)
        for key, sides in inputs.items()
        for axis, side in enumerate(sides)
        if not isinstance(side, int)
    ]
    for key, axis in opened:
        trial = {other: tuple(sides) for other, sides in inputs.items()}
        trial[key] = _with(inputs[key], axis, shapes[key][axis])
        if _contradiction(model, trial) is not None:
            return key, axis
    return opened[0] if opened else (next(iter(inputs)), 0)


def _neighbour(model: onnx.ModelProto, shapes: Mapping[str, Shape], key: str, axis: int) -> str:
    """A larger side that would do, where one is near; tried with all others that were asked."""
    side = shapes[key][axis]
    next_px = -(-side // _MULTIPLE_PX) * _MULTIPLE_PX
    if next_px == side:
        return ""
    trial = {
        other: tuple(next_px if number == side else number for number in shape)
        for other, shape in shapes.items()
    }
    return (
        "" if _contradiction(model, trial) else f" (a multiple of {_MULTIPLE_PX}, {next_px}, fits)"
    )


def _with(sides: _Sides, axis: int, number: int) -> _Sides:
    return (*sides[:axis], number, *sides[axis + 1 :])


def _written(
    model: onnx.ModelProto, inputs: Mapping[str, _Sides], found: Mapping[str, Profile]
) -> onnx.ModelProto:
    """The graph with what is fixed written into it."""
    fixed: dict[str, int] = {}
    for key, sides in inputs.items():
        profile = found[key]
        for axis, side in enumerate(sides):
            if isinstance(side, str) and profile.minimum[axis] == profile.maximum[axis]:
                fixed[side] = profile.minimum[axis]
    made = copy_of(model)
    for value in made.graph.input:
        if value.name in found:
            low, high = found[value.name].minimum, found[value.name].maximum
            sides = inputs[value.name]
            bound = zip(sides, low, high, strict=True)
            set_shape(value, [first if first == last else side for side, first, last in bound])
    # What was inferred for other shapes would be taken for true.
    del made.graph.value_info[:]
    before = {value.name: type_of(value).shape for value in made.graph.output}
    for value in made.graph.output:
        loosen(value)
    types = tensor_types(made)
    for value in made.graph.output:
        inferred = types[value.name].shape if value.name in types else None
        old = before[value.name]
        if inferred is not None:
            set_shape(value, _outward(value.name, inferred, old, fixed))
    return made


def _outward(
    name: str, inferred: _Sides, old: _Sides | None, fixed: Mapping[str, int]
) -> Iterable[Side]:
    """An output's sides: numbers where they follow, else the names that they had."""
    if old is None or len(old) != len(inferred):
        old = (None,) * len(inferred)
    for axis, (side, was) in enumerate(zip(inferred, old, strict=True)):
        if isinstance(side, int):
            yield side
        elif isinstance(was, str) and was not in fixed:
            yield was
        else:
            yield fixed[was] if isinstance(was, str) else f"{name}_{axis}"


def _range(bounds: _Bounds) -> str:
    return str(bounds[0]) if bounds[0] == bounds[2] else f"{bounds[0]} to {bounds[2]}"
