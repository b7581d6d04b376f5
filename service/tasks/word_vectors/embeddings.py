"""Vectors of texts, in OpenAI's shape."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest
from service.runtime.session import Tensors
from service.tasks.tensors import object_array
from service.tasks.word_vectors.lookup import Lookup
from service.tasks.word_vectors.preprocessing import EMBEDDINGS
from service.tasks.word_vectors.request import LIGHT_WORDS, SUMS, WordsRequest
from service.tasks.word_vectors.schemas import EmbeddingsBody
from service.text import tokenize

_LIGHT_CHARACTERS = 2_000
_TEXTS = 64
"""Texts whose words are looked up at a time."""
_LONGEST_WORD = 64
_PHRASE_PASSES = 2
"""Phrases of up to four words, if their halves are phrases too."""

Sum = tuple[NDArray[np.int64], NDArray[np.float32]]


class EmbeddingsRequest(WordsRequest):
    """The body of /v1/embeddings: a text's vector is the weighted mean of the unit vectors of its known words.

    The weights are a / (a + p(w)) (Arora et al. 2017, "A simple but tough-to-beat baseline", section 3).
    """

    def __init__(self, body: EmbeddingsBody) -> None:
        self._input = body.input
        self._base64 = body.encoding_format == "base64"
        self._dimensions = body.dimensions
        self._tokens = 0

    def is_large(self, lookup: Lookup) -> bool:
        texts = self._input if isinstance(self._input, list) else [self._input]
        if len(texts) > LIGHT_WORDS or any(isinstance(text, list) and len(text) > LIGHT_WORDS for text in texts):
            return True
        return sum(len(text) for text in texts if isinstance(text, str)) > _LIGHT_CHARACTERS

    def prepare(self, lookup: Lookup) -> Tensors:
        if self._dimensions is not None and self._dimensions > lookup.preprocessing.dimensions:
            raise InvalidRequest(
                f"is {self._dimensions}, the model's vectors have {lookup.preprocessing.dimensions}", "dimensions"
            )
        inputs = _inputs(self._input)
        if len(inputs) > lookup.limits.max_inputs:
            raise InvalidRequest(
                f"{len(inputs)} inputs, {lookup.limits.describe('max_inputs')}; send several requests",
                "input",
            )
        single = not isinstance(self._input, list) or inputs[0] is self._input
        fields = ["input" if single else f"input[{index}]" for index in range(len(inputs))]
        numbers = isinstance(inputs[0], list)
        sums: list[Sum] = []
        for start in range(0, len(inputs), _TEXTS):
            some, names = inputs[start : start + _TEXTS], fields[start : start + _TEXTS]
            sums += (self._of_numbers if numbers else self._of_texts)(lookup, some, names)
        return {SUMS: object_array(sums)}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        vectors = outputs[EMBEDDINGS]
        if not vectors.any(axis=1).all():
            index = int(np.argmin(vectors.any(axis=1)))
            raise InvalidRequest("the vectors of its words cancel each other out", f"input[{index}]")
        if self._dimensions is not None:
            vectors = _cut(vectors, self._dimensions)
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if self._base64 else vector,
            }
            for index, vector in enumerate(np.ascontiguousarray(vectors))
        ]
        return {"data": data, "usage": {"prompt_tokens": self._tokens, "total_tokens": self._tokens}}

    def _of_texts(self, lookup: Lookup, texts: Sequence[str], fields: Sequence[str]) -> list[Sum]:
        """What to add up for each text."""
        cut = [self._cut_text(lookup, text, field) for text, field in zip(texts, fields, strict=True)]
        if lookup.preprocessing.phrases:
            cut = _join_phrases(lookup, cut)
        # A text that is a word of the vocabulary is that word, whatever the tokenizer would make of it.
        whole = [lookup.normalise(text) if len(text) <= _LONGEST_WORD else "" for text in texts]
        known = _known(lookup, [whole, *cut])
        sums = []
        for text, word, tokens, field in zip(texts, whole, cut, fields, strict=True):
            counts = Counter([word] if word in known else tokens)
            for token in [token for token in counts if token not in known]:
                del counts[token]
            if not counts:
                raise InvalidRequest(_nothing_known(lookup, text, tokens), field)
            ids = np.fromiter((known[token] for token in counts), np.int64, len(counts))
            times = np.fromiter(counts.values(), np.float32, len(counts))
            sums.append((ids, times * lookup.weights[ids]))
            self._tokens += 1 if word in known else len(tokens)
        return sums

    def _cut_text(self, lookup: Lookup, text: str, field: str) -> list[str]:
        if not isinstance(text, str):
            raise InvalidRequest("is no text; send texts only, or lists of word numbers only", field)
        if not text.strip():
            raise InvalidRequest("is empty; send a word or a text", field)
        tokens = tokenize(text, lookup.preprocessing.tokenizer)
        _check_length(lookup, len(tokens), field)
        # Letters are lower-cased already.
        lower = lookup.preprocessing.normaliser == "lower" and lookup.preprocessing.tokenizer == "words"
        return [token.lower() for token in tokens] if lower else tokens

    def _of_numbers(self, lookup: Lookup, lists: Sequence[list[int]], fields: Sequence[str]) -> list[Sum]:
        """What to add up for each list of word numbers."""
        sums = []
        size = len(lookup.vocabulary)
        for numbers, field in zip(lists, fields, strict=True):
            if not isinstance(numbers, list) or not numbers:
                raise InvalidRequest("is no list of word numbers; send at least one number in each", field)
            _check_length(lookup, len(numbers), field)
            for place, number in enumerate(numbers):
                if type(number) is not int or not 0 <= number < size:
                    raise InvalidRequest(
                        f"is no word number; they are integers from 0 to {size - 1}", f"{field}[{place}]"
                    )
            ids, counts = np.unique(np.asarray(numbers, np.int64), return_counts=True)
            sums.append((ids, (counts * lookup.weights[ids]).astype(np.float32)))
            self._tokens += len(numbers)
        return sums


def _inputs(sent: Any) -> list[Any]:
    """The single inputs: texts, or lists of numbers."""
    if isinstance(sent, str):
        return [sent]
    if not isinstance(sent, list):
        raise InvalidRequest("must be a text, a list of texts, or one or many lists of word numbers", "input")
    if not sent:
        raise InvalidRequest("is empty; send 1 input or more", "input")
    if type(sent[0]) is int:
        return [sent]
    if not isinstance(sent[0], str | list):
        raise InvalidRequest("must be a text, a word number or a list of word numbers", "input[0]")
    return sent


def _check_length(lookup: Lookup, tokens: int, field: str) -> None:
    if tokens > lookup.limits.max_tokens:
        raise InvalidRequest(f"{tokens} words, {lookup.limits.describe('max_tokens')}; send it in parts", field)


def _known(lookup: Lookup, texts: Iterable[Sequence[str]]) -> dict[str, int]:
    """The rows of the words that are known."""
    distinct: dict[str, None] = {}
    for tokens in texts:  # One by one: a single call over them all would hold the event loop's thread up.
        distinct.update(dict.fromkeys(tokens))
    words = list(distinct)
    rows = lookup.vocabulary.find(words).tolist()
    return {word: row for word, row in zip(words, rows, strict=True) if row >= 0}


def _join_phrases(lookup: Lookup, texts: list[list[str]]) -> list[list[str]]:
    """Join neighbouring words, from the left, where the vocabulary has `a_b`; then what has come of it, once more."""
    for _ in range(_PHRASE_PASSES):
        # Tuples first: a text repeats its pairs, and spelling each of them out would take most of the time.
        distinct: set[tuple[str, str]] = set()
        for tokens in texts:
            distinct.update(pairwise(tokens))
        pairs = list(distinct)
        rows = lookup.vocabulary.find(["_".join(pair) for pair in pairs]).tolist()
        known = {pair for pair, row in zip(pairs, rows, strict=True) if row >= 0}
        if not known:
            break
        texts = [_joined(tokens, known) for tokens in texts]
    return texts


def _joined(tokens: list[str], known: set[tuple[str, str]]) -> list[str]:
    joined: list[str] = []
    waiting = pairwise([*tokens, ""])
    for pair in waiting:
        if pair in known:
            joined.append("_".join(pair))
            next(waiting, None)
        else:
            joined.append(pair[0])
    return joined


def _nothing_known(lookup: Lookup, text: str, tokens: Sequence[str]) -> str:
    if not tokens:
        return f"{text[:_LONGEST_WORD]!r} holds no word"
    known = lookup.unknown(tokens[0])
    return known if len(tokens) == 1 else f"none of its {len(tokens)} words is known: {known}"


def _cut(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """The leading dimensions, with norm 1 again."""
    leading = vectors[:, :dimensions].astype(np.float64)
    norms = np.linalg.norm(leading, axis=1, keepdims=True)
    if not norms.all():
        raise InvalidRequest(
            f"is {dimensions}, but those leading numbers of input[{int(np.argmin(norms))}]'s vector are all zero; "
            "ask for more",
            "dimensions",
        )
    cut: NDArray[np.float32] = (leading / norms).astype(np.float32)
    return cut
