"""`samples.json` of word vectors: a few requests for each route, with the answers of the graph that ships.

A sample is replayed on other machines, whose float arithmetic differs in the last bits: words are taken whose
neighbours have scores well apart.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.tasks.word_vectors.preprocessing import WordVectorsPreprocessing
from service.text import normalize_word, tokenize
from training.word2vec.export.lookup import Lookup

Nearest = Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], NDArray[np.int64]]]
"""(embeddings [N, D], k) to scores and rows [N, K], best first."""

MARGIN = 1e-3
"""Scores that are closer may change places."""

_NEIGHBOURS = 3
_CANDIDATES = 48
_FREQUENT = 2000
_DIMENSIONS = 8
_WELL_KNOWN = (
    "king",
    "python",
    "paris",
    "france",
    "italy",
    "water",
    "music",
    "river",
    "computer",
    "city",
    "red",
    "two",
)
_ANALOGIES = (
    ("man", "king", "woman"),
    ("france", "paris", "italy"),
    ("France", "Paris", "Italy"),
    ("good", "better", "bad"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleMaker:
    """What answers are made from.

    `served` is the search that the predictor uses, `lookup.nearest` or that with an index.
    """

    lookup: Lookup
    served: Nearest
    words: Sequence[str]
    word_weights: NDArray[np.float32]
    preprocessing: WordVectorsPreprocessing

    def make(self) -> list[dict[str, Any]]:
        """The samples, at least one: `route`, `request` and the `results` of its answer."""
        chosen = self._candidates()
        rows = list(chosen.values())
        return [
            *self._similarity(chosen),
            *self._neighbours(rows),
            *self._analogy(chosen),
            *self._embeddings(chosen),
        ]

    def _candidates(self) -> dict[str, int]:
        """Plain words with their rows: well-known ones first, then by frequency; any word where there is none."""
        known = dict.fromkeys([*_WELL_KNOWN, *(name for names in _ANALOGIES for name in names)])
        rows = {word: row for row, word in enumerate(self.words) if word in known or row < _FREQUENT}
        ordered = dict.fromkeys([*(word for word in known if word in rows), *rows])
        plain = [word for word in ordered if self._is_plain(word)]
        return {word: rows[word] for word in plain[:_CANDIDATES] or [self.words[0]]}

    def _is_plain(self, word: str) -> bool:
        """Whether a text of this word alone is this word again."""
        settings = self.preprocessing
        found = [normalize_word(token, settings.normalizer) for token in tokenize(word, settings.tokenizer)]
        return len(word) > 2 and word.isalpha() and found == [word]

    def _similarity(self, chosen: dict[str, int]) -> Iterator[dict[str, Any]]:
        names = list(chosen)[:4]
        pairs = [[left, right] for left, right in zip(names, names[1:] + names[:1], strict=True)]
        vectors = self._embed([[chosen[name]] for name in names], [[1.0]] * len(names))
        scores = np.einsum("nd,nd->n", vectors, np.roll(vectors, -1, axis=0))
        results = [{"score": _rounded(score)} for score in scores]
        yield {"route": "/v1/similarity", "request": {"pairs": pairs}, "results": results}

    def _neighbours(self, rows: list[int]) -> Iterator[dict[str, Any]]:
        embeddings = self._embed([[row] for row in rows], [[1.0]] * len(rows))
        answers = self._answers(embeddings, [[row] for row in rows])
        clear = [(row, answer) for row, answer in zip(rows, answers, strict=True) if answer][:3]
        if clear:
            request = {"words": [self.words[row] for row, _ in clear], "k": _NEIGHBOURS}
            yield {"route": "/v1/neighbors", "request": request, "results": [answer for _, answer in clear]}

    def _analogy(self, chosen: dict[str, int]) -> Iterator[dict[str, Any]]:
        """b - a + c (3CosAdd, Mikolov et al. 2013), with the three words left out of the answer."""
        names = list(chosen)
        triples = [names for names in _ANALOGIES if chosen.keys() >= set(names)]
        triples += zip(names, names[1:], names[2:], strict=False)
        if not triples:
            return
        ids = [[chosen[word] for word in triple] for triple in triples]
        answers = self._answers(self._embed(ids, [[-1.0, 1.0, 1.0]] * len(ids)), ids)
        for (a, b, c), answer in zip(triples, answers, strict=True):
            if answer:
                request = {"a": a, "b": b, "c": c, "k": _NEIGHBOURS}
                yield {"route": "/v1/analogy", "request": request, "results": [answer]}
                return

    def _embeddings(self, chosen: dict[str, int]) -> Iterator[dict[str, Any]]:
        """One word, and the weighted mean of three, cut to a few dimensions."""
        names = list(chosen)[:3]
        joined = {f"{left}_{right}" for left in names for right in names}
        several = len(names) == 3 and not (self.preprocessing.phrases and any(word in joined for word in self.words))
        texts = [[names[0]], names] if several else [[names[0]]]
        size = min(_DIMENSIONS, self.preprocessing.dimensions)
        data = []
        for index, text in enumerate(texts):
            rows = [chosen[name] for name in text]
            vector = self._embed([rows], [self.word_weights[rows].tolist()])[0, :size]
            vector = vector / np.linalg.norm(vector)
            numbers = [_rounded(number) for number in vector]
            data.append({"object": "embedding", "index": index, "embedding": numbers})
        request = {"input": [" ".join(text) for text in texts], "dimensions": size, "encoding_format": "float"}
        yield {"route": "/v1/embeddings", "request": request, "results": data}

    def _embed(self, ids: list[list[int]], weights: list[list[float]]) -> NDArray[np.float32]:
        return self.lookup.embed(np.array(ids, np.int64), np.array(weights, np.float32))

    def _answers(self, embeddings: NDArray[np.float32], left_out: list[list[int]]) -> Iterator[dict[str, Any] | None]:
        """For each query its neighbours without `left_out`; None where they are not clear."""
        k = _NEIGHBOURS + len(left_out[0]) + 1
        exact, served = self.lookup.nearest(embeddings, k), self.served(embeddings, k)
        for row, excluded in enumerate(left_out):
            found = _kept(exact[0][row], exact[1][row], excluded)
            scores = [score for score, _ in found]
            gaps = [left - right for left, right in pairwise(scores)]
            same = [index for _, index in _kept(served[0][row], served[1][row], excluded)]
            if not found or min(gaps, default=1) < MARGIN or same != [index for _, index in found]:
                yield None
                continue
            shown = found[:_NEIGHBOURS]
            yield {"neighbors": [{"word": self.words[index], "score": _rounded(score)} for score, index in shown]}


def _kept(scores: NDArray[np.float32], indices: NDArray[np.int64], excluded: list[int]) -> list[tuple[float, int]]:
    """Up to one more neighbour than is shown."""
    pairs = zip(scores.tolist(), indices.tolist(), strict=True)
    return [(score, index) for score, index in pairs if index not in excluded][: _NEIGHBOURS + 1]


def _rounded(number: float) -> float:
    return round(float(number), 6)
