"""Comparison of the search that is served with plain numpy on the vectors before they were quantized."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.tasks.base import Predictor
from service.tasks.word_vectors import WordVectorsPredictor
from service.tasks.word_vectors.preprocessing import IDS, K
from service.tasks.word_vectors.request import NEIGHBORS
from training.common.errors import ExportError
from training.common.vectors import SubwordVectors
from training.word2vec.export.quantized_table import Axes, Precision, project, projected_blocks
from training.word2vec.export.staging import StagedVectors

TOP_K = 10
"""Neighbors that are compared."""

_QUERIES = 1000
_BLOCK = 2048
"""Rows that are compared with all queries at a time; small, as the scores of all pairs are in memory."""

_MAX_DIFFERENCE: dict[Precision, float] = {"int8": 0.03, "fp16": 2e-3, "fp32": 1e-5}
"""The largest difference of a score that is accepted."""
_MAX_COMPOSED_DIFFERENCE: dict[Precision, float] = {"int8": 0.05, "fp16": 5e-3, "fp32": 5e-3}
"""The same of a vector that is composed of n-grams."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parity:
    """How the nearest neighbors of words from all over the vocabulary differ from those in float32."""

    queries: NDArray[np.int64]
    """[N], rows of the words."""
    neighbors: NDArray[np.int64]
    """[N, up to 10], rows of the neighbors by the served exact search, the word itself excluded, best first."""
    greatest_difference: float
    """Largest difference of a neighbor's score from its cosine in float32."""
    overlap: float
    """Share of the ten nearest neighbors in float32 that the served search finds too."""
    composed_difference: float | None = None
    """The longest difference of a unit vector composed of n-grams from that in float32; None without n-grams."""


def check_parity(predictor: Predictor[Any], staged: StagedVectors, axes: Axes, precision: Precision) -> Parity:
    """Compare the ten nearest neighbors of up to 1,000 words with those in float32.

    Args:
        predictor: searches exactly.
        staged: the vectors before quantization.
        axes: the principal axes of the bundle.
        precision: precision of the table.

    Raises:
        ExportError: a score differs by more than the precision explains.
    """
    rows = len(staged.words)
    queries = np.unique(np.linspace(0, rows - 1, min(_QUERIES, rows)).astype(np.int64))
    scores, neighbors = without_self(*nearest_rows(predictor, queries, TOP_K + 1), queries)
    vectors = project(staged.rows(queries), axes)
    true_scores = np.stack(
        [project(staged.rows(nearest), axes) @ vector for nearest, vector in zip(neighbors, vectors, strict=True)]
    )
    difference = float(np.abs(scores - true_scores).max(initial=0))
    if not difference <= _MAX_DIFFERENCE[precision]:
        advice = "choose a higher precision" if precision != "fp32" else "check the version of onnxruntime"
        raise ExportError(
            f"the ONNX graph's scores differ from float32 by up to {difference:.2g} "
            f"(limit for {precision}: {_MAX_DIFFERENCE[precision]:g}); nothing was written; {advice}"
        )
    return Parity(
        queries=queries,
        neighbors=neighbors,
        greatest_difference=difference,
        overlap=overlap(_true_neighbors(staged, axes, vectors, queries), neighbors),
    )


def check_composed(
    predictor: WordVectorsPredictor, staged: StagedVectors, subwords: SubwordVectors, axes: Axes, precision: Precision
) -> float:
    """Compose up to 1,000 words of n-grams alone, as if they were unknown, and compare them with float32.

    Args:
        predictor: composes words.
        staged: has the words.
        subwords: the vectors of the n-grams before quantization.
        axes: the principal axes of the bundle.
        precision: precision of the table.

    Returns:
        The longest difference of two unit vectors, which no score differs by more than.

    Raises:
        ExportError: it is larger than the precision explains.
    """
    indices = np.unique(np.linspace(0, len(staged.words) - 1, min(_QUERIES, len(staged.words))).astype(np.int64))
    longest = 0.0
    for word in (staged.words[index] for index in indices.tolist()):
        served, exact = predictor.lookup.compose(word), subwords.compose(word)
        if served is not None and exact is not None:
            longest = max(longest, float(np.linalg.norm(served - project(exact[None], axes)[0])))
    limit = _MAX_COMPOSED_DIFFERENCE[precision]
    if not longest <= limit:
        raise ExportError(
            f"words composed of n-grams differ from float32 by up to {longest:.2g} (limit for {precision}: {limit:g}); "
            "nothing was written; choose a higher precision, or leave the n-grams out with --words-only"
        )
    return longest


def nearest_rows(
    predictor: Predictor[Any], queries: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The scores and rows [N, min(k, V)] of the nearest rows to each of N rows, themselves included, best first."""
    results = predictor.infer({IDS: queries, K: np.full(len(queries), k, np.int64)})[NEIGHBORS].tolist()
    return np.stack([scores for scores, _ in results]), np.stack([rows for _, rows in results])


def without_self(
    scores: NDArray[np.float32], rows: NDArray[np.int64], queries: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Remove each query from its neighbors [N, K], or the last neighbor where it is not among them: [N, K - 1]."""
    kept = rows != queries[:, None]
    kept[kept.all(axis=1), -1] = False
    shape = (len(rows), rows.shape[1] - 1)
    return scores[kept].reshape(shape), rows[kept].reshape(shape)


def overlap(expected: NDArray[np.int64], actual: NDArray[np.int64]) -> float:
    """The share of the entries of `expected` [N, K] that are in the same row of `actual`; 1 for K = 0."""
    if not expected.size:
        return 1.0
    return float((expected[:, :, None] == actual[:, None, :]).any(axis=2).mean())


def _true_neighbors(
    staged: StagedVectors, axes: Axes, vectors: NDArray[np.float32], queries: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The ten nearest rows of each query by numpy in float32, itself excluded, unordered: [N, up to 10].

    The rows are read block by block.
    """
    k = min(TOP_K, len(staged.words) - 1)
    scores = np.zeros((len(queries), 0), np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    for start, block in projected_blocks(staged, axes, _BLOCK):
        block_rows = np.arange(start, start + len(block))
        block_scores = vectors @ block.T
        block_scores[block_rows == queries[:, None]] = -np.inf
        scores = np.concatenate([scores, block_scores], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(block_rows, block_scores.shape)], axis=1)
        best = np.argpartition(-scores, min(k, scores.shape[1] - 1), axis=1)[:, :k]
        scores = np.take_along_axis(scores, best, axis=1)
        rows = np.take_along_axis(rows, best, axis=1)
    return rows
