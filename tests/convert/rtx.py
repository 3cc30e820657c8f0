"""TensorRT-RTX in a process of its own: what it builds, and the memory that this takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import onnx
import pytest

BUILD = """
import re, sys
import tensorrt_rtx_bindings as trt
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
kinds = trt.NetworkDefinitionCreationFlag
typed = 1 << int(kinds.STRONGLY_TYPED) if "STRONGLY_TYPED" in kinds.__members__ else 0
network = builder.create_network(typed)
parser = trt.OnnxParser(network, logger)
if not parser.parse(open(sys.argv[1], "rb").read()):
    sys.exit("; ".join(str(parser.get_error(place)) for place in range(parser.num_errors)))
config = builder.create_builder_config()
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM86, 0)
for shapes in sys.argv[2:]:
    name, _, three = shapes.rpartition("=")
    profile = builder.create_optimization_profile()
    profile.set_shape(name, *[tuple(map(int, shape.split("x"))) for shape in three.split(",")])
    config.add_optimization_profile(profile)
engine = builder.build_serialized_network(network, config)
if engine is None:
    sys.exit("not built")
# Not the usage that the system counts for a child: that begins with its parent's.
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
ends = [network.get_input(place) for place in range(network.num_inputs)]
ends += [network.get_output(place) for place in range(network.num_outputs)]
types = sorted({tensor.dtype.name for tensor in ends})
print("built", int(peak[1]) << 10, engine.nbytes, *types)
"""


@dataclass(frozen=True)
class Built:
    """What came of a build."""

    peak_bytes: int
    engine_bytes: int
    io: list[str]


def build_with_rtx(model: onnx.ModelProto, folder: Path, *profiles: str) -> Built:
    """Builds a graph, strongly typed, for SM 8.6; a profile is NAME=MIN,OPT,MAX."""
    if find_spec("tensorrt_rtx_bindings") is None:
        pytest.skip("TensorRT for RTX is not here; there are wheels for x86-64 only")
    place = folder / "graph.onnx"
    place.write_bytes(model.SerializeToString())
    ended = subprocess.run(
        [sys.executable, "-c", BUILD, str(place), *profiles],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    peak, size, *io = ended.stdout.rpartition("built ")[2].split()
    return Built(int(peak), int(size), io)
