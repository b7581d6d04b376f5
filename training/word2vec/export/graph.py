"""The ONNX graph of a bundle of word vectors: look-up, weighted sum, normalization, nearest rows.

query[n] = vectors[n] + sum over m of weights[n, m] * row(ids[n, m])
embeddings[n] = query[n] / max(|query[n]|, tiny)
scores, indices = the K largest of embeddings @ rows^T, K = min(largest k, rows); no search if K is 0

row(i) = table[i] * columns * scales[i], where `columns` is a constant of the graph (see `Table`)

A table of bytes is searched without converting it: `_integer_products`.
"""

from typing import Any

import numpy as np
from onnx import GraphProto, TensorProto, ValueInfoProto, helper

from service.bundle.manifest import Datatype, Graph, TensorSpec
from service.tasks.word_vectors.preprocessing import (
    EMBEDDINGS,
    IDS,
    INDICES,
    SCALES,
    SCORES,
    TABLE,
    VECTORS,
    WEIGHTS,
    K,
)
from training.common.errors import ConfigError
from training.common.graph_builder import GraphBuilder
from training.word2vec.export.quantized_table import ZERO_POINT, Precision, Table

GRAPH_FILE = "model.onnx"
MAX_INSIDE_BYTES = 64 << 20
"""A larger table is a memory-mapped file outside the graph, and an input of the graph."""

COLUMNS = "columns"
"""The constant with the factors of the components, [1, D]."""
_ZERO, _FLOAT_ZERO = "table_zero", "table_zero_float"
"""The code of zero in a table of bytes, as uint8 and as float32."""

_DIGIT = 63
"""Largest digit of a query. Processors without VNNI add two products of an unsigned and a signed byte in 16 bits, which
255 * 65 * 2 would exceed."""
_BASE = 2 * _DIGIT
_DIGITS = 3
"""Digits of a query's component: it is exact to 1 / (63 * 126**2 * 2) of the largest one, as exact as float32."""

_DATATYPES = {"uint8": Datatype.UINT8, "float16": Datatype.FP16, "float32": Datatype.FP32}
_ELEMENTS = {
    Datatype.INT64: TensorProto.INT64,
    Datatype.FP32: TensorProto.FLOAT,
    Datatype.FP16: TensorProto.FLOAT16,
    Datatype.UINT8: TensorProto.UINT8,
}


def is_outside(table: Table) -> bool:
    """Whether the table is too large to be inside the graph."""
    return bool(table.codes.nbytes > MAX_INSIDE_BYTES)


def check_size(rows: int, dimensions: int, precision: Precision) -> None:
    """Check that a float32 table is small enough to be inside the graph; other precisions can be outside.

    Raises:
        ConfigError: it is too large.
    """
    size = rows * dimensions * np.dtype(np.float32).itemsize
    if precision == "fp32" and size > MAX_INSIDE_BYTES:
        raise ConfigError(f"--precision fp32: a table of {size >> 20} MiB is too large for it; choose fp16 or int8")


def graph_spec(table: Table) -> Graph:
    """The inputs and outputs of the graph, for the manifest."""
    size = table.dimensions
    inputs = [
        TensorSpec(name=IDS, datatype=Datatype.INT64, shape=(-1, -1)),
        TensorSpec(name=WEIGHTS, datatype=Datatype.FP32, shape=(-1, -1)),
        TensorSpec(name=VECTORS, datatype=Datatype.FP32, shape=(-1, size)),
        TensorSpec(name=K, datatype=Datatype.INT64, shape=(-1,)),
    ]
    if is_outside(table):
        inputs.append(TensorSpec(name=TABLE, datatype=_DATATYPES[table.codes.dtype.name], shape=(-1, size)))
        if table.row_scales is not None:
            inputs.append(TensorSpec(name=SCALES, datatype=Datatype.FP32, shape=(-1, 1)))
    outputs = (
        TensorSpec(name=EMBEDDINGS, datatype=Datatype.FP32, shape=(-1, size)),
        TensorSpec(name=SCORES, datatype=Datatype.FP32, shape=(-1, -1)),
        TensorSpec(name=INDICES, datatype=Datatype.INT64, shape=(-1, -1)),
    )
    return Graph(file=GRAPH_FILE, inputs=tuple(inputs), outputs=outputs)


