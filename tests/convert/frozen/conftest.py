"""Small frozen graphs, made here so that the converter is tested where no model is at hand.

The messages are TensorFlow's own with everything nested as there, so that what the tests write does
not depend on how the converter reads it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from faceguard.convert.frozen import convert_frozen

TYPES = {
    np.dtype(np.float32): 1,
    np.dtype(np.int32): 3,
    np.dtype(np.uint8): 4,
    np.dtype(np.int8): 6,
    np.dtype(np.int64): 9,
    np.dtype(np.float16): 19,
    np.dtype(np.float64): 2,
}
_SCHEMA = {
    "GraphDef": "node 1 *NodeDef",
    "NodeDef": "name 1 string, op 2 string, input 3 *string, device 4 string, attr 5 *Entry",
    "Entry": "key 1 string, value 2 AttrValue",
    "AttrValue": (
        "list 1 List, s 2 bytes, i 3 int64, f 4 float, b 5 bool, type 6 int32, "
        "shape 7 Shape, tensor 8 Tensor"
    ),
    "List": "s 2 *bytes, i 3 *int64, f 4 *float, shape 7 *Shape",
    "Shape": "dim 2 *Dim, unknown_rank 3 bool",
    "Dim": "size 1 int64, name 2 string",
    "Tensor": (
        "dtype 1 int32, tensor_shape 2 Shape, tensor_content 4 bytes, float_val 5 *float, "
        "double_val 6 *double, int_val 7 *int32, int64_val 10 *int64, half_val 13 *int32"
    ),
}
_FORMULA = re.compile(r"(?:(-?\d+)\*)?([A-Za-z_]\w*)([+-]\d+)?")
_PLAIN = {"double": 1, "float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12}


def _messages() -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(name="whole.proto", package="whole", syntax="proto3")
    for message, text in _SCHEMA.items():
        described = file.message_type.add(name=message)
        for entry in text.split(", "):
            name, number, kind = entry.split()
            bare = kind.lstrip("*")
            field = described.field.add(name=name, number=int(number))
            field.label = 3 if kind != bare else 1
            field.type = _PLAIN.get(bare, 11)
            if bare not in _PLAIN:
                field.type_name = f".whole.{bare}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = (pool.FindMessageTypeByName(f"whole.{name}") for name in _SCHEMA)
    return dict(zip(_SCHEMA, map(message_factory.GetMessageClass, found), strict=True))


MESSAGES = _messages()


class TinyGraph:
    """A GraphDef under construction."""

    def __init__(self) -> None:
        self.proto = MESSAGES["GraphDef"]()

    def op(self, op: str, name: str, inputs: list[str], **attributes: object) -> str:
        """A node; attributes called T, dtype or DstT are element types, lists are of integers."""
        node = self.proto.node.add(name=name, op=op, input=inputs)
        for key, given in attributes.items():
            value = node.attr.add(key=key).value
            if key in ("T", "dtype", "DstT"):
                value.type = given
            else:
                self.set(value, given)
        return name

    def set(self, value: object, given: object) -> None:
        """Makes an attribute's value this and nothing else."""
        value.Clear()
        if isinstance(given, bool):
            value.b = given
        elif isinstance(given, int):
            value.i = given
        elif isinstance(given, str):
            value.s = given.encode()
        else:
            value.list.i.extend(given)

    def placeholder(
        self, shape: list[int] | None = None, name: str = "picture", dtype: int = 1
    ) -> str:
        """An input; -1 for an open side, None where the file tells no shape."""
        self.op("Placeholder", name, [], dtype=dtype)
        if shape is not None:
            value = self.proto.node[-1].attr.add(key="shape").value
            value.shape.SetInParent()
            for size in shape:
                value.shape.dim.add(size=size)
        return name

    def const(
        self, name: str, values: object, *, dtype: int | None = None, listed: str = ""
    ) -> str:
        """A constant, its bytes stored as they are, or listed in the field of this name."""
        array = np.asarray(values)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self.op("Const", name, [], dtype=dtype or TYPES[array.dtype])
        tensor = self.proto.node[-1].attr.add(key="value").value.tensor
        tensor.dtype = dtype or TYPES[array.dtype]
        tensor.tensor_shape.SetInParent()
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        if listed:
            getattr(tensor, listed).extend(array.reshape(-1).tolist())
        else:
            tensor.tensor_content = array.tobytes()
        return name

    def tensor(self, name: str) -> object:
        """The stored tensor of a constant, to be changed."""
        [node] = [node for node in self.proto.node if node.name == name]
        [entry] = [entry for entry in node.attr if entry.key == "value"]
        return entry.value.tensor

    def build(self) -> bytes:
        """The file's bytes."""
        return self.proto.SerializeToString()

    def run(self, **feeds: np.ndarray) -> np.ndarray:
        """Converts, runs, and gives the one output, which has to have the shape declared for it."""
        model = convert_frozen(self.build(), name="demo")
        session = onnxruntime.InferenceSession(model.SerializeToString())
        [made] = session.run(None, feeds)
        sizes = {
            stated: side
            for given in session.get_inputs()
            for stated, side in zip(given.shape, feeds[given.name].shape, strict=True)
        }
        [declared] = session.get_outputs()
        assert len(declared.shape) == made.ndim
        for stated, side in zip(declared.shape, made.shape, strict=True):
            if isinstance(stated, int):
                assert stated == side
            else:
                scale, base, offset = _FORMULA.fullmatch(stated).groups()
                # A side of a base that is no input's, such as a strided layer's, is free.
                if base in sizes:
                    assert int(scale or 1) * sizes[base] + int(offset or 0) == side
        return made


