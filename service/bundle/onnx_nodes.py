"""The nodes of an ONNX file: operators, what flows between them, and how many parameters each has.

Reads the few fields of the format that this takes (onnx.proto3 of ONNX 1.x, protobuf's wire format) without the package
onnx, which a server does not have. Of weights only single numbers are read.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.bundle.files import BundleError, open_plain_file

_MAX_FIELDS = 300_000
"""Fields of a file that are read at most: its nodes would be far too many to look at."""
_MAX_LIST = 64
"""Items of an attribute that are kept; the others are constants, not settings."""

_FP32 = 1
"""The datatype of a tensor of 32-bit floats, in the format's numbers."""
_FP32_BYTES = 4

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation of a graph."""

    operator: str
    name: str
    inputs: tuple[str, ...]
    """Tensors that flow into it, without its weights."""
    outputs: tuple[str, ...]
    weights: dict[str, tuple[int, ...]]
    """Shapes of its weights and other constants, by name."""
    attributes: dict[str, Any]

    @property
    def parameters(self) -> int:
        """Number of values of its weights."""
        return sum(map(math.prod, self.weights.values()))


@dataclass(frozen=True, kw_only=True)
class GraphNodes:
    """The nodes of a graph in the order in which they run, and what is known of the tensors between them."""

    nodes: tuple[Node, ...]
    shapes: dict[str, tuple[int, ...]]
    """Shapes by tensor, -1 where a size varies; only of those whose shape the file has."""
    parameters: int
    scalars: dict[str, float]
    """Its constants of one FP32 number, by name; only of those that are in the file itself."""


@dataclass
class _Message:
    """The fields of a message that are read, by number; each may be repeated."""

    numbers: dict[int, list[int]] = field(default_factory=dict)
    parts: dict[int, list[memoryview]] = field(default_factory=dict)

    def text(self, number: int) -> str:
        found = self.parts.get(number)
        return bytes(found[-1]).decode("utf-8", "replace") if found else ""

    def texts(self, number: int) -> list[str]:
        return [bytes(part).decode("utf-8", "replace") for part in self.parts.get(number, ())]

    def integers(self, number: int) -> list[int]:
        """A repeated int64, packed or not."""
        packed = (value for part in self.parts.get(number, ()) for value in _varints(part))
        return [_signed(value) for value in (*self.numbers.get(number, ()), *packed)]


class _Reader:
    """Parses messages, and counts the fields of all of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fields = 0

    def message(self, content: memoryview) -> _Message:
        result = _Message()
        position, size = 0, len(content)
        while position < size:
            self._fields += 1
            if self._fields > _MAX_FIELDS:
                raise BundleError(f"{self._path}: has too many nodes to be shown")
            key, position = _varint(content, position)
            number, kind = key >> 3, key & 7
            if kind == _VARINT:
                value, position = _varint(content, position)
                result.numbers.setdefault(number, []).append(value)
                continue
            if kind == _BYTES:
                length, position = _varint(content, position)
            elif kind in (_FIXED64, _FIXED32):
                length = 8 if kind == _FIXED64 else 4
            else:
                raise ValueError(f"wire type {kind}")
            if position + length > size:
                raise ValueError("a field is longer than its message")
            result.parts.setdefault(number, []).append(content[position : position + length])
            position += length
        return result

    def graph(self, content: memoryview) -> GraphNodes:
        graph = self.message(content)
        constants: dict[str, tuple[int, ...]] = {}
        scalars: dict[str, float] = {}
        for tensor in self._all(graph, 5):
            name = tensor.text(8)
            constants[name] = tuple(tensor.integers(1))
            if (value := _scalar(tensor)) is not None:
                scalars[name] = value
        shapes: dict[str, tuple[int, ...]] = {}
        for number in (11, 12, 13):  # inputs, outputs, and the tensors between them
            for info in self._all(graph, number):
                shape = self._shape(info)
                if shape is not None:
                    shapes[info.text(1)] = shape
        nodes = []
        for node in self._all(graph, 1):
            names = [name for name in node.texts(1) if name]
            domain, operator = node.text(7), node.text(4)
            nodes.append(
                Node(
                    operator=f"{domain}.{operator}" if domain not in ("", "ai.onnx") else operator,
                    name=node.text(3),
                    inputs=tuple(name for name in names if name not in constants),
                    outputs=tuple(name for name in node.texts(2) if name),
                    weights={name: constants[name] for name in names if name in constants},
                    attributes=dict(self._attribute(attribute) for attribute in self._all(node, 5)),
                )
            )
        parameters = sum(map(math.prod, constants.values()))
        return GraphNodes(nodes=tuple(nodes), shapes=shapes, parameters=parameters, scalars=scalars)

    def _all(self, message: _Message, number: int) -> Iterator[_Message]:
        return map(self.message, message.parts.get(number, ()))

    def _shape(self, info: _Message) -> tuple[int, ...] | None:
        """The shape in a ValueInfoProto of a tensor; None if it does not have one."""
        for kind in self._all(info, 2):
            for tensor in self._all(kind, 1):
                for shape in self._all(tensor, 2):
                    return tuple(
                        _signed(size.numbers[1][-1]) if 1 in size.numbers else -1 for size in self._all(shape, 1)
                    )
        return None

    def _attribute(self, attribute: _Message) -> tuple[str, Any]:
        """Name and value of an attribute; what is no number, text or short list of these is only named by its kind."""
        value: Any = None
        if 3 in attribute.numbers:
            value = _signed(attribute.numbers[3][-1])
        elif 2 in attribute.parts:
            value = round(struct.unpack("<f", attribute.parts[2][-1])[0], 7)
        elif 4 in attribute.parts:
            value = attribute.text(4)[:_MAX_LIST]
        elif integers := attribute.integers(8):
            value = integers[:_MAX_LIST]
        elif texts := attribute.texts(9):
            value = [text[:_MAX_LIST] for text in texts[:_MAX_LIST]]
        elif 6 in attribute.parts:
            value = "graph"
        elif 5 in attribute.parts:
            value = "tensor"
        return attribute.text(1), value


def read_nodes(path: Path) -> GraphNodes:
    """The nodes of the graph in an ONNX file.

    Raises:
        BundleError: the file cannot be read, is no ONNX file, or has far too many nodes.
    """
    try:
        with open_plain_file(path) as stream:
            # Unmapped with the last view of it, which a traceback may hold.
            content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        reader = _Reader(path)
        graphs = reader.message(content).parts.get(7)
        if not graphs:
            raise ValueError("it has no graph")
        return reader.graph(graphs[-1])
    except BundleError:
        raise
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise BundleError(f"{path}: cannot be read as an ONNX file ({error})") from error


def _scalar(tensor: _Message) -> float | None:
    """The number of a TensorProto that holds one FP32 number; None of others."""
    if tensor.numbers.get(2, [0])[-1] != _FP32 or math.prod(tensor.integers(1)) != 1:
        return None
    for number in (9, 4):  # as raw bytes, or in a list
        if (parts := tensor.parts.get(number)) and len(parts[-1]) == _FP32_BYTES:
            value: float = struct.unpack("<f", parts[-1])[0]
            return value
    return None


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    """A variable-length integer, and the position after it."""
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("an integer of more than 64 bits")


def _varints(content: memoryview) -> Iterator[int]:
    position = 0
    while position < len(content):
        value, position = _varint(content, position)
        yield value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
