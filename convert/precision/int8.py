"""INT8: weighted layers compute on bytes, explicitly, by quantize and dequantize operations.

The quantizer is ONNX Runtime's. What TensorRT asks of it: symmetric steps (a zero point of 0),
weights by output channel, offsets in floating point, and steps at the inputs of weighted layers
only, so that what follows them (an activation, a sum) can be fused before the next step.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorsData

from faceguard.convert.graph.fold import fold
from faceguard.convert.graph.nodes import label
from faceguard.convert.graph.tensors import STANDARD, WEIGHTED, copy_of, line_of
from faceguard.convert.precision.half import name_nodes
from faceguard.convert.precision.ranges import Feeds, largest_values
from faceguard.engines.errors import ConvertError, UsageError

_PER_CHANNEL_OPSET = 13
_OPSET = 17


def to_int8(
    model: onnx.ModelProto,
    samples: Sequence[Feeds],
    *,
    name: str = "model",
    keep: Collection[str] = (),
) -> onnx.ModelProto:
    """Quantizes Conv, ConvTranspose, Gemm and MatMul; all else computes as before.

    The steps of activations reach as far as the samples do, so these should be like what the
    model will see: some dozens of pictures.

    Args:
        model: A checked and folded graph in single precision; it is not changed.
        samples: What its inputs are fed with, once each; at least one.
        name: The model's name, for messages.
        keep: Names of layers that stay as they are.

    Returns:
        A graph of opset 13 or later; inputs and outputs are what they were. The same arguments
        give the same bytes.

    Raises:
        UsageError: There are no samples, or `keep` names a layer that is not there.
        ConvertError: The graph cannot be brought to opset 13, or not be run on a sample.
    """
    if not samples:
        raise UsageError(f"{name}: INT8 needs calibration pictures; add --calibration FOLDER")
    made = copy_of(model)
    name_nodes(made.graph)
    unknown = set(keep) - {node.name for node in made.graph.node}
    if unknown:
        raise UsageError(f"{name}: no layer is called {min(unknown)!r}")
    made = _recent(made, name)
    # Our own ranges: the quantizer's way to them keeps what it ever took, CenterFace's 600 MB.
    reach = largest_values(made, samples, name=name)
    ranges = {tensor: (np.float32(-size), np.float32(size)) for tensor, size in reach.items()}
    inferred = onnx.shape_inference.infer_shapes(made)
    with _silence():
        try:
            quantizer = QDQQuantizer(
                inferred,
                True,  # by channel
                False,  # all eight bits
                QuantType.QInt8,
                QuantType.QInt8,
                TensorsData(CalibrationMethod.MinMax, ranges),
                [],
                sorted(keep),
                list(WEIGHTED),
                {
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "QuantizeBias": False,
                    "OpTypesToExcludeOutputQuantization": list(WEIGHTED),
                    "QDQKeepRemovableActivations": True,
                },
            )
            quantizer.quantize_model()
            quantizer.model.topological_sort()
        except Exception as error:
            raise ConvertError(
                f"{name}: ONNX Runtime cannot quantize it: {line_of(error)}"
            ) from error
        found = quantizer.model.model
    return _tidy(found, model)


@contextmanager
def _silence() -> Iterator[None]:
    """The quantizer speaks through the root logger, past whoever set ours up."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _recent(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The graph in an opset in which steps by channel exist."""
    version = next((entry.version for entry in model.opset_import if entry.domain in STANDARD), 1)
    if version >= _PER_CHANNEL_OPSET:
        return model
    try:
        newer: onnx.ModelProto = onnx.version_converter.convert_version(model, _OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        raise ConvertError(
            f"{name}: opset {version} cannot be brought to {_OPSET}, which INT8 needs: "
            f"{line_of(error)}; export it with opset_version={_OPSET}"
        ) from error
    newer.ir_version = max(newer.ir_version, 8)
    return fold(newer)


def _tidy(found: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """Removes what names the tool, its version or this run."""
    found.producer_name, found.producer_version = source.producer_name, source.producer_version
    del found.metadata_props[:]
    found.metadata_props.extend(source.metadata_props)
    del found.graph.value_info[:]
    kept = [entry for entry in found.opset_import if entry.domain in STANDARD]
    domains = {node.domain for node in found.graph.node}
    kept += [entry for entry in found.opset_import if entry.domain in domains - set(STANDARD)]
    entries = [onnx.helper.make_opsetid(entry.domain, entry.version) for entry in kept]
    del found.opset_import[:]
    found.opset_import.extend(entries)
    for node in found.graph.node:
        node.name = label(node)
    return found
