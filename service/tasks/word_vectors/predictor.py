"""The predictor of word vectors: all look-ups and searches go through the graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, JsonValue

from service.bundle.checks import load_array, read_preprocessing, require_graphs, require_tensors
from service.bundle.files import Bundle
from service.bundle.manifest import Datatype, Graph
from service.errors import ModelFailure
from service.limits import Limits
from service.runtime import ann
from service.runtime.session import OpenSession, Tensors
from service.tasks.base import Predictor
from service.tasks.scheduling import RUN, Scheduling, Work
from service.tasks.tensors import object_array
from service.tasks.word_vectors.embeddings import EmbeddingsRequest
from service.tasks.word_vectors.lookup import Lookup
from service.tasks.word_vectors.neighbors import analogy_request, neighbors_request
from service.tasks.word_vectors.odd_one_out import OddOneOutRequest
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
    WordVectorsPreprocessing,
)
from service.tasks.word_vectors.projection import ProjectionRequest
from service.tasks.word_vectors.request import (
    EMBEDDING_TEXTS,
    LOOKUP,
    NEIGHBORS,
    NEIGHBORS_PER_ROW,
    PROJECTION,
    REQUEST_WORDS,
    SEARCH_ROWS,
    WordsRequest,
)
from service.tasks.word_vectors.resolved_words import SUMS, WeightedSum
from service.tasks.word_vectors.schemas import (
    DEFAULT_K,
    AnalogyBody,
    EmbeddingsBody,
    NeighborsBody,
    OddOneOutBody,
    ProjectionBody,
    SimilarityBody,
)
from service.tasks.word_vectors.similarity import SimilarityRequest
from service.tasks.word_vectors.subwords import open_subwords
from service.tasks.word_vectors.tensors import COMPOSED, WordTensors, are_composed
from service.tasks.word_vectors.vector_table import GraphTable, IndexedTable, MappedTable, Table
from service.tasks.word_vectors.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_QUICK_ROWS = 512
"""A look-up of this many rows takes less than a millisecond."""
_QUICK_MAPPED_ROWS = 16
"""The same, of a table whose pages may still have to come from the disk."""
_ROWS_AT_ONCE = 8_192
"""Rows of the table that are in memory for the sums of a batch: 10 MB of 300 dimensions."""
_MIN_RELATIVE_NORM = 1e-6
"""A sum whose norm is below this times its largest weight is treated as zero: only rounding errors are left."""


class WordScheduling(Scheduling[WordsRequest]):
    """A row is a vector to look up or to search with; look-ups alone take microseconds.

    Args:
        budget: most rows of one run.
        lookup: finds the words of requests in the vocabulary.
        mapped: whether the table lies in a file, whose pages may still have to be read.
    """

    seconds_per_unit: ClassVar = {LOOKUP: 2e-6, PROJECTION: 5e-5, EMBEDDING_TEXTS: 1e-7}

    def __init__(self, budget: int, lookup: Lookup, *, mapped: bool) -> None:
        super().__init__(budget)
        self._lookup = lookup
        self._quick_rows = _QUICK_MAPPED_ROWS if mapped else _QUICK_ROWS

    def is_slow(self, request: WordsRequest) -> bool:
        return request.is_large(self._lookup)

    def work(self, request: WordsRequest) -> Work:
        return request.work()

    def row_work(self, tensors: Tensors) -> NDArray[np.float64]:
        if K in tensors:
            return 1 + tensors[K] / NEIGHBORS_PER_ROW
        return super().row_work(tensors)

    def run_work(self, tensors: Tensors) -> Work:
        work, searches = super().run_work(tensors), K in tensors
        overhead = SEARCH_ROWS if searches else REQUEST_WORDS
        return work._replace(kind=RUN if searches else LOOKUP, units=work.units + overhead, overhead=overhead)

    def is_quick(self, tensors: Tensors) -> bool:
        if K in tensors:
            return False
        rows = len(tensors[IDS]) if IDS in tensors else sum(len(entry.rows) for entry in tensors[SUMS])
        return rows <= self._quick_rows

    def warm_up(self) -> Tensors:
        return {IDS: np.zeros(1, np.int64), K: np.array([DEFAULT_K + 1], np.int64)}


class WordVectorsPredictor(Predictor[WordsRequest]):
    """One graph, `service.tasks.word_vectors.preprocessing` has its tensors, and a table inside or beside it."""

    routes: ClassVar[dict[str, type[BaseModel]]] = {
        "/v1/neighbors": NeighborsBody,
        "/v1/similarity": SimilarityBody,
        "/v1/analogy": AnalogyBody,
        "/v1/projection": ProjectionBody,
        "/v1/odd-one-out": OddOneOutBody,
        "/v1/embeddings": EmbeddingsBody,
    }
    limit_names = ("max_words", "max_neighbors", "max_total_neighbors", "max_inputs", "max_tokens")

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        super().__init__(bundle, open_session, limits)
        self._preprocessing = read_preprocessing(bundle, WordVectorsPreprocessing)
        dimensions = self._preprocessing.dimensions
        (graph,) = require_graphs(bundle)
        self._check_tensors(graph)
        self._session = next(iter(self.sessions.values()))
        vocabulary = Vocabulary(bundle.file(self._preprocessing.vocabulary))
        weights = load_array(bundle.file(self._preprocessing.word_weights), (len(vocabulary),), np.float32, mapped=True)
        subwords = open_subwords(bundle, self._preprocessing)
        self.lookup = Lookup(bundle.manifest.name, vocabulary, weights, self._preprocessing, limits, subwords)
        self._table = self._open_table(len(vocabulary))
        self.tensors = WordTensors(self.lookup, dimensions)
        self.scheduling = WordScheduling(
            limits.max_batch_size, self.lookup, mapped=self._preprocessing.table is not None
        )

    @property
    def details(self) -> dict[str, JsonValue]:
        preprocessing = self._preprocessing
        return {
            "words": len(self.lookup.vocabulary),
            "dimensions": preprocessing.dimensions,
            "normaliser": preprocessing.normalizer,
            "tokenizer": preprocessing.tokenizer,
            "phrases": preprocessing.phrases,
            "search": "approximate" if isinstance(self._table, IndexedTable) else "exact",
            **self._subword_details(),
        }

    def _subword_details(self) -> dict[str, JsonValue]:
        """What models with vectors of n-grams have besides."""
        subwords = self._preprocessing.subwords
        if subwords is None:
            return {}
        return {"subwords": subwords.model_dump(include={"min_ngram", "max_ngram", "buckets"})}

    def parse(self, body: Any) -> WordsRequest:
        match body:
            case NeighborsBody():
                return neighbors_request(body)
            case SimilarityBody():
                return SimilarityRequest(body)
            case AnalogyBody():
                return analogy_request(body)
            case ProjectionBody():
                return ProjectionRequest(body)
            case OddOneOutBody():
                return OddOneOutRequest(body)
            case EmbeddingsBody():
                return EmbeddingsRequest(body)
        raise TypeError(f"{type(body).__name__} is no body of this task")

    def preprocess(self, request: WordsRequest) -> Tensors:
        return request.prepare(self.lookup)

    def postprocess(self, request: WordsRequest, outputs: Tensors) -> dict[str, Any]:
        return request.finish(self.lookup, outputs)

    def infer(self, tensors: Tensors) -> Tensors:
        """Embed rows, vectors or sums and, where `k` is among the tensors, find the nearest rows to each."""
        embeddings = self._embed(tensors)
        # A mapped table is not read whole when it is opened, so its values are checked when they are used.
        if not np.isfinite(embeddings).all():
            raise ModelFailure("the model's vectors hold NaN or infinity")
        outputs: Tensors = {EMBEDDINGS: embeddings}
        if self.lookup.composes:
            outputs[COMPOSED] = are_composed(tensors, len(embeddings))
        if K in tensors:
            outputs[NEIGHBORS] = self._search(embeddings, tensors[K])
        return outputs

    def _embed(self, tensors: Tensors) -> NDArray[np.float32]:
        """Unit vectors [N, D]; zero where words cancel each other out."""
        if VECTORS in tensors:
            return tensors[VECTORS]
        if IDS in tensors:
            return self._table.rows(tensors[IDS])
        parts = [self._sums(some) for some in _groups(tensors[SUMS].tolist())]
        return np.concatenate(parts) if parts else np.empty((0, self._preprocessing.dimensions), np.float32)

    def _sums(self, sums: list[WeightedSum]) -> NDArray[np.float32]:
        """Weighted sums with norm 1, [n, D]; every row is fetched once, however many sums have it."""
        ids = np.concatenate([entry.rows for entry in sums])
        distinct, indices = np.unique(ids, return_inverse=True)
        vectors = self._table.rows(distinct)
        ends = np.cumsum([len(entry.rows) for entry in sums]).tolist()
        summed = np.empty((len(sums), vectors.shape[1]), np.float32)
        for index, (rows, weights, vector) in enumerate(sums):
            summed[index] = weights @ vectors[indices[ends[index] - len(rows) : ends[index]]]
            if vector is not None:
                summed[index] += vector
        norms = np.linalg.norm(summed, axis=1, keepdims=True)
        largest_weights = np.array([[_largest_part(entry)] for entry in sums])
        cancelled = norms <= _MIN_RELATIVE_NORM * largest_weights  # False for NaN, which `infer` reports
        unit: NDArray[np.float32] = np.where(cancelled, 0, summed / np.maximum(norms, np.finfo(np.float32).tiny))
        return unit.astype(np.float32)

    def _search(self, embeddings: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.object_]:
        if not len(embeddings):
            return object_array(())
        scores, rows = self._table.search(embeddings, int(counts.max()))
        return object_array(
            [(scores[index, :count], rows[index, :count]) for index, count in enumerate(counts.tolist())]
        )

    def _open_table(self, size: int) -> Table:
        preprocessing, bundle = self._preprocessing, self.bundle
        table: Table
        if preprocessing.table is None:
            table = GraphTable(self._session, size, preprocessing.dimensions)
        else:
            datatypes = {spec.name: spec.datatype for spec in self._session.graph.inputs}
            shape = (size, preprocessing.dimensions)
            rows = load_array(bundle.file(preprocessing.table), shape, datatypes[TABLE].numpy, mapped=True)
            scales = None
            if preprocessing.scales is not None:
                scales = load_array(bundle.file(preprocessing.scales), (size, 1), np.float32, mapped=True)
            table = MappedTable(self._session, rows, scales)
        if preprocessing.index is None:
            return table
        path = bundle.file(preprocessing.index.file)
        if not ann.is_installed():
            text = f"{path}: not used, as usearch is not installed: exact search answers, slowly; {ann.INSTALL}"
            log.warning(text)
            return table
        dimensions, expansion = preprocessing.dimensions, preprocessing.index.expansion
        return IndexedTable(table, ann.ApproximateIndex(path, rows=size, dimensions=dimensions, expansion=expansion))

    def _check_tensors(self, graph: Graph) -> None:
        """Raise BundleError unless the graph's tensors are those of the task."""
        dimensions = self._preprocessing.dimensions
        floats, integers = Datatype.FP32, Datatype.INT64
        inputs = {
            IDS: (integers, (-1, -1)),
            WEIGHTS: (floats, (-1, -1)),
            VECTORS: (floats, (-1, dimensions)),
            K: (integers, (-1,)),
        }
        if self._preprocessing.table is not None:
            stored = next((spec.datatype for spec in graph.inputs if spec.name == TABLE), floats)
            inputs[TABLE] = (stored, (-1, dimensions))
        if self._preprocessing.scales is not None:
            inputs[SCALES] = (floats, (-1, 1))
        outputs = {EMBEDDINGS: (floats, (-1, dimensions)), SCORES: (floats, (-1, -1)), INDICES: (integers, (-1, -1))}
        require_tensors(self.bundle, graph, inputs=inputs, outputs=outputs)


def _largest_part(entry: WeightedSum) -> float:
    """The length of the longest part of a sum, a row of norm 1 times its weight or all composed words together."""
    composed = 0.0 if entry.vector is None else float(np.linalg.norm(entry.vector))
    return max(float(np.abs(entry.weights).max(initial=0)), composed)


def _groups(sums: list[WeightedSum]) -> Iterator[list[WeightedSum]]:
    """Consecutive sums that have not too many rows together."""
    group: list[WeightedSum] = []
    rows = 0
    for entry in sums:
        if group and rows + len(entry.rows) > _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(entry)
        rows += len(entry.rows)
    if group:
        yield group
