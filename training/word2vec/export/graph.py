"""The ONNX graph of a bundle of word vectors: look-up, weighted sum, normalisation, nearest rows.

query[n] = vectors[n] + sum over m of weights[n, m] * row(ids[n, m])
embeddings[n] = query[n] / max(|query[n]|, tiny)
scores, indices = the K largest of embeddings @ rows^T, K = min(largest k, rows); nothing is searched where K is 0

A row is `table[i] * columns * scales[i]`; the columns are constants of the graph (see `Table`).
"""

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
LARGEST_INSIDE = 64 << 20
"""Bytes. A larger table is a file beside the graph, memory-mapped, and an input of the graph."""

_COLUMNS = "columns"
_DATATYPES = {"int8": Datatype.INT8, "float16": Datatype.FP16, "float32": Datatype.FP32}
_ELEMENTS = {
    Datatype.INT64: TensorProto.INT64,
    Datatype.FP32: TensorProto.FLOAT,
    Datatype.FP16: TensorProto.FLOAT16,
    Datatype.INT8: TensorProto.INT8,
}


def is_outside(table: Table) -> bool:
    """Whether the table is too large to lie in the graph."""
    return bool(table.codes.nbytes > LARGEST_INSIDE)


def check_size(rows: int, dimensions: int, precision: Precision) -> None:
    """Refuse a table of float32 that is too large to lie in the graph.

    Raises:
        ConfigError: with its size.
    """
    size = rows * dimensions * np.dtype(np.float32).itemsize
    if precision == "fp32" and size > LARGEST_INSIDE:
        raise ConfigError(f"--precision fp32: a table of {size >> 20} MiB is too large for it; choose fp16 or int8")


def graph_spec(table: Table) -> Graph:
    """What goes in and out, as the manifest says it."""
    size = table.dimensions
    inputs = [
        TensorSpec(name=IDS, datatype=Datatype.INT64, shape=(-1, -1)),
        TensorSpec(name=WEIGHTS, datatype=Datatype.FP32, shape=(-1, -1)),
        TensorSpec(name=VECTORS, datatype=Datatype.FP32, shape=(-1, size)),
        TensorSpec(name=K, datatype=Datatype.INT64, shape=(-1,)),
    ]
    if is_outside(table):
        inputs.append(TensorSpec(name=TABLE, datatype=_DATATYPES[table.codes.dtype.name], shape=(-1, size)))
        if table.scales is not None:
            inputs.append(TensorSpec(name=SCALES, datatype=Datatype.FP32, shape=(-1, 1)))
    outputs = (
        TensorSpec(name=EMBEDDINGS, datatype=Datatype.FP32, shape=(-1, size)),
        TensorSpec(name=SCORES, datatype=Datatype.FP32, shape=(-1, -1)),
        TensorSpec(name=INDICES, datatype=Datatype.INT64, shape=(-1, -1)),
    )
    return Graph(file=GRAPH_FILE, inputs=tuple(inputs), outputs=outputs)


def build_graph(table: Table) -> bytes:
    """The ONNX file. A small table lies in it as it is; onnxruntime turns it into float32 once, when it loads."""
    spec = graph_spec(table)
    outside = is_outside(table)
    parts = GraphBuilder()
    parts.constants |= {
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "tiny": np.array(np.finfo(np.float32).tiny),
    }
    if table.columns is not None:
        parts.constants[_COLUMNS] = table.columns
    if not outside:
        parts.constants[TABLE] = np.asarray(table.codes)
        if table.scales is not None:
            parts.constants[SCALES] = np.asarray(table.scales)
    factors = [name for name in (_COLUMNS, SCALES) if getattr(table, name) is not None]
    gathered = _gather_outside(parts, factors) if outside else _gather_inside(parts, factors)
    _embed(parts, gathered)
    _if_wanted(parts, then=_search(outside, factors), otherwise=_no_search())
    return parts.model(
        "word_vectors", [_info(entry) for entry in spec.inputs], [_info(entry) for entry in spec.outputs]
    )


def _gather_inside(parts: GraphBuilder, factors: list[str]) -> str:
    """All rows as float32, a constant that is folded on loading; then those asked for, [N, M, D]."""
    rows = "codes" if factors else "rows"
    parts.add("Cast", TABLE, out=rows, to=TensorProto.FLOAT)
    for factor in factors:
        rows = parts.add("Mul", rows, factor, out="rows" if factor == factors[-1] else f"rows_by_{factor}")
    return parts.add("Gather", rows, IDS, out="gathered")