def build_graph(table: Table) -> bytes:
    """Build the ONNX file. A table of float16 inside it is converted to float32 once, when onnxruntime loads it."""
    spec = graph_spec(table)
    outside = is_outside(table)
    builder = GraphBuilder()
    builder.constants |= {
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "tiny": np.array(np.finfo(np.float32).tiny),
    }
    if table.column_scales is not None:
        builder.constants[COLUMNS] = table.column_scales
    if not outside:
        builder.constants[TABLE] = np.asarray(table.codes)
        if table.row_scales is not None:
            builder.constants[SCALES] = np.asarray(table.row_scales)
    if table.in_bytes:
        builder.constants |= {
            _ZERO: np.array(ZERO_POINT, np.uint8),
            _FLOAT_ZERO: np.array(ZERO_POINT, np.float32),
            "digit": np.array(_DIGIT, np.float32),
            "base": np.array(_BASE, np.float32),
        }
    scales = {COLUMNS: table.column_scales, SCALES: table.row_scales}
    factors = [name for name, values in scales.items() if values is not None]
    if outside or table.in_bytes:
        gathered = _gather_codes(builder, factors, in_bytes=table.in_bytes)
    else:
        gathered = _gather_floats(builder, factors)
    _embed(builder, gathered)
    search = _search_in_bytes(factors) if table.in_bytes else _search(outside, factors)
    _search_if_requested(builder, search=search, no_search=_no_search())
    return builder.model(
        "word_vectors", [_info(entry) for entry in spec.inputs], [_info(entry) for entry in spec.outputs]
    )


def _gather_floats(builder: GraphBuilder, factors: list[str]) -> str:
    """Gather rows [N, M, D] of the float32 table, which onnxruntime computes by constant folding on loading."""
    rows = "codes" if factors else "rows"
    builder.add("Cast", TABLE, out=rows, to=TensorProto.FLOAT)
    for factor in factors:
        rows = builder.add("Mul", rows, factor, out="rows" if factor == factors[-1] else f"rows_by_{factor}")
    return builder.add("Gather", rows, IDS, out="gathered")


def _gather_codes(builder: GraphBuilder, factors: list[str], *, in_bytes: bool) -> str:
    """Gather rows [N, M, D] before their conversion to float32: the table is neither converted nor read whole."""
    gathered = builder.add("Gather", TABLE, IDS, out="gathered_codes")
    gathered = builder.add("Cast", gathered, out="gathered_floats", to=TensorProto.FLOAT)
    if in_bytes:
        gathered = builder.add("Sub", gathered, _FLOAT_ZERO, out="gathered_values")
    for factor in factors:
        by = builder.add("Gather", SCALES, IDS, out="gathered_scales") if factor == SCALES else factor
        gathered = builder.add("Mul", gathered, by, out=f"gathered_by_{factor}")
    return gathered


def _embed(builder: GraphBuilder, gathered: str) -> None:
    """Add the weighted sum of the gathered rows to `vectors`, and normalize it."""
    builder.add("Unsqueeze", WEIGHTS, "one", out="weights_N1M")
    builder.add("MatMul", "weights_N1M", gathered, out="sum_N1D")
    builder.add("Squeeze", "sum_N1D", "one", out="sum")
    builder.add("Add", VECTORS, "sum", out="query")
    builder.add("ReduceL2", "query", "one", out="norm", keepdims=1)
    builder.add("Max", "norm", "tiny", out="safe_norm")
    builder.add("Div", "query", "safe_norm", out=EMBEDDINGS)


def _search_if_requested(builder: GraphBuilder, *, search: GraphProto, no_search: GraphProto) -> None:
    """Search only if K, the number of neighbors, is above 0."""
    builder.add("Shape", TABLE, out="rows_count", start=0, end=1)
    builder.add("ReduceMax", K, out="largest_k", keepdims=1)
    builder.add("Min", "largest_k", "rows_count", out="count")
    builder.add("Greater", "count", "zero", out="is_requested_1")
    builder.add("Squeeze", "is_requested_1", out="is_requested")
    branches: dict[str, Any] = {"then_branch": search, "else_branch": no_search}
    builder.nodes.append(helper.make_node("If", ["is_requested"], [SCORES, INDICES], **branches))


def _search(outside: bool, factors: list[str]) -> GraphProto:
    """The branch that scores all rows and takes the K best."""
    builder, query = GraphBuilder(), EMBEDDINGS
    if outside:
        # Scaling the queries [N, D] and the scores [N, rows] is cheaper than scaling the rows [rows, D].
        builder.add("Cast", TABLE, out="rows", to=TensorProto.FLOAT)
        if COLUMNS in factors:
            query = builder.add("Mul", EMBEDDINGS, COLUMNS, out="scaled_query")
    scores = builder.add("Gemm", query, "rows", out="products", transB=1)
    if outside and SCALES in factors:
        builder.add("Transpose", SCALES, out="scales_1V")
        scores = builder.add("Mul", scores, "scales_1V", out="cosines")
    builder.nodes.append(helper.make_node("TopK", [scores, "count"], ["best_scores", "best_indices"], axis=1))
    return helper.make_graph(builder.nodes, "search", [], _branch_outputs("best_scores", "best_indices"))


