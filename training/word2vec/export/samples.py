"""The samples of a bundle of word vectors: a few requests for each route, answered by the predictor that serves them.

Samples are replayed on other machines, whose floating-point arithmetic differs in the last bits. Requests for nearest
neighbors are therefore made only for words whose neighbors have clearly different scores.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import JsonValue

from service.bundle.files import Sample
from service.errors import InvalidRequest
from service.tasks.word_vectors import WordVectorsPredictor
from service.tasks.word_vectors.lookup import Lookup
from service.text import normalize_word, tokenize
from training.common.samples import SampleAnswers

SIMILARITY, NEIGHBORS, ANALOGY = "/v1/similarity", "/v1/neighbors", "/v1/analogy"
EMBEDDINGS = "/v1/embeddings"

_MIN_GAP = 1e-3
"""Neighbors whose scores are closer might swap places on another machine."""

_NEIGHBORS = 3
_NEIGHBOR_WORDS = 3
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


def make_samples(exact: SampleAnswers, served: SampleAnswers) -> list[Sample]:
    """Choose requests and answer them; there is at least one.

    Args:
        exact: answers of the bundle by exact search.
        served: answers of the bundle as it is served: the same object unless it has an approximate index.
    """
    assert isinstance(served.predictor, WordVectorsPredictor)
    words = _candidates(served.predictor.lookup)
    return [
        _similarity(served, words),
        *_neighbors(exact, served, words),
        *_analogy(exact, served, words),
        *_embeddings(served, served.predictor.lookup, words),
    ]


def _candidates(lookup: Lookup) -> list[str]:
    """Words to use in requests, well-known ones first, then by frequency; the first word if none is suitable."""
    well_known = list(dict.fromkeys([*_WELL_KNOWN, *(word for triple in _ANALOGIES for word in triple)]))
    rows = lookup.vocabulary.find(well_known).tolist()
    known = [word for word, row in zip(well_known, rows, strict=True) if row >= 0]
    words = dict.fromkeys([*known, *lookup.vocabulary.most_frequent(_FREQUENT)])
    plain = [word for word in words if _is_plain(word, lookup)]
    return plain[:_CANDIDATES] or lookup.vocabulary.most_frequent(1)


def _is_plain(word: str, lookup: Lookup) -> bool:
    """Whether a word has only letters, more than two, and a text of this word is tokenized to the word itself."""
    settings = lookup.preprocessing
    tokens = [normalize_word(token, settings.normalizer) for token in tokenize(word, settings.tokenizer)]
    return len(word) > 2 and word.isalpha() and tokens == [word]


def _similarity(served: SampleAnswers, words: list[str]) -> Sample:
    """The similarities of four words, in a circle."""
    some = words[:4]
    pairs: list[JsonValue] = [[left, right] for left, right in zip(some, some[1:] + some[:1], strict=True)]
    return served.sample({"pairs": pairs}, SIMILARITY)


def _neighbors(exact: SampleAnswers, served: SampleAnswers, words: list[str]) -> Iterator[Sample]:
    """The neighbors of the first words whose neighbors are clear; none if there is no such word."""
    request = _neighbors_request(words, _NEIGHBORS + 1)
    results = zip(words, exact.answer(request, NEIGHBORS), served.answer(request, NEIGHBORS), strict=True)
    clear = [word for word, expected, result in results if _is_clear(expected, result)]
    if clear:
        yield served.sample(_neighbors_request(clear[:_NEIGHBOR_WORDS], _NEIGHBORS), NEIGHBORS)


def _neighbors_request(words: list[str], k: int) -> dict[str, JsonValue]:
    return {"words": [*words], "k": k}


def _analogy(exact: SampleAnswers, served: SampleAnswers, words: list[str]) -> Iterator[Sample]:
    """The first analogy whose answers are clear; none if there is no such analogy."""
    triples = [triple for triple in _ANALOGIES if set(words) >= set(triple)]
    triples += zip(words, words[1:], words[2:], strict=False)
    for a, b, c in triples:
        request: dict[str, JsonValue] = {"a": a, "b": b, "c": c, "k": _NEIGHBORS + 1}
        try:
            (expected,), (result,) = exact.answer(request, ANALOGY), served.answer(request, ANALOGY)
        except InvalidRequest:
            continue  # The three vectors cancel each other out.
        if _is_clear(expected, result):
            yield served.sample(request | {"k": _NEIGHBORS}, ANALOGY)
            return


def _is_clear(expected: dict[str, Any], result: dict[str, Any]) -> bool:
    """Whether neighbors by exact search have clearly different scores, and the served search finds the same ones.

    One more neighbor is compared than the sample has, as it might otherwise take the last one's place.
    """
    neighbors = expected["neighbors"]
    gaps = [left["score"] - right["score"] for left, right in pairwise(neighbors)]
    is_same = [entry["word"] for entry in neighbors] == [entry["word"] for entry in result["neighbors"]]
    return bool(neighbors) and min(gaps, default=1) >= _MIN_GAP and is_same


def _embeddings(served: SampleAnswers, lookup: Lookup, words: list[str]) -> Iterator[Sample]:
    """The vectors of a word and of a text of three words, cut to their leading components."""
    texts, some = [words[0]], words[:3]
    phrases = [f"{left}_{right}" for left in some for right in some]
    is_joined = lookup.preprocessing.phrases and bool((lookup.vocabulary.find(phrases) >= 0).any())
    if len(some) == 3 and not is_joined:
        texts.append(" ".join(some))
    size = min(_DIMENSIONS, lookup.preprocessing.dimensions)
    try:
        yield served.sample({"input": [*texts], "dimensions": size, "encoding_format": "float"}, EMBEDDINGS)
    except InvalidRequest:
        return  # The vectors cancel each other out, or their leading components are zero.
