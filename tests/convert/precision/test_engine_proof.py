"""What TensorRT's inspector says, in the forms of its versions 10 and 11."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.convert.precision.proof import prove_engine_layers
from faceguard.engines.errors import FaceguardError, ProofFailed

TYPES_10 = {
    "fp32": "Row major linear FP32",
    "fp16": "Channel major FP16 format where channel % 8 == 0",
    "int8": "Thirty-two wide channel vectorized row major Int8 format.",
}
TYPES_11 = {"fp32": "Float", "fp16": "Half", "int8": "Int8"}


def convolution(name: str, kind: str, *, version: int = 10, weights: bool = True):
    """A convolution as the inspector writes it."""
    tensor: dict[str, object] = {"Name": "in", "Location": "Device", "Dimensions": [1, 8, 4, 4]}
    if version == 10:
        tensor["Format/Datatype"] = TYPES_10[kind]
    else:
        tensor |= {"Format": "Row major linear", "DataType": TYPES_11[kind]}
    layer = {
        "Name": name,
        "LayerType": "CaskConvolution",
        "Inputs": [tensor],
        "Outputs": [tensor],
        "ParameterType": "Convolution",
        "TacticName": "sm80_xmma_fprop_implicit_gemm",
        "Metadata": f"[ONNX Layer: {name}]",
    }
    if weights:
        layer["Weights"] = {"Type": TYPES_11[kind], "Count": 576}
    return layer


REFORMAT = {
    "Name": "Reformatting CopyNode for Input Tensor 0 to first",
    "LayerType": "Reformat",
    "Inputs": [{"Name": "in", "Format/Datatype": "Row major linear FP32"}],
    "Outputs": [{"Name": "out", "Format/Datatype": "Row major linear FP16 format"}],
    "ParameterType": "Reformat",
    "TacticValue": "0x00000000000003ea",
}
ENDS = {10: {"Bindings": ["in", "out"]}, 11: {"I/O Tensors": [{"Name": "in", "DataType": "Float"}]}}


def text(*layers: object, version: int = 10) -> str:
    return json.dumps({"Layers": list(layers), **ENDS[version]})


@pytest.mark.parametrize("version", [10, 11])
@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8"])
def test_an_engine_is_proven(kind, weights, version):
    layers = [
        convolution(f"c{place}", kind, version=version, weights=weights) for place in range(3)
    ]
    proof = prove_engine_layers(text(REFORMAT, *layers, version=version), kind)
    assert proof.layers == {kind: 3}
    assert proof.others == 1
    assert proof.kept == []


def test_an_engine_that_ignored_what_was_asked_for_is_found_out():
    layers = [convolution(f"c{place}", "fp32") for place in range(5)]
    with pytest.raises(ProofFailed) as caught:
        prove_engine_layers(text(REFORMAT, *layers), "fp16", name="yunet")
    message = str(caught.value)
    assert message.startswith("yunet: fp16 was asked for, but 5 layers of the engine")
    assert "'c0' in fp32" in message
    assert "and 2 more" in message


def test_kept_layers_are_found_in_fused_ones_by_their_whole_name():
    layers = [
        convolution("conv1 + relu1", "fp32"),
        convolution("conv2", "fp16"),
        convolution("conv10", "fp16"),
    ]
    proof = prove_engine_layers(text(*layers), "fp16", ["conv1"])
    assert proof.kept == ["conv1 + relu1"]
    assert proof.layers == {"fp16": 2, "fp32": 1}
    with pytest.raises(ProofFailed, match="'conv10' in fp32"):
        prove_engine_layers(text(convolution("conv10", "fp32")), "fp16", ["conv1"])


def test_a_generated_kernel_tells_by_its_tactic():
    layer = {
        "Name": "__myl_ConvAddRelu_0x1",
        "LayerType": "kgen",
        "Inputs": [{"Name": "a", "Format/Datatype": "Half"}],
        "Outputs": [{"Name": "b", "Format/Datatype": "Half"}],
        "TacticName": "__myl_ConvAddRelu",
    }
    other = {"Name": "__myl_Sigm", "LayerType": "kgen", "TacticName": "__myl_Sigm"}
    proof = prove_engine_layers(text(layer, other), "fp16")
    assert (proof.layers, proof.others) == ({"fp16": 1}, 1)


def test_a_list_and_a_table_of_layers_are_read_too():
    layer = convolution("c", "fp16")
    assert prove_engine_layers(json.dumps([layer]), "fp16").layers == {"fp16": 1}
    assert prove_engine_layers(json.dumps({"Layers": {"c": layer}}), "fp16").layers == {"fp16": 1}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (text("conv1", "conv2"), "ProfilingVerbosity.DETAILED"),
        (text(), "names no layers"),
        ("{}", "names no layers"),
        ("none", "gave no JSON"),
        (text(REFORMAT), "names no convolution"),
        (text({"Name": "c", "LayerType": "Convolution"}), "a type that it does not tell"),
    ],
)
def test_what_proves_nothing_is_refused(said, words):
    with pytest.raises(ProofFailed, match=words.replace(".", r"\.")):
        prove_engine_layers(said, "fp16")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["Layers", "Name", "Inputs", "Weights", "Type", "Count", "LayerType"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_proves_nothing_or_something(said):
    try:
        proof = prove_engine_layers(json.dumps(said), "fp16")
    except FaceguardError as error:
        message = str(error)
        assert message.startswith("engine: ")
        return
    assert proof.layers
