"""What a graph of our own is put together of: nodes, and constants stored in 8, 16 or 32 bits."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from torch import Tensor

from training.common.export import OPSET

_IR_VERSION = 10
_LARGEST_WEIGHT = 127


class OnnxParts:
    """Nodes in the order they were added, and the constants that they read.

    Args:
        weights: how `store` keeps tables and matrices: fp32, fp16 or, by any other name, int8 with a scale for each of
            the last axis's rows.
    """

    domains: tuple[str, ...] = ()
    """Of operators that are not ONNX's own."""

    def __init__(self, weights: str = "fp32") -> None:
        self.weights = weights
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, operator: str, *inputs: str, out: str, **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        self.nodes.append(helper.make_node(operator, inputs, [out], **attributes))
        return out

    def keep(self, name: str, values: Tensor | NDArray[Any]) -> str:
        """Store a constant in float32."""
        self.constants[name] = np.ascontiguousarray(_array(values))
        return name

    def sizes(self, *values: int) -> str:
        """Store a constant of sizes or places."""
        name = "_".join(["sizes", *map(str, values)])
        self.constants[name] = np.array(values, np.int64)
        return name

    def store(self, name: str, values: Tensor) -> tuple[str, str | None]:
        """Store a table or a matrix as the weights are to be; returns its name and that of its scales, or None."""
        if self.weights == "fp32":
            return self.keep(name, values), None
        array = _array(values)
        if self.weights == "fp16":
            self.constants[name] = array.astype(np.float16)
            return name, None
        scales = np.abs(array).max(axis=-1, keepdims=True) / np.float32(_LARGEST_WEIGHT)
        safe = np.where(scales == 0, np.float32(1), scales)
        self.constants[name] = np.rint(array / safe).astype(np.int8)
        self.constants[f"{name}_scales"] = scales.astype(np.float32)
        return name, f"{name}_scales"

    def as_float(self, name: str, scales: str | None, *, out: str) -> str:
        """Stored values in float32; of constants it is done when the graph is loaded.

        DequantizeLinear would be done in every run: onnxruntime keeps it for the operators that compute in int8.
        """
        if self.weights == "fp32":
            return name
        cast = self.add("Cast", name, out=f"{out}_unscaled" if scales else out, to=TensorProto.FLOAT)
        return self.add("Mul", cast, scales, out=out) if scales else cast

    def rows(self, table: tuple[str, str | None], places: str, *, out: str) -> str:
        """The rows of a stored table at these places, in float32."""
        name, scales = table
        found = self.add("Gather", name, places, out=f"{out}_stored" if self.weights != "fp32" else out)
        if scales is not None:
            scales = self.add("Gather", scales, places, out=f"{out}_scales")
        return self.as_float(found, scales, out=out)

    def model(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> bytes:
        """The ONNX file."""
        return bytes(self.proto(name, inputs, outputs).SerializeToString())

    def proto(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        """What is in the file, checked."""
        constants = [numpy_helper.from_array(value, key) for key, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, constants)
        domains = {"": OPSET} | dict.fromkeys(self.domains, 1)
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="lectern")
        onnx.checker.check_model(model, full_check=True)
        return model


def _array(values: Tensor | NDArray[Any]) -> NDArray[np.float32]:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return array.astype(np.float32)
