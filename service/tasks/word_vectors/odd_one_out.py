"""Which word of several does not belong to the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest
from service.runtime.session import Tensors
from service.tasks.word_vectors.lookup import Lookup
from service.tasks.word_vectors.preprocessing import EMBEDDINGS
from service.tasks.word_vectors.request import LOOKUP, WordListRequest, cosines
from service.tasks.word_vectors.schemas import OddOneOutBody

_FEWEST_WORDS = 3
"""Of two words neither is the odd one."""
_MIN_NORM = 1e-6
"""A mean of unit vectors that is shorter consists of rounding errors: the words point nowhere together."""


class OddOneOutRequest(WordListRequest):
    """A request of /v1/odd-one-out."""

    kind = LOOKUP

    def __init__(self, body: OddOneOutBody) -> None:
        super().__init__(body.words)

    def prepare(self, lookup: Lookup) -> Tensors:
        if len(self._words) < _FEWEST_WORDS:
            raise InvalidRequest(f"holds {len(self._words)} words; send at least {_FEWEST_WORDS}", "words")
        return super().prepare(lookup)

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        ids = self._resolved.ids
        known = ids >= 0
        scores = cosines(closeness(outputs[EMBEDDINGS][self._indices[known]]))
        remaining = iter(scores)
        result: dict[str, Any] = {
            "word": None,
            "scores": [next(remaining) if is_known else None for is_known in known.tolist()],
        }
        if len(scores) >= _FEWEST_WORDS and any(scores):
            result["word"] = self._resolved.word(int(ids[known][int(np.argmin(scores))]))
        if len(scores) < len(known):
            unknown = (word for word, is_known in zip(self._words, known.tolist(), strict=True) if not is_known)
            result["unknown"] = list(dict.fromkeys(unknown))
        return {"results": [result | self._resolved.composed_field(self._words, ids.tolist())]}


def closeness(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """The cosine of each vector with the mean of all, [n]; zero where they cancel each other out.

    Args:
        vectors: finite unit vectors [n, D]. gensim's `doesnt_match` names the one with the smallest cosine.
    """
    if not len(vectors):
        return np.zeros(0)
    doubles = vectors.astype(np.float64)
    mean = doubles.mean(0)
    norm = float(np.linalg.norm(mean))
    return doubles @ (mean / norm) if norm > _MIN_NORM else np.zeros(len(vectors))
