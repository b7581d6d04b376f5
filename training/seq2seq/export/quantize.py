"""How a translator's weights are stored and multiplied with: the parts that its graphs are put together of.

int8 is computed in integers, with a scale of its own for every row of activations and for every column of weights. A
row's product is exact in integers, so it is the same whatever rows are computed beside it: batch mates change nothing.
(One scale for the whole batch, as onnxruntime's own dynamic quantisation has it, would let them.)
"""

from typing import Literal

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper
from onnx.external_data_helper import set_external_data
from torch import Tensor, nn

from training.common.graph_builder import GraphBuilder

Weights = Literal["int8", "int8-stored", "fp16", "fp32"]
"""int8: stored and, in the step, multiplied so; int8-stored and fp16: stored so, computed in float32."""

SHARED_FILE = "embeddings.bin"
"""What both graphs read: the embeddings where source and target have the same, which are a quarter of all weights."""

_CONTRIB = "com.microsoft"  # operators that every onnxruntime has
_LARGEST_ACTIVATION = 63
"""7 bits: CPUs without VNNI add two products of 8 bits in 16, which would overflow with more."""


class Parts(GraphBuilder):
    """With products in integers, and a constant that two graphs share.

    Args:
        weights: how they are stored and multiplied with.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.domains = (_CONTRIB,) if weights == "int8" else ()
        self.shared = ""
        """The constant that is in `SHARED_FILE`, beside the graph; none: ''."""
        self._quantised: dict[str, str] = {}

    def split(self, values: str, sizes: list[int], out: str) -> list[str]:
        """Cut the last axis into pieces of these sizes."""
        if len(sizes) == 1:
            return [values]
        names = [f"{out}_{number}" for number in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [values, self.sizes(*sizes)], names, axis=-1))
        return names

    def number(self, value: float | np.generic) -> str:
        """Store one number; a Python one is a float32."""
        scalar = np.float32(value) if isinstance(value, float) else value
        name = f"{scalar.dtype}_{scalar}"
        self.constants[name] = np.array(scalar)
        return name

    def store(self, name: str, values: Tensor, *, shared: bool = False) -> tuple[str, str | None]:
        """Store a table or a matrix; one may be shared with another graph."""
        if shared:
            self.shared = name
        return super().store(name, values)

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

    def proto(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        """What is in the file; weights inside but those that are shared."""
        model = super().proto(name, inputs, outputs)
        for constant in model.graph.initializer:
            if constant.name == self.shared:
                _move_out(constant)
        return model


def _move_out(constant: TensorProto) -> None:
    """Say that a constant is in `SHARED_FILE` instead."""
    set_external_data(constant, SHARED_FILE, offset=0, length=len(constant.raw_data))
    constant.ClearField("raw_data")
