"""`convert-engine`: one model becomes one engine."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from faceguard.convert.commands.telling import Speaker, made_lines, seconds, targets
from faceguard.convert.engine.make import make_engine
from faceguard.convert.engine.request import TIMEOUT_S, UNIT_RANGE, Request
from faceguard.convert.engine.source import Kind, Source
from faceguard.convert.graph.shape_options import parse_profiles, parse_shapes
from faceguard.engines.errors import UsageError
from faceguard.engines.machine import read_machine
from faceguard.engines.memory import parse_bytes
from faceguard.engines.spec import BACKENDS, Precision, Profile

HELP = "Turns an ONNX, TFLite or frozen TensorFlow model into a proven engine."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--onnx", type=Path, metavar="FILE", help="an ONNX graph")
    source.add_argument("--tflite", type=Path, metavar="FILE", help="a TFLite model")
    source.add_argument("--pb", type=Path, metavar="FILE", help="a frozen TensorFlow graph")
    source.add_argument("--model", metavar="NAME", help="a model of `faceguard models list`")
    precision = parser.add_mutually_exclusive_group()
    for word, about in (
        ("fp16", "half precision (the default)"),
        ("fp32", "single precision"),
        ("int8", "eight bits; needs --calibration"),
    ):
        precision.add_argument(
            f"--{word}", dest="precision", action="store_const", const=word, help=about
        )
    parser.add_argument(
        "--calibration", type=Path, metavar="DIR", help="typical pictures, for --int8"
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="where to write; default: the engines' store"
    )
    shapes = parser.add_mutually_exclusive_group()
    shapes.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="[NAME=]1x3x640x640",
        help="the one shape that an input takes",
    )
    shapes.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="[NAME=]MIN,OPT,MAX",
        help="the shapes that an input takes, three as above",
    )
    parser.add_argument(
        "--backend", choices=BACKENDS, default="tensorrt", help="what runs it (tensorrt)"
    )
    parser.add_argument(
        "--target",
        type=targets,
        default=(),
        metavar="sm86,...",
        help="GPUs to build for, with tensorrt-rtx",
    )
    parser.add_argument(
        "--memory-limit", type=_bytes, metavar="1G", help="the most that the build may take"
    )
    parser.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="timings of earlier builds"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=TIMEOUT_S, metavar="S", help="give up after (1800)"
    )
    parser.add_argument(
        "--golden", type=Path, metavar="DIR", help="further pictures that it must see alike"
    )
    parser.add_argument(
        "--input-range",
        type=_range,
        default=UNIT_RANGE,
        metavar="LOW,HIGH",
        help="black and white, to a model that the catalogue does not know: --input-range=-1,1 "
        "(0,1)",
    )
    parser.add_argument("--force", action="store_true", help="build and replace what stands there")
    parser.add_argument(
        "--dry-run", action="store_true", help="check and prepare only; say what would be done"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")


def run(options: argparse.Namespace) -> int:
    """Does what was asked.

    Args:
        options: From `add_arguments`.

    Returns:
        The exit code.

    Raises:
        FaceguardError: In one line why there is no engine.
    """
    request = _request(options)
    speaker = Speaker(quiet=options.quiet)
    if options.dry_run:
        from faceguard.convert.engine.dry_run import rehearse

        facts = rehearse(request, say=speaker.say)
        lines = facts.lines()
        document = facts.facts()
    else:
        made = make_engine(request, say=speaker.say, quiet=options.quiet)
        lines = made_lines(made)
        document = made.facts()
    if options.json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _request(options: argparse.Namespace) -> Request:
    precision: Precision = options.precision or "fp16"
    profiles = {name: Profile.fixed(shape) for name, shape in parse_shapes(options.shape).items()}
    profiles |= parse_profiles(options.profile)
    return Request(
        source=_source(options),
        backend=options.backend,
        precision=precision,
        machine=read_machine(),
        profiles=profiles,
        targets=options.target,
        calibration=options.calibration,
        golden=options.golden,
        input_range=options.input_range,
        memory_limit_bytes=options.memory_limit,
        timing_cache=options.timing_cache,
        timeout_s=options.timeout,
        force=options.force,
        out=options.out,
    )


def _source(options: argparse.Namespace) -> Source:
    if options.model is not None:
        return Source.from_name(options.model)
    kinds: tuple[Kind, ...] = ("onnx", "tflite", "pb")
    kind = next(kind for kind in kinds if getattr(options, kind) is not None)
    return Source.from_file(getattr(options, kind), kind)


def _bytes(text: str) -> int:
    try:
        return parse_bytes(text)
    except (UsageError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low = high = 0.0
    if not -math.inf < low < high < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no range; write LOW,HIGH, as in --input-range=-1,1"
        )
    return low, high
