"""What TensorRT would not read is named before any build."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from faceguard.convert.graph.check import check_graph, problems
from faceguard.convert.graph.supported import DATA_DEPENDENT, OPS, OPSETS
from faceguard.engines.errors import BadModelFile, UnsupportedOp
from tests.convert.graphs import graph, network, node, value, weight

DETECTORS = [
    "yunet",
    "centerface",
    "blazeface-short",
    "blazeface-back",
    "blazeface-full",
    "blazeface-full-sparse",
]


@pytest.mark.models
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_of_the_catalogue_is_taken(name, engine_path):
    model = onnx.load(engine_path(name))
    assert problems(model) == []
    check_graph(model, name=name)


def test_the_table_holds_what_a_real_parser_reads():
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="no TensorRT for RTX here")
    logger = trt.Logger(trt.Logger.ERROR)
    parser = trt.OnnxParser(trt.Builder(logger).create_network(0), logger)
    known = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert known >= OPS
    assert [op for op in sorted(OPS | DATA_DEPENDENT) if not parser.supports_operator(op)] == []
    unread = {op for op in known if not parser.supports_operator(op)}
    assert {"Unique", "Compress", "StringNormalizer"} <= unread
    assert not unread & OPS


def test_the_graph_is_not_changed():
    model = network()
    before = model.SerializeToString()
    check_graph(model, name="small")
    assert model.SerializeToString() == before


def one(operation: onnx.NodeProto, *weights: onnx.TensorProto, shape=(1, 3, 8, 8), opset=17):
    # Their types follow from the operation.
    outputs = [onnx.ValueInfoProto(name=name) for name in operation.output if name]
    return graph([operation], [value("x", shape)], outputs, weights, opset=opset)


def reason(model: onnx.ModelProto) -> str:
    found = problems(model)
    assert len(found) == 1, found
    return str(found[0])


SCALES = weight("scales", [1, 1, 2, 2])


@pytest.mark.parametrize(
    ("operation", "weights", "words"),
    [
        (node("Unique", ["x"], ["y"], "u"), [], "Unique 'u': TensorRT does not know"),
        (node("NonZero", ["x"], ["y"], "n"), [], "NonZero 'n': the shape of its output depends"),
        (node("Resize", ["x", "", "scales"], ["y"], "r", mode="cubic"), [SCALES], "mode cubic"),
        (
            node(
                "Resize",
                ["x", "", "scales"],
                ["y"],
                "r",
                coordinate_transformation_mode="tf_crop_and_resize",
            ),
            [SCALES],
            "coordinate_transformation_mode tf_crop_and_resize",
        ),
        (
            node("MaxPool", ["x"], ["y", "places"], "m", kernel_shape=[2, 2]),
            [],
            "second output 'places'",
        ),
        (
            node("MaxPool", ["x"], ["y"], "m", kernel_shape=[2, 2], dilations=[2, 2]),
            [],
            "dilations [2, 2]",
        ),
        (
            node("TopK", ["x", "k"], ["y", "i"], "t", sorted=0),
            [weight("k", [2], np.int64)],
            "sorted",
        ),
        (
            node("TopK", ["x", "k"], ["y", "i"], "t"),
            [weight("k", [5000], np.int64)],
            "the 5000 largest",
        ),
        (node("Dropout", ["x", "", "on"], ["y"], "d"), [weight("on", True, np.bool_)], "training"),
        (
            node("QuantizeLinear", ["x", "s", "z"], ["y"], "q"),
            [weight("s", 0.1), weight("z", 0, np.uint8)],
            "UINT8",
        ),
        (
            node("QuantizeLinear", ["x", "s", "z"], ["y"], "q"),
            [weight("s", 0.1), weight("z", 3, np.int8)],
            "zero point is not 0",
        ),
        (node("QuantizeLinear", ["x", "s"], ["y"], "q"), [weight("s", 0.1)], "UINT8"),
        (node("Cast", ["x"], ["y"], "c", to=TensorProto.DOUBLE), [], "'y' is DOUBLE"),
        (node("Cast", ["x"], ["y"], "c", to=TensorProto.STRING), [], "'y' is STRING"),
    ],
)
def test_a_condition_that_is_not_met_is_named(operation, weights, words):
    assert words in reason(one(operation, *weights))


def test_an_allowed_setting_is_no_problem():
    assert problems(one(node("Resize", ["x", "", "scales"], ["y"], mode="linear"), SCALES)) == []
    assert problems(one(node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2]))) == []
    steps = [weight("s", 0.1), weight("z", 0, np.int8)]
    assert problems(one(node("QuantizeLinear", ["x", "s", "z"], ["y"]), *steps)) == []


def test_axes_must_not_be_computed_from_the_input():
    nodes = [node("Shape", ["x"], ["s"]), node("Squeeze", ["x", "s"], ["y"], "squeeze")]
    model = graph(nodes, [value("x", [1, 1])], [value("y", None)])
    assert "axes ('s') is computed from the input" in reason(model)


def test_what_depends_on_no_input_is_computed_before_and_no_problem():
    nodes = [
        node("NonZero", ["w"], ["places"]),
        node("Cast", ["places"], ["wide"], to=TensorProto.DOUBLE),
        node("Cast", ["wide"], ["narrow"], to=TensorProto.FLOAT),
        node("ReduceMax", ["narrow"], ["most"], keepdims=0),
        node("Add", ["x", "most"], ["y"]),
    ]
    model = graph(nodes, [value("x", [4])], [value("y", [4])], [weight("w", [0, 1, 1, 0])])
    assert problems(model) == []


def test_double_weights_are_named_with_their_operation():
    model = graph(
        [node("Add", ["x", "w"], ["y"], "add")],
        [value("x", [4], TensorProto.DOUBLE)],
        [value("y", [4], TensorProto.DOUBLE)],
        [weight("w", np.ones(4), np.float64)],
    )
    found = [str(problem) for problem in problems(model)]
    assert found[0] == "input 'x': is DOUBLE; export the model in single precision"
    assert found[1].startswith("Add 'add': its weight 'w' is DOUBLE")


def test_all_are_found_and_the_first_few_are_in_the_message():
    nodes = [node("Det", ["x"], [f"y{place}"], f"det{place}") for place in range(5)]
    outputs = [value(f"y{place}", [1]) for place in range(5)]
    model = graph(nodes, [value("x", [1, 3, 3])], outputs)
    assert [problem.node for problem in problems(model)] == [f"det{place}" for place in range(5)]
    with pytest.raises(UnsupportedOp) as caught:
        check_graph(model, name="small")
    message = str(caught.value)
    assert message.startswith("small: TensorRT cannot read this graph: Det 'det0'")
    assert "det2" in message
    assert "det3" not in message
    assert message.endswith("(and 2 more); --backend onnx makes a graph for the CPU")
    assert "\n" not in message


def test_an_operation_without_a_name_is_named_by_its_output():
    assert problems(one(node("Det", ["x"], ["area"]), shape=(1, 3, 3)))[0].node == "area"


def test_operations_inside_a_body_are_looked_at():
    def body(name: str, inner: onnx.NodeProto) -> onnx.GraphProto:
        return helper.make_graph([inner], name, [], [value(inner.output[0], None)])

    branch = node(
        "If",
        ["on"],
        ["y"],
        "if",
        then_branch=body("then", node("Unique", ["x"], ["t"], "inside")),
        else_branch=body("else", node("Identity", ["x"], ["e"])),
    )
    model = graph(
        [branch], [value("x", [4]), value("on", [], TensorProto.BOOL)], [value("y", None)]
    )
    assert [problem.node for problem in problems(model)] == ["inside"]


def test_a_custom_domain_is_refused():
    model = one(node("FusedConv", ["x"], ["y"], "fused", domain="com.microsoft"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert "of the domain com.microsoft" in reason(model)


@pytest.mark.parametrize("opset", [OPSETS[0] - 1, OPSETS[-1] + 1])
def test_an_opset_outside_the_range_is_named(opset):
    model = one(node("Relu", ["x"], ["y"]), opset=opset)
    assert f"its opset is {opset}, TensorRT 10.3 to 11.4 read 9 to 20" in reason(model)


@pytest.mark.parametrize("opset", [OPSETS[0], OPSETS[-1]])
def test_the_ends_of_the_range_are_taken(opset):
    assert problems(one(node("Relu", ["x"], ["y"]), opset=opset)) == []


def test_a_sequence_is_no_input():
    model = one(node("Relu", ["x"], ["y"]))
    kind = helper.make_tensor_sequence_value_info("many", TensorProto.FLOAT, [1])
    model.graph.input.append(kind)
    assert "input 'many': is a sequence, not a tensor" in [str(item) for item in problems(model)]


def test_weights_in_another_file_are_refused_with_its_name():
    model = network()
    stored = model.graph.initializer[0]
    stored.ClearField("raw_data")
    stored.data_location = TensorProto.EXTERNAL
    stored.external_data.add(key="location", value="weights.bin")
    with pytest.raises(BadModelFile, match=r"'first.weight' lies in another file \(weights.bin\)"):
        check_graph(model, name="small")


def test_an_empty_or_broken_graph_is_no_model():
    with pytest.raises(BadModelFile, match="no operation"):
        check_graph(onnx.ModelProto(), name="small")
    broken = network()
    broken.graph.node[2].input[0] = "nowhere"
    with pytest.raises(BadModelFile, match="no valid graph") as caught:
        check_graph(broken, name="small")
    assert "\n" not in str(caught.value)
