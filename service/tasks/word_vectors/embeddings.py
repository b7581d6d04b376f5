"""Embeddings of texts, in the format of OpenAI's API."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest, LimitExceeded
from service.limits import variable
from service.runtime.session import Tensors
from service.tasks.scheduling import Work
from service.tasks.tensors import object_array
from service.tasks.word_vectors.lookup import Lookup
from service.tasks.word_vectors.preprocessing import EMBEDDINGS
from service.tasks.word_vectors.request import EMBEDDING_TEXTS, WordsRequest
from service.tasks.word_vectors.resolved_words import SUMS, WeightedSum
from service.tasks.word_vectors.schemas import EmbeddingsBody
from service.text import tokenize

_SMALL_CHARACTERS = 2_000
"""Characters per request that are tokenized in the event loop; more go to a thread."""
_BATCH_TEXTS = 64
"""Texts whose words are looked up at a time."""
_MAX_WORD_LENGTH = 64
"""Characters up to which a whole text is tried as one word of the vocabulary."""
_REQUEST_CHARACTERS, _INPUT_CHARACTERS = 5_000, 400
"""The work beside the characters: a request, and the sum of an input with writing its vector, each take as long as so
many characters."""
_PHRASE_PASSES = 2
"""Passes of joining two words or phrases: phrases of up to four words, if their halves are phrases too."""

_TOKEN_IDS = (
    "holds token ids, which belong to the tokenizer of another model; send texts (LangChain's OpenAIEmbeddings does so "
    "with check_embedding_ctx_length=False)"
)


class EmbeddingsRequest(WordsRequest):
    """A request of /v1/embeddings: a text's vector is the weighted mean of its known words' unit vectors, normalized.

    The weights are a / (a + p(w)) (Arora et al. 2017, "A simple but tough-to-beat baseline", section 3), and 1 for
    words that are composed of n-grams. A text without a known or composed word has the zero vector and is named in the
    answer, so that it fails no others; `strict` makes it an error.
    """

    def __init__(self, body: EmbeddingsBody) -> None:
        self._input = body.input
        self._base64 = body.encoding_format == "base64"
        self._dimensions = body.dimensions
        self._strict = body.strict
        self._known: list[int] = []
        """Indices of the inputs that have a known word; filled by `prepare`."""
        self._composed: list[int] = []
        """Indices of the inputs that have a word composed of n-grams; filled by `prepare`."""
        self._count = 0
        self._tokens = 0
        self._words = 0

    def is_large(self, lookup: Lookup) -> bool:
        texts = self._input if isinstance(self._input, list) else [self._input]
        return (
            len(texts) > lookup.small_words
            or sum(len(text) for text in texts if isinstance(text, str)) > _SMALL_CHARACTERS
        )

    def work(self) -> Work:
        texts = self._input if isinstance(self._input, list) else [self._input]
        characters = sum(len(text) for text in texts if isinstance(text, str))
        overhead = _REQUEST_CHARACTERS + _INPUT_CHARACTERS * len(texts)
        return Work(overhead + characters, EMBEDDING_TEXTS, len(texts), "inputs like these", overhead)

    def prepare(self, lookup: Lookup) -> Tensors:
        if self._dimensions is not None and self._dimensions > lookup.preprocessing.dimensions:
            raise InvalidRequest(
                f"is {self._dimensions}, the model's vectors have {lookup.preprocessing.dimensions}", "dimensions"
            )
        texts = [self._input] if isinstance(self._input, str) else self._input
        _check_inputs(texts, lookup)
        fields = ["input"] if texts is not self._input else [f"input[{index}]" for index in range(len(texts))]
        sums: list[WeightedSum | None] = []
        for start in range(0, len(texts), _BATCH_TEXTS):
            end = start + _BATCH_TEXTS
            sums += self._sums_of_texts(lookup, texts[start:end], fields[start:end])
        self._count = len(sums)
        self._known = [index for index, entry in enumerate(sums) if entry is not None]
        self._composed = [index for index, entry in enumerate(sums) if entry is not None and entry.vector is not None]
        return {SUMS: object_array([entry for entry in sums if entry is not None])}

    def finish(self, lookup: Lookup, outputs: Tensors) -> dict[str, Any]:
        vectors = np.zeros((self._count, lookup.preprocessing.dimensions), np.float32)
        vectors[self._known] = outputs[EMBEDDINGS]
        if self._dimensions is not None:
            vectors = _truncate(vectors, self._dimensions)
        unknown = np.flatnonzero(~vectors.any(axis=1)).tolist()
        if unknown and self._strict:
            remedy = "its words cancel each other out" if self._dimensions is None else "ask for more 'dimensions'"
            raise InvalidRequest(f"is a vector of zeros; {remedy}", f"input[{unknown[0]}]")
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if self._base64 else vector,
            }
            for index, vector in enumerate(np.ascontiguousarray(vectors))
        ]
        fields = {"data": data, "usage": {"prompt_tokens": self._tokens, "total_tokens": self._tokens}}
        notes = {"unknown": unknown} | ({"composed": self._composed} if self._composed else {})
        return fields | {"lectern": notes} if unknown or self._composed else fields

    def _sums_of_texts(self, lookup: Lookup, texts: Sequence[str], fields: Sequence[str]) -> list[WeightedSum | None]:
        """Weighted sum of the known and composed words of each text; None of one without any."""
        tokenized = [self._tokenize(lookup, text, field) for text, field in zip(texts, fields, strict=True)]
        if lookup.preprocessing.phrases:
            tokenized = _join_phrases(lookup, tokenized)
        # A text that is a word of the vocabulary is looked up as that word, without tokenization.
        whole_texts = [lookup.normalize(text) if len(text) <= _MAX_WORD_LENGTH else "" for text in texts]
        known = _known_words(lookup, [whole_texts, *tokenized])
        sums: list[WeightedSum | None] = []
        vectors: dict[str, NDArray[np.float32] | None] = {}
        for text, word, tokens, field in zip(texts, whole_texts, tokenized, fields, strict=True):
            words = [word] if word in known or _is_composed_whole(lookup, text, tokens, known) else tokens
            counts = Counter(words)
            composed = _take_composed(lookup, counts, known, vectors)
            self._tokens += len(words)
            if not counts and composed is None:
                if self._strict:
                    raise InvalidRequest(_describe_unknown_text(lookup, text, tokens), field)
                sums.append(None)
                continue
            ids = np.fromiter((known[token] for token in counts), np.int64, len(counts))
            frequencies = np.fromiter(counts.values(), np.float32, len(counts))
            sums.append(WeightedSum(ids, frequencies * lookup.weights[ids], composed))
        return sums

    def _tokenize(self, lookup: Lookup, text: str, field: str) -> list[str]:
        """Split a text into normalized words."""
        tokens = tokenize(text, lookup.preprocessing.tokenizer)
        self._count_words(lookup, len(tokens), field)
        # The tokenizer `letters` converts to lower case itself.
        lower = lookup.preprocessing.normalizer == "lower" and lookup.preprocessing.tokenizer == "words"
        return [token.lower() for token in tokens] if lower else tokens

    def _count_words(self, lookup: Lookup, words: int, field: str) -> None:
        """Raise InvalidRequest if an input, or with it the request, has too many words."""
        limits = lookup.limits
        if words > limits.max_tokens:
            raise LimitExceeded(f"{words} words, {limits.describe('max_tokens')}; send it in parts", field)
        self._words += words
        if self._words > limits.max_total_words:
            raise LimitExceeded(
                f"with it the request has more than {limits.max_total_words} words, the limit "
                f"({variable('max_total_words')}); send several requests",
                field,
            )


def _check_inputs(inputs: Any, lookup: Lookup) -> None:
    """Check that `input` is a list of texts, of no more than the limit.

    Raises:
        InvalidRequest: it is not.
    """
    if not isinstance(inputs, list):
        raise InvalidRequest(_TOKEN_IDS if _is_number(inputs) else "must be a text or a list of texts", "input")
    if not inputs:
        raise InvalidRequest("is empty; send 1 text or more", "input")
    if len(inputs) > lookup.limits.max_inputs:
        raise LimitExceeded(
            f"{len(inputs)} inputs, {lookup.limits.describe('max_inputs')}; send several requests", "input"
        )
    for index, text in enumerate(inputs):
        if not isinstance(text, str):
            is_ids = _is_number(text) or (isinstance(text, list) and any(map(_is_number, text)))
            raise InvalidRequest(_TOKEN_IDS if is_ids else "is not a text", f"input[{index}]")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _known_words(lookup: Lookup, texts: Iterable[Sequence[str]]) -> dict[str, int]:
    """Row ids of all known words of the texts."""
    distinct: dict[str, None] = {}
    for tokens in texts:  # one by one: a single call over all of them would not release the GIL
        distinct.update(dict.fromkeys(tokens))
    words = list(distinct)
    rows = lookup.vocabulary.find(words).tolist()
    return {word: row for word, row in zip(words, rows, strict=True) if row >= 0}


def _is_composed_whole(lookup: Lookup, text: str, tokens: Sequence[str], known: Mapping[str, int]) -> bool:
    """Whether a text is one unknown word, such as "x86-64", though the tokenizer takes it apart.

    /v1/neighbors composes it whole, and it has the same vector here.

    Args:
        lookup: composes it.
        text: the text.
        tokens: the text, tokenized.
        known: rows of the words of the vocabulary.
    """
    word = text.strip()
    return (
        lookup.composes
        and len(text) <= _MAX_WORD_LENGTH
        and word[:1].isalnum()
        and word[-1:].isalnum()
        and not any(map(str.isspace, word))
        and not any(token in known for token in tokens)
    )


def _take_composed(
    lookup: Lookup, counts: Counter[str], known: dict[str, int], vectors: dict[str, NDArray[np.float32] | None]
) -> NDArray[np.float32] | None:
    """Remove the words that are not in the vocabulary from `counts`.

    Args:
        lookup: composes them.
        counts: how often each word of a text occurs.
        known: the words of the vocabulary.
        vectors: those composed so far, None for words that cannot be; new ones are added.

    Returns:
        The sum of the vectors of those that are composed of n-grams, [D]; None if there is no such word.
    """
    composed = None
    for word in [word for word in counts if word not in known]:
        count = counts.pop(word)
        if word not in vectors:
            vectors[word] = lookup.compose(word)
        vector = vectors[word]
        if vector is not None:
            composed = count * vector if composed is None else composed + count * vector
    return composed


def _join_phrases(lookup: Lookup, texts: list[list[str]]) -> list[list[str]]:
    """Join adjacent words to the phrases `a_b` of the vocabulary, from left to right, in several passes."""
    for _ in range(_PHRASE_PASSES):
        # Distinct tuples first: texts repeat their pairs, and joining each occurrence would take most of the time.
        distinct: set[tuple[str, str]] = set()
        for tokens in texts:
            distinct.update(pairwise(tokens))
        pairs = list(distinct)
        rows = lookup.vocabulary.find(["_".join(pair) for pair in pairs]).tolist()
        known = {pair for pair, row in zip(pairs, rows, strict=True) if row >= 0}
        if not known:
            break
        texts = [_join_known_pairs(tokens, known) for tokens in texts]
    return texts


def _join_known_pairs(tokens: list[str], known: set[tuple[str, str]]) -> list[str]:
    """Join the known pairs of adjacent tokens, from left to right."""
    joined: list[str] = []
    pairs = pairwise([*tokens, ""])
    for pair in pairs:
        if pair in known:
            joined.append("_".join(pair))
            next(pairs, None)
        else:
            joined.append(pair[0])
    return joined


def _describe_unknown_text(lookup: Lookup, text: str, tokens: Sequence[str]) -> str:
    """Error message for a text without known words."""
    if not text.strip():
        return "is empty; send a word or a text"
    if not tokens:
        return f"{text[:_MAX_WORD_LENGTH]!r} holds no word"
    reason = lookup.describe_unknown(tokens[0])
    return reason if len(tokens) == 1 else f"none of its {len(tokens)} words is known: {reason}"


def _truncate(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Keep the leading dimensions and scale the vectors to norm 1 again; zero stays zero."""
    leading = vectors[:, :dimensions].astype(np.float64)
    norms = np.linalg.norm(leading, axis=1, keepdims=True)
    truncated: NDArray[np.float32] = (leading / np.where(norms, norms, 1)).astype(np.float32)
    return truncated
