"""The ONNX graph of a bundle of word vectors: look-up, weighted sum, normalization, nearest rows.

query[n] = vectors[n] + sum over m of weights[n, m] * row(ids[n, m])
embeddings[n] = query[n] / max(|query[n]|, tiny)
scores, indices = the K largest of embeddings @ rows^T, K = min(largest k, rows); no search if K is 0

row(i) = table[i] * columns * scales[i], where `columns` is a constant of the graph (see `Table`)
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
from training.word2vec.export.quantized_table import Precision, Table

GRAPH_FILE = "model.onnx"
MAX_INSIDE_BYTES = 64 << 20
"""A larger table is a memory-mapped file outside the graph, and an input of the graph."""

_COLUMNS = "columns"
_DATATYPES = {"int8": Datatype.INT8, "float16": Datatype.FP16, "float32": Datatype.FP32}
_ELEMENTS = {
    Datatype.INT64: TensorProto.INT64,
    Datatype.FP32: TensorProto.FLOAT,
    Datatype.FP16: TensorProto.FLOAT16,
    Datatype.INT8: TensorProto.INT8,
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
    """Build the ONNX file. A table inside it is quantized; onnxruntime converts it to float32 once, on loading."""
    spec = graph_spec(table)
    outside = is_outside(table)
    builder = GraphBuilder()
    builder.constants |= {
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "tiny": np.array(np.finfo(np.float32).tiny),
    }
    if table.column_scales is not None:
        builder.constants[_COLUMNS] = table.column_scales
    if not outside:
        builder.constants[TABLE] = np.asarray(table.codes)
        if table.row_scales is not None:
            builder.constants[SCALES] = np.asarray(table.row_scales)
    scales = {_COLUMNS: table.column_scales, SCALES: table.row_scales}
    factors = [name for name, values in scales.items() if values is not None]
    gathered = _gather_outside(builder, factors) if outside else _gather_inside(builder, factors)
    _embed(builder, gathered)
    _search_if_requested(builder, search=_search(outside, factors), no_search=_no_search())
    return builder.model(
        "word_vectors", [_info(entry) for entry in spec.inputs], [_info(entry) for entry in spec.outputs]
    )


def _gather_inside(builder: GraphBuilder, factors: list[str]) -> str:
    """Gather rows [N, M, D] of the float32 table, which onnxruntime computes by constant folding on loading."""
    rows = "codes" if factors else "rows"
    builder.add("Cast", TABLE, out=rows, to=TensorProto.FLOAT)
    for factor in factors:
        rows = builder.add("Mul", rows, factor, out="rows" if factor == factors[-1] else f"rows_by_{factor}")
    return builder.add("Gather", rows, IDS, out="gathered")


def _gather_outside(builder: GraphBuilder, factors: list[str]) -> str:
    """Gather rows [N, M, D] before their conversion to float32, so that only these are read from the file."""
    gathered = builder.add("Gather", TABLE, IDS, out="gathered_codes")
    gathered = builder.add("Cast", gathered, out="gathered", to=TensorProto.FLOAT)
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
        if _COLUMNS in factors:
            query = builder.add("Mul", EMBEDDINGS, _COLUMNS, out="scaled_query")
    scores = builder.add("Gemm", query, "rows", out="products", transB=1)
    if outside and SCALES in factors:
        builder.add("Transpose", SCALES, out="scales_1V")
        scores = builder.add("Mul", scores, "scales_1V", out="cosines")
    builder.nodes.append(helper.make_node("TopK", [scores, "count"], ["best_scores", "best_indices"], axis=1))
    return helper.make_graph(builder.nodes, "search", [], _branch_outputs("best_scores", "best_indices"))


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