def _gather_outside(parts: GraphBuilder, factors: list[str]) -> str:
    """Only the rows asked for are read from the mapped file: gathered first, converted then."""
    gathered = parts.add("Gather", TABLE, IDS, out="gathered_codes")
    gathered = parts.add("Cast", gathered, out="gathered", to=TensorProto.FLOAT)
    for factor in factors:
        by = parts.add("Gather", SCALES, IDS, out="gathered_scales") if factor == SCALES else factor
        gathered = parts.add("Mul", gathered, by, out=f"gathered_by_{factor}")
    return gathered


def _embed(parts: GraphBuilder, gathered: str) -> None:
    parts.add("Unsqueeze", WEIGHTS, "one", out="weights_N1M")
    parts.add("MatMul", "weights_N1M", gathered, out="sum_N1D")
    parts.add("Squeeze", "sum_N1D", "one", out="sum")
    parts.add("Add", VECTORS, "sum", out="query")
    parts.add("ReduceL2", "query", "one", out="norm", keepdims=1)
    parts.add("Max", "norm", "tiny", out="safe_norm")
    parts.add("Div", "query", "safe_norm", out=EMBEDDINGS)


def _if_wanted(parts: GraphBuilder, *, then: GraphProto, otherwise: GraphProto) -> None:
    """Search only where K, the number of neighbours, is above 0."""
    parts.add("Shape", TABLE, out="rows_count", start=0, end=1)
    parts.add("ReduceMax", K, out="largest_k", keepdims=1)
    parts.add("Min", "largest_k", "rows_count", out="count")
    parts.add("Greater", "count", "zero", out="wanted_1")
    parts.add("Squeeze", "wanted_1", out="wanted")
    parts.nodes.append(helper.make_node("If", ["wanted"], [SCORES, INDICES], then_branch=then, else_branch=otherwise))


def _search(outside: bool, factors: list[str]) -> GraphProto:
    parts, query = GraphBuilder(), EMBEDDINGS
    if outside:
        # Scaling the queries [N, D] and the scores [N, rows] is cheaper than scaling the rows [rows, D].
        parts.add("Cast", TABLE, out="rows", to=TensorProto.FLOAT)
        if _COLUMNS in factors:
            query = parts.add("Mul", EMBEDDINGS, _COLUMNS, out="scaled_query")
    found = parts.add("Gemm", query, "rows", out="products", transB=1)
    if outside and SCALES in factors:
        parts.add("Transpose", SCALES, out="scales_1V")
        found = parts.add("Mul", found, "scales_1V", out="cosines")
    parts.nodes.append(helper.make_node("TopK", [found, "count"], ["found_scores", "found_indices"], axis=1))
    return helper.make_graph(parts.nodes, "search", [], _found("found_scores", "found_indices"))


def _no_search() -> GraphProto:
    parts = GraphBuilder()
    parts.add("Shape", EMBEDDINGS, out="batch", start=0, end=1)
    parts.add("Concat", "batch", "zero", out="empty", axis=0)
    parts.add("ConstantOfShape", "empty", out="no_scores", value=helper.make_tensor("0", TensorProto.FLOAT, [1], [0]))
    parts.add("ConstantOfShape", "empty", out="no_indices", value=helper.make_tensor("0", TensorProto.INT64, [1], [0]))
    return helper.make_graph(parts.nodes, "no_search", [], _found("no_scores", "no_indices"))


def _found(scores: str, indices: str) -> list[ValueInfoProto]:
    return [
        helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["batch", "neighbours"]),
        helper.make_tensor_value_info(indices, TensorProto.INT64, ["batch", "neighbours"]),
    ]


_AXES = {
    IDS: ("batch", "terms"),
    WEIGHTS: ("batch", "terms"),
    VECTORS: ("batch",),
    K: ("batch",),
    TABLE: ("rows",),
    SCALES: ("rows",),
    EMBEDDINGS: ("batch",),
    SCORES: ("batch", "neighbours"),
    INDICES: ("batch", "neighbours"),
}
"""Names of the axes whose size varies."""


def _info(spec: TensorSpec) -> ValueInfoProto:
    names = iter(_AXES[spec.name])
    shape = [next(names) if size < 0 else size for size in spec.shape]
    return helper.make_tensor_value_info(spec.name, _ELEMENTS[spec.datatype], shape)
