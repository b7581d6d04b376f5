"""Writing tiny ONNX models, in protobuf's wire format: the package `onnx` is not among the server's dependencies.

Field numbers are those of onnx.proto; a message is its fields one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_IR_VERSION, _OPSET = 8, 17
_INT_ATTRIBUTE = 2
"""`AttributeProto.AttributeType.INT`."""
FLOAT, INT64 = 1, 7
"""`TensorProto.DataType`."""


class Node(NamedTuple):
    """A node with at most one attribute, an integer."""

    operator: str
    inputs: Sequence[str]
    output: str
    attribute: str = ""
    value: int = 0


def model(nodes: Sequence[Node], inputs: dict[str, int], output: str) -> bytes:
    """A model of one graph, whose tensors may have any shape.

    Args:
        nodes: in the order in which they run.
        inputs: the element types of the inputs by name.
        output: the name of the output, a FLOAT tensor.
    """
    graph = b"".join(_message(1, _node(node)) for node in nodes)
    graph += _text(2, "graph")
    graph += b"".join(_message(11, _tensor(name, kind)) for name, kind in inputs.items())
    graph += _message(12, _tensor(output, FLOAT))
    return _number(1, _IR_VERSION) + _message(8, _number(2, _OPSET)) + _message(7, graph)


def _node(node: Node) -> bytes:
    content = b"".join(_text(1, name) for name in node.inputs) + _text(2, node.output) + _text(4, node.operator)
    if node.attribute:
        attribute = _text(1, node.attribute) + _number(3, node.value) + _number(20, _INT_ATTRIBUTE)
        content += _message(5, attribute)
    return content


def _tensor(name: str, kind: int) -> bytes:
    """`ValueInfoProto` of a tensor of unknown shape."""
    return _text(1, name) + _message(2, _message(1, _number(1, kind)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*encoded, value))
