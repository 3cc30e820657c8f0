"""The pose and cartoon networks: their graphs give what LiteRT gives, with each set of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image

from faceguard.convert.tflite import convert_tflite

pytestmark = pytest.mark.data

KERNELS = {
    "XNNPACK": OpResolverType.AUTO,
    "its own": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}
# Of an output's range over all inputs here.
LARGEST = 1e-4
MEAN = 1e-5
# Single pixels of the segmentation masks lie where single precision is lost: LiteRT's two sets of
# kernels are 2e-3 and 2e-4 of the range apart there, so that no graph can be near to both
# (docs/decisions/tflite-converter.md).
MASKS = {"pose_landmark_full": "Identity_2", "pose_landmark_lite": "Identity_2"}
AS_NEAR = 1.5

# The lowest number that each takes, how many noises, and which of the pictures: every so many.
NETWORKS = {
    "pose/pose_detection": (-1, 5, 2),
    "pose/pose_landmark_full": (0, 5, 2),
    "pose/pose_landmark_lite": (0, 5, 2),
    "cartoon/whitebox_cartoon_gan_fp16": (-1, 1, 8),
    "cartoon/whitebox_cartoon_gan_dr": (-1, 1, 12),
}
MOVENET = "pose/movenet_singlepose_lightning_int8_4"

Outputs = dict[str, dict[str, np.ndarray]]


class Network:
    """One model in LiteRT with both sets of kernels, and its conversion in ONNX Runtime."""

    def __init__(self, source: bytes, for_litert: bytes) -> None:
        self.model = convert_tflite(source, name="network")
        self.ours = ort.InferenceSession(
            self.model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        self.theirs = {}
        for name, kernels in KERNELS.items():
            litert = Interpreter(
                model_content=for_litert, num_threads=2, experimental_op_resolver_type=kernels
            )
            litert.allocate_tensors()
            self.theirs[name] = litert
        [self.input] = self.theirs["XNNPACK"].get_input_details()

    def run(self, picture: np.ndarray) -> Outputs:
        """For each output, what each gives."""
        names = [output.name for output in self.ours.get_outputs()]
        values = self.ours.run(names, {self.input["name"]: picture})
        outputs: Outputs = {name: {"ours": v} for name, v in zip(names, values, strict=True)}
        for kernels, litert in self.theirs.items():
            litert.set_tensor(self.input["index"], picture)
            litert.invoke()
            details = litert.get_output_details()
            assert {detail["name"] for detail in details} == set(names)
            for detail in details:
                value = litert.get_tensor(detail["index"])
                ours = outputs[detail["name"]]["ours"]
                assert (ours.shape, ours.dtype) == (value.shape, value.dtype)
                outputs[detail["name"]][kernels] = value
        return outputs


def with_float_weights(source: bytes) -> bytes:
    """The same file with the numbers that its INT8 weights mean in their place."""
    model = schema.ModelT.InitFromPackedBuf(source, 0)
    [graph] = model.subgraphs
    for tensor in graph.tensors:
        if tensor.type != schema.TensorType.INT8:
            continue
        stored = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(np.int8)
        shape = [1] * len(tensor.shape)
        shape[tensor.quantization.quantizedDimension] = -1
        scale = np.asarray(tensor.quantization.scale, np.float32).reshape(shape)
        assert not np.any(tensor.quantization.zeroPoint)
        meant = stored.reshape(tensor.shape).astype(np.float32) * scale
        model.buffers[tensor.buffer].data = np.frombuffer(meant.tobytes(), np.uint8)
        tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    builder = flatbuffers.Builder(len(source))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def pictures(data: Path, shape: tuple[int, ...], every: int) -> Iterator[np.ndarray]:
    found = sorted(path for path in (data / "images").iterdir() if path.suffix in {".png", ".jpg"})
    assert len(found) >= 20
    for path in found[::every]:
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB").resize((shape[2], shape[1])), np.uint8)[None]


def difference(outputs: list[np.ndarray], others: list[np.ndarray]) -> np.ndarray:
    return np.abs(np.stack(outputs) - np.stack(others))


@pytest.fixture(scope="module", params=NETWORKS)
def answers(request, data) -> tuple[str, onnx.ModelProto, dict[str, dict[str, list[np.ndarray]]]]:
    """A network's name, its graph, and for each output what each gives, input by input."""
    lowest, noises, every = NETWORKS[request.param]
    source = (data / "models" / f"{request.param}.tflite").read_bytes()
    network = Network(source, with_float_weights(source))
    shape = tuple(network.input["shape"])
    feeds = [
        np.random.default_rng(seed).uniform(lowest, 1, shape).astype(np.float32)
        for seed in range(noises)
    ]
    feeds += [
        picture * np.float32((1 - lowest) / 255) + np.float32(lowest)
        for picture in pictures(data, shape, every)
    ]
    gathered: dict[str, dict[str, list[np.ndarray]]] = {}
    for feed in feeds:
        for name, values in network.run(feed).items():
            for which, value in values.items():
                gathered.setdefault(name, {}).setdefault(which, []).append(value)
    return request.param.split("/")[1], network.model, gathered


def test_outputs_are_those_of_litert(answers):
    network, _, outputs = answers
    for name, values in outputs.items():
        apart = difference(values["its own"], values["XNNPACK"])
        for kernels in KERNELS:
            scale = float(np.ptp(np.stack(values[kernels])))
            ours = difference(values["ours"], values[kernels])
            limit = LARGEST * scale
            if MASKS.get(network) == name:
                limit = max(limit, AS_NEAR * float(apart.max()))
            assert ours.max() <= limit, f"{name}, {kernels}: {ours.max() / scale:.2g} of the range"
            assert ours.mean() <= MEAN * scale, f"{name}, {kernels}: {ours.mean() / scale:.2g}"


def test_graph_is_sound_and_its_shapes_are_known(answers):
    _, model, _ = answers
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    assert len(values) >= len(model.graph.node)
    for value in values:
        assert all(side.dim_value > 0 for side in value.type.tensor_type.shape.dim)


def test_weights_are_single_precision(answers):
    _, model, _ = answers
    kinds = {weight.data_type for weight in model.graph.initializer}
    assert kinds <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}  # the latter are shapes


def test_movenet_is_as_near_to_litert_as_litert_is_to_itself(data):
    """Each step rounds to 8 bits; where two of them fall apart, the largest moves elsewhere."""
    source = (data / "models" / f"{MOVENET}.tflite").read_bytes()
    network = Network(source, source)
    values: dict[str, list[np.ndarray]] = {}
    for picture in pictures(data, tuple(network.input["shape"]), every=1):
        [output] = network.run(picture).values()
        for which, value in output.items():
            values.setdefault(which, []).append(value)
    apart = difference(values["its own"], values["XNNPACK"]).mean()
    across = difference(values["XNNPACK"], values["XNNPACK"][1:] + values["XNNPACK"][:1]).mean()
    for kernels in KERNELS:
        ours = difference(values["ours"], values[kernels])
        assert ours.mean() <= AS_NEAR * apart, kernels
        assert np.median(ours) <= 0.03, kernels  # in shares of the picture's side
        assert ours.mean() <= across / 2, kernels  # or it would not show whose pose it is


def test_movenet_keeps_its_integers(data):
    source = (data / "models" / f"{MOVENET}.tflite").read_bytes()
    model = convert_tflite(source, name="movenet")
    assert len(model.SerializeToString()) < len(source)
    [taken] = model.graph.input
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    makers = {node.output[0]: node.op_type for node in model.graph.node}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 74
    for node in convolutions:
        assert makers[node.input[1]] == "DequantizeLinear"
