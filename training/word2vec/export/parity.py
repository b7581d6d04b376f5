"""The graph that ships held against plain numpy on the vectors before they were put into few bits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.common.errors import ExportError
from training.word2vec.export.lookup import Lookup
from training.word2vec.export.quantized_table import Axes, Precision, project, rotated
from training.word2vec.export.staging import Staged

NEIGHBOURS = 10
_QUERIES = 1000
_BLOCK = 2048
"""Rows that are compared with all queries at a time: few, for the scores of all pairs are in memory."""

_LIMITS: dict[Precision, float] = {"int8": 0.03, "fp16": 2e-3, "fp32": 1e-5}
"""The greatest difference of a score that is let through."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parity:
    """How the graph's nearest words differ from those in float32, for words from all over the vocabulary."""

    queries: NDArray[np.int64]
    """[N]: rows."""
    neighbours: NDArray[np.int64]
    """[N, up to 10]: the graph's, the word itself left out, best first."""
    greatest_difference: float
    """Of a score among them to the cosine in float32."""
    overlap: float
    """The share of the ten nearest words in float32 that the graph finds too."""


def check_parity(lookup: Lookup, staged: Staged, axes: Axes, precision: Precision) -> Parity:
    """Compare up to 1,000 words' ten nearest.

    Raises:
        ExportError: a score differs by more than the precision explains.
    """
    rows = len(staged.words)
    queries = np.unique(np.linspace(0, rows - 1, min(_QUERIES, rows)).astype(np.int64))
    embeddings = lookup.embed(queries[:, None], np.ones((len(queries), 1), np.float32))
    scores, neighbours = without_self(*lookup.nearest(embeddings, NEIGHBOURS + 1), queries)
    true_embeddings = project(staged.rows(queries), axes)
    true_scores = np.stack(
        [project(staged.rows(near), axes) @ query for near, query in zip(neighbours, true_embeddings, strict=True)]
    )
    difference = float(np.abs(scores - true_scores).max(initial=0))
    if not difference <= _LIMITS[precision]:
        advice = "choose a higher precision" if precision != "fp32" else "check the version of onnxruntime"
        raise ExportError(
            f"the ONNX graph's scores differ from float32 by up to {difference:.2g} "
            f"(limit for {precision}: {_LIMITS[precision]:g}); nothing was written; {advice}"
        )
    true_neighbours = _nearest(staged, axes, true_embeddings, queries)
    return Parity(
        queries=queries,
        neighbours=neighbours,
        greatest_difference=difference,
        overlap=overlap(true_neighbours, neighbours),
    )


def without_self(
    scores: NDArray[np.float32], indices: NDArray[np.int64], queries: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Each row's neighbours [N, K] without the query itself, [N, K - 1]; the last where it is not among them."""
    kept = indices != queries[:, None]
    kept[kept.all(axis=1), -1] = False
    shape = (len(indices), indices.shape[1] - 1)
    return scores[kept].reshape(shape), indices[kept].reshape(shape)


def overlap(expected: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """The share of the entries of each row of `expected` [N, K] that stand in the same row of `found`; 1 for K = 0."""
    if not expected.size:
        return 1.0
    return float((expected[:, :, None] == found[:, None, :]).any(axis=2).mean())


def _nearest(
    staged: Staged, axes: Axes, embeddings: NDArray[np.float32], queries: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The ten nearest rows to each query [N, up to 10], itself left out, in no order; a block of the rows at a time."""
    k = min(NEIGHBOURS, len(staged.words) - 1)
    scores = np.zeros((len(queries), 0), np.float32)
    indices = np.zeros((len(queries), 0), np.int64)
    for start, rows in rotated(staged, axes, _BLOCK):
        numbers = np.arange(start, start + len(rows))
        more = embeddings @ rows.T
        more[numbers == queries[:, None]] = -np.inf
        scores = np.concatenate([scores, more], axis=1)
        indices = np.concatenate([indices, np.broadcast_to(numbers, more.shape)], axis=1)
        best = np.argpartition(-scores, min(k, scores.shape[1] - 1), axis=1)[:, :k]
        scores = np.take_along_axis(scores, best, axis=1)
        indices = np.take_along_axis(indices, best, axis=1)
    return indices
