"""Quantization of the table, and look-up, weighted sums and search by the graph."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from service.bundle.manifest import Datatype
from service.runtime.session import OnnxSession
from service.tasks.word_vectors.vector_table import GraphTable, MappedTable
from service.tasks.word_vectors.vector_table import Table as VectorTable
from tests.support.vectors import generate_vectors
from training.common.errors import ExportError
from training.common.vectors import Block, WordVectors
from training.word2vec.export.graph import build_graph, graph_spec
from training.word2vec.export.quantized_table import Precision, Table, build_table, choose_column_scales, principal_axes
from training.word2vec.export.staging import StagedVectors, stage_vectors

pytestmark = pytest.mark.torch

PRECISIONS: tuple[Precision, ...] = ("int8", "fp16", "fp32")
ROWS, SIZE = 300, 16


def staged_vectors(vectors: WordVectors, folder: Path, **settings: Any) -> StagedVectors:
    """Stage the vectors in two blocks."""
    half = len(vectors) // 2
    blocks = [Block(words=vectors.words[part], rows=vectors.matrix[part]) for part in (slice(half), slice(half, None))]
    defaults = {"normalizer": "none", "max_words": None}
    return stage_vectors(blocks, folder, dimensions=vectors.dimensions, **(defaults | settings))


def small_table(folder: Path, precision: Precision, dimensions: int = SIZE) -> Table:
    staged = staged_vectors(generate_vectors(ROWS, SIZE), folder)
    return build_table(staged, principal_axes(staged, dimensions), precision, folder)


def outside_inputs(table: Table, outside: bool) -> dict[str, NDArray[Any]]:
    """The inputs of the graph for a table outside it."""
    inputs = {"table": table.codes, "scales": table.row_scales} if outside else {}
    return {name: array for name, array in inputs.items() if array is not None}


def open_served(table: Table, outside: bool, folder: Path) -> tuple[OnnxSession, VectorTable]:
    """The graph as the server opens it, and the table with its search."""
    path = folder / "model.onnx"
    path.write_bytes(build_graph(table))
    session = OnnxSession(path, graph_spec(table), providers=("cpu",))
    return session, (
        MappedTable(session, table.codes, table.row_scales) if outside else GraphTable(session, len(table), SIZE)
    )


@pytest.fixture(params=[False, True], ids=["inside", "outside"])
def outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the table is outside the graph."""
    if request.param:
        monkeypatch.setattr("training.word2vec.export.graph.MAX_INSIDE_BYTES", 100)
        monkeypatch.setattr("service.tasks.word_vectors.vector_table._BLOCK_ROWS", 77)
        monkeypatch.setattr("service.tasks.word_vectors.vector_table._BLOCK_SCORES", 0)
    return bool(request.param)


@pytest.mark.parametrize(("precision", "tolerance"), [("int8", 0.02), ("fp16", 1e-3), ("fp32", 1e-6)])
def test_rows_have_norm_1_and_keep_their_cosines(precision: Precision, tolerance: float, tmp_path: Path) -> None:
    rows = small_table(tmp_path, precision).rows(slice(None))
    unit = generate_vectors(ROWS, SIZE).unit()
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=3e-7)
    np.testing.assert_allclose(rows @ rows.T, unit @ unit.T, atol=tolerance)


def test_axes_are_ordered_and_can_be_truncated(tmp_path: Path) -> None:
    staged = staged_vectors(generate_vectors(ROWS, SIZE), tmp_path)
    unit = generate_vectors(ROWS, SIZE).unit()
    singular = np.linalg.svd(unit, compute_uv=False)
    axes = principal_axes(staged, SIZE)
    np.testing.assert_allclose(axes.deviations, singular / np.sqrt(ROWS), rtol=1e-4)
    assert axes.share == pytest.approx(1)
    assert (axes.vectors[np.abs(axes.vectors).argmax(0), np.arange(SIZE)] > 0).all()
    truncated = principal_axes(staged, 5)
    np.testing.assert_array_equal(truncated.vectors, axes.vectors[:, :5])
    assert truncated.share == pytest.approx((singular[:5] ** 2).sum() / (singular**2).sum(), rel=1e-4)
    rows = build_table(staged, truncated, "fp32", tmp_path).rows(slice(None))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_the_mean_and_leading_axes_can_be_removed(tmp_path: Path) -> None:
    unit = generate_vectors(ROWS, SIZE).unit().astype(np.float64)
    centered = unit - unit.mean(0)
    singular, axes = np.linalg.svd(centered, full_matrices=False)[1:]
    expected = centered @ axes[2:].T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    staged = staged_vectors(generate_vectors(ROWS, SIZE), tmp_path)
    axes = principal_axes(staged, SIZE - 2, remove=2)
    assert axes.share == pytest.approx(1)
    np.testing.assert_allclose(axes.deviations, singular[2:] / np.sqrt(ROWS), rtol=1e-4)
    rows = build_table(staged, axes, "fp32", tmp_path).rows(slice(None))
    np.testing.assert_allclose(rows @ rows.T, expected @ expected.T, atol=1e-4)