def _search_in_bytes(factors: list[str]) -> GraphProto:
    """The branch that scores all rows of a table of bytes by integer products, and takes the K best."""
    builder, query = GraphBuilder(), EMBEDDINGS
    if COLUMNS in factors:
        query = builder.add("Mul", EMBEDDINGS, COLUMNS, out="scaled_query")
    scores = _integer_products(builder, query)
    if SCALES in factors:
        builder.add("Transpose", SCALES, out="scales_1V")
        scores = builder.add("Mul", scores, "scales_1V", out="cosines")
    builder.nodes.append(helper.make_node("TopK", [scores, "count"], ["best_scores", "best_indices"], axis=1))
    return helper.make_graph(builder.nodes, "search", [], _branch_outputs("best_scores", "best_indices"))


def _integer_products(builder: GraphBuilder, query: str) -> str:
    """Products [N, V] of queries [N, D] with the rows of a table of bytes, which is read once and never converted.

    With its largest component c, a query is c/63 (d0 + d1/126 + d2/126**2), whose digits are int8 vectors. Each is
    multiplied with the table in integers, [V, 3 N]; one small product in float32 adds the digits up, [N, V].
    """
    builder.add("Abs", query, out="magnitudes")
    builder.add("ReduceMax", "magnitudes", "one", out="largest_component", keepdims=1)
    builder.add("Max", "largest_component", "tiny", out="safe_component")
    builder.add("Div", "safe_component", "digit", out="step")
    rest = builder.add("Div", query, "step", out="rest_0")
    digits = []
    for position in range(_DIGITS):
        digits.append(builder.add("Round", rest, out=f"digit_{position}"))
        if position + 1 < _DIGITS:
            builder.add("Sub", rest, digits[-1], out=f"remainder_{position}")
            rest = builder.add("Mul", f"remainder_{position}", "base", out=f"rest_{position + 1}")
    builder.add("Concat", *digits, out="digits", axis=0)
    builder.add("Cast", "digits", out="digits_int8", to=TensorProto.INT8)
    builder.add("Transpose", "digits_int8", out="digits_D3N")
    builder.add("MatMulInteger", TABLE, "digits_D3N", _ZERO, out="integer_products_V3N")
    builder.add("Cast", "integer_products_V3N", out="products_V3N", to=TensorProto.FLOAT)
    return builder.add("Gemm", _weights_of_digits(builder), "products_V3N", out="products", transB=1)


def _weights_of_digits(builder: GraphBuilder) -> str:
    """The matrix [N, 3 N] that adds up the products of the digits of each query, in units of its last digit's."""
    builder.add("Shape", EMBEDDINGS, out="queries", start=0, end=1)
    builder.add("Concat", "queries", "queries", out="queries_queries", axis=0)
    zero = helper.make_tensor("0", TensorProto.FLOAT, [1], [0])
    builder.add("ConstantOfShape", "queries_queries", out="zeros_NN", value=zero)
    builder.add("EyeLike", "zeros_NN", out="identity")
    weights = [builder.add("Mul", "identity", "step", out="weights_0")]
    for position in range(1, _DIGITS):
        weights.append(builder.add("Div", weights[-1], "base", out=f"weights_{position}"))
    return builder.add("Concat", *weights, out="weights_of_digits", axis=1)


def _no_search() -> GraphProto:
    """The branch that returns scores and indices [N, 0]."""
    builder = GraphBuilder()
    builder.add("Shape", EMBEDDINGS, out="batch", start=0, end=1)
    builder.add("Concat", "batch", "zero", out="empty", axis=0)
    for name, element in (("no_scores", TensorProto.FLOAT), ("no_indices", TensorProto.INT64)):
        builder.add("ConstantOfShape", "empty", out=name, value=helper.make_tensor("0", element, [1], [0]))
    return helper.make_graph(builder.nodes, "no_search", [], _branch_outputs("no_scores", "no_indices"))


def _branch_outputs(scores: str, indices: str) -> list[ValueInfoProto]:
    return [
        helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["batch", "neighbors"]),
        helper.make_tensor_value_info(indices, TensorProto.INT64, ["batch", "neighbors"]),
    ]


_AXES = {
    IDS: ("batch", "terms"),
    WEIGHTS: ("batch", "terms"),
    VECTORS: ("batch",),
    K: ("batch",),
    TABLE: ("rows",),
    SCALES: ("rows",),
    EMBEDDINGS: ("batch",),
    SCORES: ("batch", "neighbors"),
    INDICES: ("batch", "neighbors"),
}
"""Names of the axes of variable size."""


def _info(spec: TensorSpec) -> ValueInfoProto:
    names = iter(_AXES[spec.name])
    shape = [next(names) if size < 0 else size for size in spec.shape]
    return helper.make_tensor_value_info(spec.name, _ELEMENTS[spec.datatype], shape)
