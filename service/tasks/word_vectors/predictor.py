"""The predictor of word vectors: all look-ups and searches go through the graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, JsonValue, ValidationError

from service.bundle.files import Bundle, BundleError
from service.bundle.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest
from service.limits import Limits
from service.runtime import ann
from service.runtime.session import OpenSession, Tensors
from service.tasks.base import Predictor, invalid_body
from service.tasks.word_vectors.embeddings import EmbeddingsRequest, Sum
from service.tasks.word_vectors.lookup import Lookup, items_of
from service.tasks.word_vectors.neighbors import analogy_request, neighbors_request
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
from service.tasks.word_vectors.request import NEIGHBORS, SUMS, WordsRequest, ragged
from service.tasks.word_vectors.schemas import (
    DEFAULT_K,
    AnalogyBody,
    EmbeddingsBody,
    NeighborsBody,
    ProjectionBody,
    SimilarityBody,
)
from service.tasks.word_vectors.similarity import SimilarityRequest
from service.tasks.word_vectors.vector_table import GraphTable, IndexedTable, MappedTable, Table
from service.tasks.word_vectors.vocabulary import Vocabulary

log = logging.getLogger(__name__)

WORD = "WORD"
EMBEDDING = "EMBEDDING"
"""The tensors that the Open Inference Protocol shows."""

_QUICK_ROWS = 512
"""A look-up of this many rows takes less than a millisecond."""
_QUICK_MAPPED_ROWS = 16
"""The same, of a table whose pages may still have to come from the disk."""
_ROWS_AT_ONCE = 8_192
"""Rows of the table that are in memory for the sums of a batch: 10 MB of 300 dimensions."""
_CANCELLED = 1e-6
"""A sum of unit vectors that is shorter is rounding, not a direction."""


class WordVectorsPredictor(Predictor[WordsRequest]):
    """One graph, `service.tasks.word_vectors.preprocessing` has its tensors, and a table inside or beside it."""

    routes: ClassVar[dict[str, type[BaseModel]]] = {
        "/v1/neighbors": NeighborsBody,
        "/v1/similarity": SimilarityBody,
        "/v1/analogy": AnalogyBody,
        "/v1/projection": ProjectionBody,
        "/v1/embeddings": EmbeddingsBody,
    }
    limiting = ("max_words", "max_neighbors", "max_total_neighbors", "max_inputs", "max_tokens")

    def __init__(self, bundle: Bundle, open_session: OpenSession, limits: Limits) -> None:
        super().__init__(bundle, open_session, limits)
        where = f"{bundle.path}/manifest.json"
        try:
            self._preprocessing = WordVectorsPreprocessing.model_validate(bundle.manifest.preprocessing)
        except ValidationError as error:
            raise BundleError(f"{where}: preprocessing: {invalid_body(error)}") from error
        if len(self.sessions) != 1:
            raise BundleError(f"{where}: word vectors need one graph")
        self._session = next(iter(self.sessions.values()))
        self._check_graph(where)
        vocabulary = Vocabulary(bundle.file(self._preprocessing.vocabulary))
        weights = _numbers(bundle.file(self._preprocessing.word_weights), (len(vocabulary),), "<f4")
        self.lookup = Lookup(bundle.manifest.name, vocabulary, weights, self._preprocessing, limits)
        self._table = self._open_table(len(vocabulary))

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name=WORD, datatype=Datatype.BYTES, shape=(-1, 1)),)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name=EMBEDDING, datatype=Datatype.FP32, shape=(-1, self._preprocessing.dimensions)),)

    @property
    def details(self) -> dict[str, JsonValue]:
        preprocessing = self._preprocessing
        return {
            "words": len(self.lookup.vocabulary),
            "dimensions": preprocessing.dimensions,
            "normaliser": preprocessing.normaliser,
            "tokenizer": preprocessing.tokenizer,
            "phrases": preprocessing.phrases,
            "search": "approximate" if isinstance(self._table, IndexedTable) else "exact",
        }

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
            case EmbeddingsBody():
                return EmbeddingsRequest(body)
        raise TypeError(f"{type(body).__name__} is no body of this task")

    def is_heavy(self, request: WordsRequest) -> bool:
        return request.is_heavy(self.lookup)

    def preprocess(self, request: WordsRequest) -> Tensors:
        return request.prepare(self.lookup)

    def postprocess(self, request: WordsRequest, outputs: Tensors) -> dict[str, Any]:
        return request.finish(self.lookup, outputs)

    def infer(self, tensors: Tensors) -> Tensors:
        """Embed what is asked for and, where `k` is among the tensors, find what is nearest to it."""
        embeddings = self._embed(tensors)
        if K not in tensors:
            return {EMBEDDINGS: embeddings}
        return {EMBEDDINGS: embeddings, NEIGHBORS: self._search(embeddings, tensors[K])}

    def is_quick(self, tensors: Tensors) -> bool:
        if K in tensors:
            return False
        rows = len(tensors[IDS]) if IDS in tensors else sum(len(ids) for ids, _ in tensors[SUMS])
        return rows <= (_QUICK_ROWS if self._preprocessing.table is None else _QUICK_MAPPED_ROWS)

    def warm_up(self) -> Tensors:
        return {IDS: np.zeros(1, np.int64), K: np.array([DEFAULT_K + 1], np.int64)}

    def read_tensors(self, tensors: Tensors) -> Tensors:
        words = []
        for index, element in enumerate(tensors[WORD].ravel()):
            try:
                words.append(element.decode())
            except UnicodeDecodeError as error:
                raise InvalidRequest("is not UTF-8", f"{WORD}[{index}]") from error
        return {IDS: self.lookup.require(words, items_of(WORD))}

    def write_tensors(self, outputs: Tensors) -> Tensors:
        return {EMBEDDING: outputs[EMBEDDINGS]}

    def _embed(self, tensors: Tensors) -> NDArray[np.float32]:
        """Unit vectors [N, D]; zero where words cancel each other out."""
        if VECTORS in tensors:
            return tensors[VECTORS]
        if IDS in tensors:
            return self._table.rows(tensors[IDS])
        parts = [self._sums(some) for some in _groups(tensors[SUMS].tolist())]
        return np.concatenate(parts) if parts else np.empty((0, self._preprocessing.dimensions), np.float32)

    def _sums(self, sums: list[Sum]) -> NDArray[np.float32]:
        """Weighted sums of rows with norm 1, [n, D]; every row is fetched once, however many sums have it."""
        ids = np.concatenate([rows for rows, _ in sums])
        distinct, places = np.unique(ids, return_inverse=True)
        vectors = self._table.rows(distinct)
        ends = np.cumsum([len(rows) for rows, _ in sums]).tolist()
        found = np.empty((len(sums), vectors.shape[1]), np.float32)
        for index, (rows, weights) in enumerate(sums):
            found[index] = weights @ vectors[places[ends[index] - len(rows) : ends[index]]]
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        heaviest = np.array([[np.abs(weights).max()] for _, weights in sums])
        return np.where(norms > _CANCELLED * heaviest, found / np.maximum(norms, np.finfo(np.float32).tiny), 0).astype(
            np.float32
        )

    def _search(self, embeddings: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.object_]:
        if not len(embeddings):
            return ragged(())
        scores, rows = self._table.search(embeddings, int(counts.max()))
        return ragged([(scores[index, :count], rows[index, :count]) for index, count in enumerate(counts.tolist())])

    def _open_table(self, size: int) -> Table:
        preprocessing, bundle = self._preprocessing, self.bundle
        table: Table
        if preprocessing.table is None:
            table = GraphTable(self._session, size, preprocessing.dimensions)
        else:
            datatypes = {spec.name: spec.datatype for spec in self._session.graph.inputs}
            shape = (size, preprocessing.dimensions)
            rows = _numbers(bundle.file(preprocessing.table), shape, datatypes[TABLE].numpy.str)
            scales = None
            if preprocessing.scales is not None:
                scales = _numbers(bundle.file(preprocessing.scales), (size, 1), "<f4")
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

    def _check_graph(self, where: str) -> None:
        """Raise BundleError unless the graph's tensors are those of the task."""
        wide = self._preprocessing.dimensions
        wanted = {IDS: (-1, -1), WEIGHTS: (-1, -1), VECTORS: (-1, wide), K: (-1,)}
        if self._preprocessing.table is not None:
            wanted[TABLE] = (-1, wide)
        if self._preprocessing.scales is not None:
            wanted[SCALES] = (-1, 1)
        given = {EMBEDDINGS: (-1, wide), SCORES: (-1, -1), INDICES: (-1, -1)}
        graph = self._session.graph
        for kind, specs, shapes in (("inputs", graph.inputs, wanted), ("outputs", graph.outputs, given)):
            if {spec.name: spec.shape for spec in specs} != shapes:
                shown = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
                raise BundleError(f"{where}: the graph does not fit the preprocessing: its {kind} must be {shown}")


def _groups(sums: list[Sum]) -> Iterator[list[Sum]]:
    """Consecutive sums that have not too many rows together."""
    group: list[Sum] = []
    rows = 0
    for entry in sums:
        if group and rows + len(entry[0]) > _ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(entry)
        rows += len(entry[0])
    if group:
        yield group


def _numbers(path: Path, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Memory-map a .npy file.

    Raises:
        BundleError: it is none, or has another shape or type.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BundleError(f"{path}: cannot be read as an array ({error})") from error
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise BundleError(
            f"{path}: holds {array.dtype} {list(array.shape)}, it must be {np.dtype(dtype)} {list(shape)}; "
            "export the model again"
        )
    # A plain array over the mapped pages: every slice of numpy's own class for them costs several microseconds.
    return array.view(np.ndarray)
