"""Quantized matrix products for a translator's graphs.

On CPUs int8 products are computed in integers, with a scale for each row of activations and for each column of
weights. A row's integers do not depend on the other rows, so a result does not depend on the batch. (With one scale for
the whole batch, like in onnxruntime's dynamic quantization, it would.) That takes an operator of onnxruntime that only
its CPU provider has. Graphs for other providers consist of standard ONNX: the same integers, multiplied by their scales
(`DequantizeLinear`), which those providers do within the product or once.
"""

from typing import Literal

import numpy as np
from onnx import helper
from torch import Tensor, nn

from service.bundle.manifest import ProviderKind
from training.common.graph_builder import GraphBuilder

Weights = Literal["int8", "int8-stored", "fp16", "fp32"]
"""int8: stored and, in the step, multiplied in 8 bits; int8-stored and fp16: stored that way, computed in float32."""

CPU_OPERATOR = "MatMulIntegerToFloat"
"""The operator of integer products, which no execution provider has but the CPU's."""

_CONTRIB = "com.microsoft"  # onnxruntime's own operators
_MAX_ACTIVATION = 63
"""7 bits: CPUs without VNNI add two products of 8 bits in 16 bits, which would overflow with more."""


class QuantizedGraph(GraphBuilder):
    """A graph builder with integer matrix products.

    Args:
        weights: how weights are stored and multiplied.
        kind: the execution providers that the graph is for.
    """

    def __init__(self, weights: Weights, kind: ProviderKind = ProviderKind.CPU) -> None:
        super().__init__(weights)
        self._kind = kind
        self.domains = (_CONTRIB,) if weights == "int8" and kind is ProviderKind.CPU else ()
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
        if self._kind is not ProviderKind.CPU:
            return self._float_product(values, name, scales, *biases, out=out)
        transposed = self.add("Transpose", name, out=f"{out}_transposed", perm=[1, 0])
        column_scales = self.add("Reshape", scales, self.sizes(-1), out=f"{out}_column_scales")
        if bounded:
            integers, scale = self._quantize(values)
            return self._integer_product(integers, transposed, scale, column_scales, *biases, out=out)
        integers, row_scales = self._quantize_by_row(values)
        unscaled = self._integer_product(integers, transposed, self.scalar(1.0), column_scales, out=f"{out}_unscaled")
        linear = self.add("Mul", unscaled, row_scales, out=f"{out}_linear" if biases else out)
        return self.add("Add", linear, *biases, out=out) if biases else linear

    def _float_product(self, values: str, matrix: str, scales: str, *bias: str, out: str) -> str:
        by_row = f"{scales}_by_row"
        self.constants[by_row] = self.constants[scales].reshape(-1)
        dequantized = f"{matrix}_dequantized"
        if not any(dequantized in node.output for node in self.nodes):
            self.add("DequantizeLinear", matrix, by_row, out=dequantized, axis=0)
        return self.add("Gemm", values, dequantized, *bias, out=out, transB=1)

    def _integer_product(self, values: str, matrix: str, scale: str, column_scales: str, *bias: str, out: str) -> str:
        inputs = [values, matrix, scale, column_scales, self._zero_point(), *(["", *bias] if bias else [])]
        return self.add(CPU_OPERATOR, *inputs, out=out, domain=_CONTRIB)

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