def test_a_vector_orthogonal_to_the_kept_axes_is_named(tmp_path: Path) -> None:
    matrix = np.array([[1, 0, 0], [1, 0.1, 0], [0, 0, 0.5]], np.float32)
    staged = staged_vectors(WordVectors(words=["a", "b", "alone"], matrix=matrix), tmp_path)
    with pytest.raises(ExportError, match="nothing of the vector of 'alone' lies along the axes that are kept"):
        build_table(staged, principal_axes(staged, 1), "fp32", tmp_path)


def test_columns_are_scaled_if_that_reduces_the_error() -> None:
    random = np.random.default_rng(0)
    for leading in (12.0, 1.0):
        deviations = np.array([leading, *[1.0] * 63], np.float32)
        rows = random.normal(size=(500, 64)).astype(np.float32)
        rows[:, 0] = leading
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        columns = choose_column_scales(rows, deviations)
        assert columns.shape == (1, 64)
        assert (columns[0, 0] > columns[0, 1]) == (leading > 1)


def test_axes_orthogonal_to_all_vectors(tmp_path: Path) -> None:
    vectors = WordVectors(words=["a", "b"], matrix=np.eye(2, 5, dtype=np.float32) * 3)
    staged = staged_vectors(vectors, tmp_path)
    table = build_table(staged, principal_axes(staged, 5), "int8", tmp_path)
    np.testing.assert_allclose(table.rows(slice(None)) @ table.rows(slice(None)).T, np.eye(2), atol=1e-6)


def test_very_large_and_very_small_vectors_are_normalized(tmp_path: Path) -> None:
    matrix = np.array([[3e38, 3e38], [1e-38, 0], [-1e-44, 0]], np.float32)
    staged = staged_vectors(WordVectors(words=["a", "b", "c"], matrix=matrix), tmp_path)
    np.testing.assert_allclose(next(staged.blocks(9)), [[0.5**0.5, 0.5**0.5], [1, 0], [-1, 0]], rtol=1e-6)


@pytest.mark.parametrize("number", [0, np.nan, np.inf])
def test_a_zero_or_infinite_vector_is_named(number: float, tmp_path: Path) -> None:
    vectors = generate_vectors(20, 4)
    vectors.matrix[7] = number
    with pytest.raises(ExportError, match=f"the vector of '{vectors.words[7]}' is zero or not finite"):
        staged_vectors(vectors, tmp_path)


