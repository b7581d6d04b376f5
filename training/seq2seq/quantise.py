"""How weights are stored in a graph and multiplied with: the parts that the graphs of a translator are put together of.

int8 is computed in integers, with a scale of its own for every row of activations and for every column of weights. A
row's product is exact in integers, so it is the same whatever rows are computed beside it: batch mates change nothing.
(One scale for the whole batch, as onnxruntime's own dynamic quantisation has it, would let them.)
"""

from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from torch import Tensor, nn

from training.common.export import OPSET

Weights = Literal["int8", "int8-stored", "fp16", "fp32"]
"""int8: stored and, in the step, multiplied so; int8-stored and fp16: stored so, computed in float32."""

SHARED_FILE = "embeddings.bin"
"""What both graphs read: the embeddings where source and target have the same, which are a quarter of all weights."""

_IR_VERSION = 10
_CONTRIB = "com.microsoft"  # operators that every onnxruntime has
_LARGEST_WEIGHT = 127
_LARGEST_ACTIVATION = 63
"""7 bits: CPUs without VNNI add two products of 8 bits in 16, which would overflow with more."""


class Parts:
    """Nodes in the order they were added, and the constants that they read."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.shared = ""
        """The constant that is in `SHARED_FILE`, beside the graph; none: ''."""
        self._quantised: dict[str, str] = {}

    def add(self, operator: str, *inputs: str, out: str, **attributes: Any) -> str:
        """Add a node with one output and return its name."""
        self.nodes.append(helper.make_node(operator, inputs, [out], **attributes))
        return out

    def split(self, values: str, sizes: list[int], out: str) -> list[str]:
        """Cut the last axis into pieces of these sizes."""
        if len(sizes) == 1:
            return [values]
        names = [f"{out}_{number}" for number in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [values, self.sizes(*sizes)], names, axis=-1))
        return names

    def keep(self, name: str, values: Tensor | NDArray[Any]) -> str:
        """Store a constant in float32."""
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        self.constants[name] = np.ascontiguousarray(array.astype(np.float32))
        return name

    def sizes(self, *values: int) -> str:
        """Store a constant of sizes or places."""
        name = "_".join(["sizes", *map(str, values)])
        self.constants[name] = np.array(values, np.int64)
        return name

    def number(self, value: float | np.generic) -> str:
        """Store one number; a Python one is a float32."""
        scalar = np.float32(value) if isinstance(value, float) else value
        name = f"{scalar.dtype}_{scalar}"
        self.constants[name] = np.array(scalar)
        return name

    def store(self, name: str, weights: Tensor, *, shared: bool = False) -> tuple[str, str | None]:
        """Store a table or a matrix as the weights are to be; returns its name and that of its scales, if it has any.

        int8 has a scale for each of the last axis's rows. One constant may be shared with another graph.
        """
        if shared:
            self.shared = name
        array = weights.detach().cpu().numpy().astype(np.float32)
        if self.weights in ("fp32", "fp16"):
            self.constants[name] = array.astype(np.float16 if self.weights == "fp16" else np.float32)
            return name, None
        scales = np.abs(array).max(axis=-1, keepdims=True) / np.float32(_LARGEST_WEIGHT)
        safe = np.where(scales == 0, np.float32(1), scales)
        self.constants[name] = np.rint(array / safe).astype(np.int8)
        self.constants[f"{name}_scales"] = scales.astype(np.float32)
        return name, f"{name}_scales"

    def as_float(self, name: str, scales: str | None, *, out: str) -> str:
        """Stored values in float32; of constants it is done when the graph is loaded."""
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

    def product(
        self, values: str, matrix: tuple[str, str | None], bias: Tensor | None, *, bounded: bool, out: str
    ) -> str:
        """Rows [R, K] times a stored matrix [M, K], and a bias: [R, M].

        Args:
            values: the rows.
            matrix: what `store` gave.
            bias: [M], or none.
            bounded: no value is beyond -1 to 1, so that in integers one scale does for all rows.
            out: name of the answer; of the bias, too.
        """
        name, scales = matrix
        shift = [] if bias is None else [self.keep(f"{out}_bias", bias)]
        if self.weights != "int8":
            whole = self.as_float(name, scales, out=f"{name}_whole")
            turned = self.add("Transpose", whole, out=f"{out}_turned", perm=[1, 0])
            linear = self.add("MatMul", values, turned, out=f"{out}_linear" if shift else out)
            return self.add("Add", linear, *shift, out=out) if shift else linear
        assert scales is not None
        turned = self.add("Transpose", name, out=f"{out}_turned", perm=[1, 0])
        columns = self.add("Reshape", scales, self.sizes(-1), out=f"{out}_columns")
        if bounded:
            integers, step = self._in_integers(values)
            return self._integer_product(integers, turned, step, columns, *shift, out=out)
        integers, steps = self._in_integers_by_row(values)
        summed = self._integer_product(integers, turned, self.number(1.0), columns, out=f"{out}_summed")
        linear = self.add("Mul", summed, steps, out=f"{out}_linear" if shift else out)
        return self.add("Add", linear, *shift, out=out) if shift else linear

    def _integer_product(self, values: str, matrix: str, step: str, columns: str, *bias: str, out: str) -> str:
        inputs = [values, matrix, step, columns, self._zero_point(), *(["", *bias] if bias else [])]
        return self.add("MatMulIntegerToFloat", *inputs, out=out, domain=_CONTRIB)

    def _in_integers(self, values: str) -> tuple[str, str]:
        """Rows as uint8 around the zero point, and what one step is worth."""
        step = self.number(1 / _LARGEST_ACTIVATION)
        if values not in self._quantised:
            self._quantised[values] = self.add(
                "QuantizeLinear", values, step, self._zero_point(), out=f"{values}_uint8"
            )
        return self._quantised[values], step

    def _in_integers_by_row(self, values: str) -> tuple[str, str]:
        """The same, and what one step is worth in each row [R, 1]."""
        size = self.add("Abs", values, out=f"{values}_sizes")
        largest = self.add("ReduceMax", size, self.sizes(-1), out=f"{values}_largest", keepdims=1)
        above = self.add("Max", largest, self.number(1e-20), out=f"{values}_above")
        steps = self.add("Div", above, self.number(float(_LARGEST_ACTIVATION)), out=f"{values}_steps")
        scaled = self.add("Div", values, steps, out=f"{values}_scaled")
        one = self.number(1.0)
        return self.add("QuantizeLinear", scaled, one, self._zero_point(), out=f"{values}_uint8_by_row"), steps

    def _zero_point(self) -> str:
        return self.number(np.uint8(_LARGEST_ACTIVATION + 1))

    def norm(self, layer: nn.Module, values: str, *, out: str) -> str:
        """Each row normalised."""
        assert isinstance(layer, nn.LayerNorm)
        scale, shift = self.keep(f"{out}_scale", layer.weight), self.keep(f"{out}_shift", layer.bias)
        return self.add("LayerNormalization", values, scale, shift, out=out, axis=-1, epsilon=layer.eps)

    def shared_file(self) -> dict[str, bytes]:
        """What is in `SHARED_FILE`, by its name, where there is any."""
        return {SHARED_FILE: self.constants[self.shared].tobytes()} if self.shared else {}

    def model(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> bytes:
        """The ONNX file; weights inside but those that are shared."""
        constants = [numpy_helper.from_array(value, key) for key, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, constants)
        domains = {"": OPSET} | ({_CONTRIB: 1} if self.weights == "int8" else {})
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="lectern")
        onnx.checker.check_model(model, full_check=True)
        for constant in model.graph.initializer:
            if constant.name == self.shared:
                _move_out(constant)
        return bytes(model.SerializeToString())


def _move_out(constant: TensorProto) -> None:
    """Say that a constant is in `SHARED_FILE` instead."""
    set_external_data(constant, SHARED_FILE, offset=0, length=len(constant.raw_data))
    constant.ClearField("raw_data")
