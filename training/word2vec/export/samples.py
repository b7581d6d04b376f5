"""The samples of a bundle of word vectors: a few requests for each route, answered by the predictor that serves them.

Samples are replayed on other machines, whose floating-point arithmetic differs in the last bits. Nearest neighbors are
therefore requested only for words whose neighbors have clearly different scores.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
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

Triple = tuple[str, str, str]
"""The words a, b and c of the analogy "a is to b as c is to ?"."""

_MIN_GAP = 1e-3
"""Neighbors whose scores are closer might swap places on another machine."""

_NEIGHBORS = 3
_NEIGHBOR_WORDS = 3
_CANDIDATES = 48
_ANALOGY_CANDIDATES = 3
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
_ANALOGIES: tuple[Triple, ...] = (
    ("man", "king", "woman"),
    ("france", "paris", "italy"),
    ("France", "Paris", "Italy"),
    ("good", "better", "bad"),
)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Words and requests that samples can be made of, chosen by exact search."""

    words: list[str]
    """Well-known words first, then by frequency; at least one."""
    neighbors: dict[str, list[str]]
    """The nearest neighbors of each word that has clear ones."""
    analogies: dict[Triple, list[str]]
    """The answers to a few analogies that have clear ones."""


def choose_candidates(exact: SampleAnswers) -> Candidates:
    """Choose words, and find those whose neighbors are clear.

    Args:
        exact: answers by exact search, even if the bundle has an approximate index.
    """
    assert isinstance(exact.predictor, WordVectorsPredictor)
    words = _candidate_words(exact.predictor.lookup)
    results = exact.answer(_neighbors_request(words, _NEIGHBORS + 1), NEIGHBORS)
    neighbors = {word: _words(result) for word, result in zip(words, results, strict=True) if _is_clear(result)}
    analogies = dict(islice(_clear_analogies(exact, words), _ANALOGY_CANDIDATES))
    return Candidates(words=words, neighbors=neighbors, analogies=analogies)


def make_samples(served: SampleAnswers, candidates: Candidates) -> list[Sample]:
    """Answer a few requests as the server does; there is at least one.

    Args:
        served: answers of the bundle as it is served.
        candidates: the samples for neighbors are those that the served search answers like exact search.
    """
    return [
        _similarity(served, candidates.words),
        *_neighbors(served, candidates.neighbors),
        *_analogy(served, candidates.analogies),
        *_embeddings(served, candidates.words),
        *_composed(served, candidates.words),
    ]


def _candidate_words(lookup: Lookup) -> list[str]:
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


def _neighbors(served: SampleAnswers, neighbors: dict[str, list[str]]) -> Iterator[Sample]:
    """The neighbors of the first words that have clear ones; nothing if there is no such word."""
    words = list(neighbors)
    results = served.answer(_neighbors_request(words, _NEIGHBORS + 1), NEIGHBORS) if words else []
    same = [word for word, result in zip(words, results, strict=True) if _words(result) == neighbors[word]]
    if same:
        yield served.sample(_neighbors_request(same[:_NEIGHBOR_WORDS], _NEIGHBORS), NEIGHBORS)


def _neighbors_request(words: list[str], k: int) -> dict[str, JsonValue]:
    return {"words": [*words], "k": k}


def _analogy(served: SampleAnswers, analogies: dict[Triple, list[str]]) -> Iterator[Sample]:
    """The first analogy that has a clear answer; nothing if there is no such analogy."""
    for triple, expected in analogies.items():
        (result,) = served.answer(_analogy_request(triple, _NEIGHBORS + 1), ANALOGY)
        if _words(result) == expected:
            yield served.sample(_analogy_request(triple, _NEIGHBORS), ANALOGY)
            return


def _clear_analogies(exact: SampleAnswers, words: list[str]) -> Iterator[tuple[Triple, list[str]]]:
    """Analogies with clear answers, well-known ones first."""
    triples: list[Triple] = [triple for triple in _ANALOGIES if set(words) >= set(triple)]
    triples += zip(words, words[1:], words[2:], strict=False)
    for triple in triples:
        try:
            (result,) = exact.answer(_analogy_request(triple, _NEIGHBORS + 1), ANALOGY)
        except InvalidRequest:
            continue  # The three vectors cancel each other out.
        if _is_clear(result):
            yield triple, _words(result)


def _analogy_request(triple: Triple, k: int) -> dict[str, JsonValue]:
    a, b, c = triple
    return {"a": a, "b": b, "c": c, "k": k}


def _is_clear(result: dict[str, Any]) -> bool:
    """Whether there are neighbors, and their scores are clearly different.

    The result has one more neighbor than the sample, as that one might otherwise take the last one's place.
    """
    scores = [entry["score"] for entry in result["neighbors"]]
    return bool(scores) and min((left - right for left, right in pairwise(scores)), default=1) >= _MIN_GAP


def _composed(served: SampleAnswers, words: list[str]) -> Iterator[Sample]:
    """The similarities of an unknown word, a compound of two known ones, with both; nothing without n-grams."""
    assert isinstance(served.predictor, WordVectorsPredictor)
    lookup = served.predictor.lookup
    for left, right in pairwise(words):
        compound = left + right
        if compound not in lookup.vocabulary and lookup.compose(compound) is not None:
            yield served.sample({"pairs": [[compound, left], [compound, right]]}, SIMILARITY)
            return


def _words(result: dict[str, Any]) -> list[str]:
    """The words of neighbors, best first."""
    return [entry["word"] for entry in result["neighbors"]]


def _embeddings(served: SampleAnswers, words: list[str]) -> Iterator[Sample]:
    """The vectors of a word and of a text of three words, truncated to their leading components."""
    assert isinstance(served.predictor, WordVectorsPredictor)
    lookup = served.predictor.lookup
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
