"""Reading the nodes of ONNX files without the package onnx, against that package."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.bundle.files import BundleError
from service.bundle.onnx_nodes import read_nodes
from tests.support.classifier_bundles import classifier_graph, explain_graph
from tests.support.onnx_files import onnx_file
from tests.support.tagger_bundles import segmenter_graph, tagger_graph

MODELS = Path(__file__).parents[3] / "models"


def _check(path: Path) -> None:
    """Compare what is read with what onnx reads."""
    graph = onnx.load(path, load_external_data=False).graph
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes = read_nodes(path)
    assert nodes.parameters == sum(map(math.prod, constants.values()))
    assert len(nodes.nodes) == len(graph.node)
    assert nodes.scalars == {
        tensor.name: numpy_helper.to_array(tensor).item()
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and math.prod(tensor.dims) == 1
    }
    for node, expected in zip(nodes.nodes, graph.node, strict=True):
        assert node.operator.rpartition(".")[2] == expected.op_type
        assert node.name == expected.name
        assert list(node.inputs) == [name for name in expected.input if name and name not in constants]
        assert list(node.outputs) == [name for name in expected.output if name]
        assert node.weights == {name: constants[name] for name in expected.input if name in constants}
        for attribute in expected.attribute:
            value = helper.get_attribute_value(attribute)
            if isinstance(value, int) or (isinstance(value, list) and value and isinstance(value[0], int)):
                assert node.attributes[attribute.name] == (value[:64] if isinstance(value, list) else value)
            elif isinstance(value, bytes):
                assert node.attributes[attribute.name] == value.decode()[:64]
            elif isinstance(value, float):
                assert node.attributes[attribute.name] == pytest.approx(value, rel=1e-5)
    for info in [*graph.input, *graph.output, *graph.value_info]:
        sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in info.type.tensor_type.shape.dim]
        assert list(nodes.shapes[info.name]) == sizes


@pytest.mark.parametrize(
    "content",
    [classifier_graph(), explain_graph(), tagger_graph("spans"), segmenter_graph()],
    ids=["classifier", "explain", "tagger", "segmenter"],
)
def test_it_reads_what_onnx_reads(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    _check(tmp_path / "model.onnx")


def test_it_reads_the_shipped_graphs() -> None:
    for path in sorted(MODELS.glob("*/*/*.onnx")):
        _check(path)


def test_attributes_of_every_kind(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("LeakyRelu", ["x"], ["a"], alpha=0.25),
        helper.make_node("Slice", ["a", "starts", "ends"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[1, 0]),
        helper.make_node("Constant", [], ["d"], value=numpy_helper.from_array(np.ones(3, np.float32))),
        helper.make_node("Softmax", ["c"], ["e"], axis=-1),
        helper.make_node("Add", ["e", "d"], ["y"]),
    ]
    content = onnx_file(
        "attributes", nodes, [value("x", TensorProto.FLOAT, ["n", 3])], [value("y", TensorProto.FLOAT, ["n", 3])],
        {"starts": np.array([-1], np.int64), "ends": np.array([9], np.int64)},
    )  # fmt: skip
    (tmp_path / "model.onnx").write_bytes(content)
    graph = read_nodes(tmp_path / "model.onnx")
    assert [node.attributes for node in graph.nodes] == [
        {"alpha": 0.25}, {}, {"perm": [1, 0]}, {"value": "tensor"}, {"axis": -1}, {}
    ]  # fmt: skip
    assert graph.shapes == {"x": (-1, 3), "y": (-1, 3)}


@pytest.mark.parametrize(
    "content",
    [b"", b"not an ONNX file", b"\x3a", b"\x3a\xff\xff\xff\xff\x0f", b"\x08" + b"\xff" * 20, classifier_graph()[:500]],
    ids=["empty", "text", "no length", "too long", "endless number", "cut"],
)
def test_what_is_no_onnx_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.onnx: cannot be read as an ONNX file"):
        read_nodes(tmp_path / "model.onnx")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read as an ONNX file"):
        read_nodes(tmp_path / "model.onnx")


def test_a_file_of_far_too_many_fields(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x01" * 300_001)
    with pytest.raises(BundleError, match="has too many nodes to be shown"):
        read_nodes(tmp_path / "model.onnx")