def test_of_words_that_become_equal_the_first_is_kept(tmp_path: Path) -> None:
    words = ["The", "Paris", "the", "cafe\u0301", "caf\u00e9", "\N{NO-BREAK SPACE}", "paris", "new york", "end"]
    vectors = WordVectors(words=words, matrix=np.eye(9, dtype=np.float32))
    lower = staged_vectors(vectors, tmp_path, normalizer="lower")
    assert lower.words == ["the", "paris", "caf\u00e9", "new_york", "end"]
    assert lower.rows(np.arange(5)).argmax(1).tolist() == lower.source_rows.tolist() == [0, 1, 3, 7, 8]
    np.testing.assert_array_equal(np.concatenate(list(lower.blocks(2))), lower.rows(np.arange(5)))
    assert lower.dropped == 4
    first = staged_vectors(vectors, tmp_path, normalizer="lower", max_words=3)
    assert (first.words, first.dropped) == (["the", "paris", "caf\u00e9"], 1)
    cased = staged_vectors(vectors, tmp_path)
    assert cased.words == ["The", "Paris", "the", "caf\u00e9", "paris", "new_york", "end"]
    with pytest.raises(ExportError, match="no word to export"):
        staged_vectors(WordVectors(words=["\N{NO-BREAK SPACE}"], matrix=np.ones((1, 2), np.float32)), tmp_path)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_graph_computes_the_documented_formulas(precision: Precision, outside: bool, tmp_path: Path) -> None:
    table = small_table(tmp_path, precision)
    rows = table.rows(slice(None))
    session, served = open_served(table, outside, tmp_path)
    random = np.random.default_rng(1)
    ids = random.integers(ROWS, size=(9, 4))
    weights = random.normal(size=(9, 4)).astype(np.float32)
    expected = np.einsum("nm,nmd->nd", weights, rows[ids])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    def embed(ids: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        feeds = {"ids": ids, "weights": weights, "vectors": np.zeros((len(ids), SIZE), np.float32)}
        feeds |= {"k": np.zeros(len(ids), np.int64)} | outside_inputs(table, outside)
        embeddings: NDArray[np.float32] = session.run(feeds)["embeddings"]
        return embeddings

    embeddings = embed(ids, weights)
    np.testing.assert_allclose(embeddings, expected, atol=2e-6)
    np.testing.assert_allclose(served.rows(ids[:, 0]), rows[ids[:, 0]], atol=2e-6)
    scores, indices = served.search(embeddings, 5)
    scores_of_all = embeddings @ rows.T
    np.testing.assert_array_equal(indices, np.argsort(-scores_of_all, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(scores, -np.sort(-scores_of_all, axis=1)[:, :5], atol=2e-6)
    alone = np.concatenate([embed(ids[row : row + 1], weights[row : row + 1]) for row in range(9)])
    np.testing.assert_allclose(alone, embeddings, atol=1e-6)
    padded = embed(np.pad(ids, ((0, 0), (0, 3))), np.pad(weights, ((0, 0), (0, 3))))
    np.testing.assert_allclose(padded, embeddings, atol=1e-6)


def test_vectors_are_added_and_empty_sums_give_zero(outside: bool, tmp_path: Path) -> None:
    table = small_table(tmp_path, "int8")
    session, _ = open_served(table, outside, tmp_path)
    vectors = generate_vectors(3, SIZE).matrix
    feeds = {
        "ids": np.array([[0], [1], [2]]),
        "weights": np.array([[0], [2.5], [0]], np.float32),
        "vectors": vectors * np.array([[1], [1], [0]], np.float32),
        "k": np.array([1, 0, 1000]),
    }
    feeds |= outside_inputs(table, outside)
    embeddings, scores, indices = session.run(feeds).values()
    expected = vectors + np.array([[0], [2.5], [0]]) * table.rows(slice(3))
    np.testing.assert_allclose(embeddings[:2], expected[:2] / np.linalg.norm(expected[:2], axis=1)[:, None], atol=2e-6)
    assert (embeddings[2] == 0).all()
    assert (scores[2] == 0).all()
    assert scores.shape == indices.shape == (3, ROWS)
    feeds |= {"k": np.zeros(3, np.int64), "ids": np.zeros((3, 0), np.int64), "weights": np.zeros((3, 0), np.float32)}
    embeddings, scores, indices = session.run(feeds).values()
    assert scores.shape == indices.shape == (3, 0)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), [1, 1, 0], atol=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_manifest_describes_the_graph(precision: Precision, outside: bool, tmp_path: Path) -> None:
    table = small_table(tmp_path, precision)
    session = onnxruntime.InferenceSession(build_graph(table), providers=["CPUExecutionProvider"])
    spec = graph_spec(table)
    types = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(uint8)": "UINT8", "tensor(int64)": "INT64"}
    for specs, nodes in ((spec.inputs, session.get_inputs()), (spec.outputs, session.get_outputs())):
        shapes = [tuple(size if isinstance(size, int) else -1 for size in node.shape) for node in nodes]
        assert [(entry.name, entry.datatype, entry.shape) for entry in specs] == [
            (node.name, types[node.type], shape) for node, shape in zip(nodes, shapes, strict=True)
        ]
    names = [entry.name for entry in spec.inputs]
    assert names[4:] == (["table", "scales"][: 1 if precision == "fp32" else 2] if outside else [])
    assert spec.outputs[0].datatype is Datatype.FP32


def _optimized(content: bytes, folder: Path) -> onnx.GraphProto:
    """The graph that onnxruntime makes of a file on loading it."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx").graph


def _search_nodes(graph: onnx.GraphProto) -> list[str]:
    (branch,) = (node for node in graph.node if node.op_type == "If")
    search = next(attribute.g for attribute in branch.attribute if attribute.name == "then_branch")
    return [node.op_type for node in search.node]


def test_a_table_of_bytes_inside_the_graph_stays_one(tmp_path: Path) -> None:
    content = build_graph(small_table(tmp_path, "int8"))
    assert len(content) < ROWS * (SIZE + 4) + 6000
    graph = _optimized(content, tmp_path)
    sizes = {tuple(tensor.dims): tensor.data_type for tensor in graph.initializer}
    assert sizes[ROWS, SIZE] == onnx.TensorProto.UINT8
    assert "MatMulInteger" in _search_nodes(graph)


def test_a_table_of_float16_inside_the_graph_is_converted_on_loading(tmp_path: Path) -> None:
    graph = _optimized(build_graph(small_table(tmp_path, "fp16")), tmp_path)
    sizes = {tuple(tensor.dims): tensor.data_type for tensor in graph.initializer}
    assert sizes[ROWS, SIZE] == onnx.TensorProto.FLOAT
    assert _search_nodes(graph) == ["Gemm", "TopK"]
    assert "Cast" not in {node.op_type for node in graph.node}


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_integer_products_are_as_exact_as_float32(scale: float, outside: bool, tmp_path: Path) -> None:
    """Queries whose components differ by orders of magnitude, and whose digits are the largest."""
    table = small_table(tmp_path, "int8")
    session, _ = open_served(table, outside, tmp_path)
    queries = np.random.default_rng(3).normal(size=(7, SIZE)) ** 3
    queries[0] = 1
    queries[1] = -1
    queries[2] = 10.0 ** -np.arange(SIZE)
    queries = (queries * scale).astype(np.float32)
    feeds = {"ids": np.zeros((7, 0), np.int64), "weights": np.zeros((7, 0), np.float32), "vectors": queries}
    feeds |= {"k": np.full(7, ROWS)} | outside_inputs(table, outside)
    embeddings, scores, indices = session.run(feeds).values()
    exact = embeddings.astype(np.float64) @ table.rows(slice(None)).astype(np.float64).T
    np.testing.assert_allclose(scores, np.take_along_axis(exact, indices, axis=1), atol=1e-6)
