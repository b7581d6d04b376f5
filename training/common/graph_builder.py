"""Building an ONNX graph node by node, with weights stored in 8, 16 or 32 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from training.common.export import OPSET

if TYPE_CHECKING:
    from torch import Tensor

_IR_VERSION = 10
_LARGEST_WEIGHT = 127


class GraphBuilder:
    """Collects the nodes and constants of a graph.

    Args:
        weights: the format in which `store` keeps tables and matrices: fp32, fp16, or any other name for int8 with a
            scale for each row (each vector along the last axis).
    """

    domains: tuple[str, ...] = ()
    """Domains of operators that are not part of ONNX."""

    def __init__(self, weights: str = "fp32") -> None:
        self.weights = weights
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, operator: str, *inputs: str, out: str, **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        self.nodes.append(helper.make_node(operator, inputs, [out], **attributes))
        return out

    def add_constant(self, name: str, values: Tensor | NDArray[Any]) -> str:
        """Store a constant in float32 and return its name."""
        self.constants[name] = np.ascontiguousarray(_float32(values))
        return name

    def sizes(self, *values: int) -> str:
        """Store a one-dimensional int64 constant, such as a shape or axes, and return its name."""
        name = "_".join(["sizes", *map(str, values)])
        self.constants[name] = np.array(values, np.int64)
        return name

    def add_weights(self, name: str, values: Tensor) -> tuple[str, str | None]:
        """Store a table or a matrix in the graph's weight format.

        Returns:
            Its name and, for int8, the name of its scales; for `as_float` and `rows`.
        """
        if self.weights == "fp32":
            return self.add_constant(name, values), None
        array = _float32(values)
        if self.weights == "fp16":
            self.constants[name] = array.astype(np.float16)
            return name, None
        scales = np.abs(array).max(axis=-1, keepdims=True) / np.float32(_LARGEST_WEIGHT)
        safe = np.where(scales == 0, np.float32(1), scales)
        self.constants[name] = np.rint(array / safe).astype(np.int8)
        self.constants[f"{name}_scales"] = scales.astype(np.float32)
        return name, f"{name}_scales"

    def as_float(self, name: str, scales: str | None, *, out: str) -> str:
        """Convert stored values to float32; onnxruntime folds that into a constant when it loads the graph.

        DequantizeLinear would run every time: onnxruntime keeps it for the operators that compute in int8.
        """
        if self.weights == "fp32":
            return name
        cast = self.add("Cast", name, out=f"{out}_unscaled" if scales else out, to=TensorProto.FLOAT)
        return self.add("Mul", cast, scales, out=out) if scales else cast

    def rows(self, table: tuple[str, str | None], indices: str, *, out: str) -> str:
        """Gather rows of a stored table in float32."""
        name, scales = table
        gathered = self.add("Gather", name, indices, out=f"{out}_stored" if self.weights != "fp32" else out)
        if scales is not None:
            scales = self.add("Gather", scales, indices, out=f"{out}_scales")
        return self.as_float(gathered, scales, out=out)

    def model(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> bytes:
        """Return the content of the ONNX file."""
        return bytes(self.proto(name, inputs, outputs).SerializeToString())

    def proto(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        """Make the ONNX model and check it."""
        constants = [numpy_helper.from_array(value, key) for key, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, constants)
        domains = {"": OPSET} | dict.fromkeys(self.domains, 1)
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="lectern")
        onnx.checker.check_model(model, full_check=True)
        return model


def _float32(values: Tensor | NDArray[Any]) -> NDArray[np.float32]:
    array = values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
    return array.astype(np.float32)
