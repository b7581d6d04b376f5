"""Quantized matrix products for a translator's graphs.

int8 products are computed in integers, with a scale for each row of activations and for each column of weights. A row's
integers do not depend on the other rows, so a result does not depend on the batch. (With one scale for the whole batch,
like in onnxruntime's dynamic quantization, it would.)
"""

from typing import Literal

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper
from onnx.external_data_helper import set_external_data
from torch import Tensor, nn

from training.common.graph_builder import GraphBuilder

Weights = Literal["int8", "int8-stored", "fp16", "fp32"]
"""int8: stored and, in the step, multiplied in 8 bits; int8-stored and fp16: stored that way, computed in float32."""

SHARED_FILE = "embeddings.bin"
"""The embeddings, a quarter of all weights, if source and target share them: both graphs read this file."""

_CONTRIB = "com.microsoft"  # onnxruntime's own operators
_MAX_ACTIVATION = 63
"""7 bits: CPUs without VNNI add two products of 8 bits in 16 bits, which would overflow with more."""


class QuantizedGraph(GraphBuilder):
    """A graph builder with integer matrix products and a constant that two graphs can share.

    Args:
        weights: how weights are stored and multiplied.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights)
        self.domains = (_CONTRIB,) if weights == "int8" else ()
        self.shared = ""
        """Name of the constant that is in `SHARED_FILE`; empty for none."""
        self._quantized: dict[str, str] = {}

    def split(self, values: str, sizes: list[int], out: str) -> list[str]:
        """Split the last axis into parts of these sizes."""
        if len(sizes) == 1:
            return [values]
        names = [f"{out}_{number}" for number in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [values, self.sizes(*sizes)], names, axis=-1))
        return names

    def scalar(self, value: float | np.generic) -> str:
        """Store a scalar; a Python float becomes a float32."""
        typed = np.float32(value) if isinstance(value, float) else value
        name = f"{typed.dtype}_{typed}"
        self.constants[name] = np.array(typed)
        return name

    def add_weights(self, name: str, values: Tensor, *, shared: bool = False) -> tuple[str, str | None]:
        """Store a table or a matrix; one of them may be shared with another graph."""
        if shared:
            self.shared = name
        return super().add_weights(name, values)

    def product(
        self, values: str, matrix: tuple[str, str | None], bias: Tensor | None, *, bounded: bool, out: str
    ) -> str:
        """A linear layer: rows [R, K] times a stored matrix [M, K], plus a bias; the result is [R, M].

        Args:
            values: name of the rows.
            matrix: the names that `add_weights` returned.
            bias: [M], or None.
            bounded: all values are between -1 and 1, so that one scale is enough for the integers of all rows.
            out: name of the result, and prefix of the other names.
        """
        name, scales = matrix
        biases = [] if bias is None else [self.add_constant(f"{out}_bias", bias)]
        if self.weights != "int8":
            floats = self.as_float(name, scales, out=f"{name}_float")
            transposed = self.add("Transpose", floats, out=f"{out}_transposed", perm=[1, 0])
            linear = self.add("MatMul", values, transposed, out=f"{out}_linear" if biases else out)
            return self.add("Add", linear, *biases, out=out) if biases else linear
        assert scales is not None
        transposed = self.add("Transpose", name, out=f"{out}_transposed", perm=[1, 0])
        column_scales = self.add("Reshape", scales, self.sizes(-1), out=f"{out}_column_scales")
        if bounded:
            integers, scale = self._quantize(values)
            return self._integer_product(integers, transposed, scale, column_scales, *biases, out=out)
        integers, row_scales = self._quantize_by_row(values)
        unscaled = self._integer_product(integers, transposed, self.scalar(1.0), column_scales, out=f"{out}_unscaled")
        linear = self.add("Mul", unscaled, row_scales, out=f"{out}_linear" if biases else out)
        return self.add("Add", linear, *biases, out=out) if biases else linear

    def _integer_product(self, values: str, matrix: str, scale: str, column_scales: str, *bias: str, out: str) -> str:
        inputs = [values, matrix, scale, column_scales, self._zero_point(), *(["", *bias] if bias else [])]
        return self.add("MatMulIntegerToFloat", *inputs, out=out, domain=_CONTRIB)

    def _quantize(self, values: str) -> tuple[str, str]:
        """Values between -1 and 1 as uint8 around the zero point, and their scale."""
        scale = self.scalar(1 / _MAX_ACTIVATION)
        if values not in self._quantized:
            self._quantized[values] = self.add(
                "QuantizeLinear", values, scale, self._zero_point(), out=f"{values}_uint8"
            )
        return self._quantized[values], scale

    def _quantize_by_row(self, values: str) -> tuple[str, str]:
        """Values as uint8 around the zero point, and the scale of each row [R, 1]."""
        absolute = self.add("Abs", values, out=f"{values}_absolute")
        largest = self.add("ReduceMax", absolute, self.sizes(-1), out=f"{values}_largest", keepdims=1)
        positive = self.add("Max", largest, self.scalar(1e-20), out=f"{values}_positive")
        row_scales = self.add("Div", positive, self.scalar(float(_MAX_ACTIVATION)), out=f"{values}_row_scales")
        scaled = self.add("Div", values, row_scales, out=f"{values}_scaled")
        one = self.scalar(1.0)
        return self.add("QuantizeLinear", scaled, one, self._zero_point(), out=f"{values}_uint8_by_row"), row_scales

    def _zero_point(self) -> str:
        return self.scalar(np.uint8(_MAX_ACTIVATION + 1))

    def norm(self, layer: nn.Module, values: str, *, out: str) -> str:
        """Layer normalization of each row."""
        assert isinstance(layer, nn.LayerNorm)
        scale, shift = self.add_constant(f"{out}_scale", layer.weight), self.add_constant(f"{out}_shift", layer.bias)
        return self.add("LayerNormalization", values, scale, shift, out=out, axis=-1, epsilon=layer.eps)

    def shared_file(self) -> dict[str, bytes]:
        """The content of `SHARED_FILE` by its name; empty if nothing is shared."""
        return {SHARED_FILE: self.constants[self.shared].tobytes()} if self.shared else {}

    def proto(self, name: str, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]) -> ModelProto:
        """The ONNX model, with all weights inside but the shared ones."""
        model = super().proto(name, inputs, outputs)
        for constant in model.graph.initializer:
            if constant.name == self.shared:
                _make_external(constant)
        return model


def _make_external(constant: TensorProto) -> None:
    """Replace the data of a constant by a reference to `SHARED_FILE`."""
    set_external_data(constant, SHARED_FILE, offset=0, length=len(constant.raw_data))
    constant.ClearField("raw_data")