@pytest.fixture(scope="session")
def tiny_graph() -> Callable[[], TinyGraph]:
    """Gives a new, empty graph."""
    return TinyGraph


@pytest.fixture(scope="session")
def tiny_file() -> bytes:
    """A network with one node of most kinds: quantized, listed and plain constants, open sides."""
    graph = TinyGraph()
    rng = np.random.default_rng(3)
    graph.placeholder([-1, -1, -1, 2])
    graph.const("codes", rng.integers(0, 256, (3, 3, 2, 8), np.uint8), dtype=12)
    graph.const("low", -0.5)
    graph.const("high", 0.75, listed="float_val")
    graph.op("Dequantize", "filters", ["codes", "low", "high"], mode="MIN_FIRST", T=12)
    graph.op(
        "Conv2D", "conv", ["picture", "filters"],
        padding="SAME", data_format="NHWC", strides=[1, 1, 1, 1], dilations=[1, 1, 1, 1],
    )  # fmt: skip
    graph.const("bias", rng.normal(size=8))
    graph.op("BiasAdd", "biased", ["conv", "bias"], data_format="NHWC")
    graph.op("Relu", "relu", ["biased"])
    graph.const("paddings", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    graph.op("MirrorPad", "padded", ["relu", "paddings"], mode="REFLECT")
    graph.const("half", 0.5, listed="float_val")
    graph.op("Mul", "halved", ["padded", "half"])
    graph.op("DepthToSpace", "grown", ["halved"], block_size=2, data_format="NHWC")
    graph.op("Shape", "shape", ["grown"])
    graph.const("zero", np.array([0], np.int32))
    graph.const("three", np.array([3], np.int32))
    graph.const("one", np.array([1], np.int32))
    graph.op("StridedSlice", "first", ["shape", "zero", "three", "one"])
    graph.op("ConcatV2", "wanted", ["first", "one", "axis"])
    graph.const("axis", np.array(0, np.int32))
    graph.const("up", rng.normal(size=(3, 3, 1, 2)))
    graph.op(
        "Conv2DBackpropInput", "back", ["wanted", "up", "grown"],
        padding="SAME", strides=[1, 1, 1, 1],
    )  # fmt: skip
    graph.op("Tanh", "tanh", ["back"])
    graph.const("perm", np.array([0, 3, 1, 2], np.int32))
    graph.op("Transpose", "result", ["tanh", "perm"])
    return graph.build()


# dnn_superres registers the DepthToSpace that readNetFromTensorflow needs for these networks and
# that neither OpenCV 5.0 nor 4.14 without its extra modules brings along.
_PEER = "opencv-contrib-python-headless==4.10.0.84"
_PEER_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
import cv2, numpy as np
cv2.setNumThreads(2)
cv2.dnn_superres.DnnSuperResImpl_create()
net = cv2.dnn.readNetFromTensorflow(sys.argv[2])
pictures = np.load(sys.argv[3])
made = {}
for name in pictures.files:
    net.setInput(pictures[name])
    made[name] = net.forward()
np.savez(sys.argv[4], **made)
"""


@pytest.fixture(scope="session")
def opencv_run(tmp_path_factory) -> Callable[[Path, dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Runs a .pb file on pictures (N, C, H, W) through OpenCV, in a child process."""
    root = Path(__file__).resolve().parents[3]
    place = root / "build" / "test-tools" / _PEER
    if not (place / "cv2").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--only-binary=:all:"]
        got = subprocess.run(
            [*command, "--target", str(place), _PEER], capture_output=True, check=False, timeout=300
        )
        if got.returncode:
            pytest.skip(f"pip cannot install {_PEER}, which reads these files beside us")

    def run(model: Path, pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        folder = tmp_path_factory.mktemp("opencv")
        np.savez(folder / "in.npz", **pictures)
        arguments = [str(place), str(model), str(folder / "in.npz"), str(folder / "out.npz")]
        subprocess.run([sys.executable, "-c", _PEER_RUN, *arguments], check=True, timeout=300)
        with np.load(folder / "out.npz") as made:
            return dict(made)

    return run
