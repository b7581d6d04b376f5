"""Word similarity: Spearman's rank correlation of cosines with human ratings of word pairs."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.common.errors import DatasetError
from training.common.files import split_fields
from training.common.vectors import WordVectors
from training.word2vec.case_folding import FoldedVocabulary


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One rated pair of a file."""

    index: int
    """Index of its line in the file, from 0."""
    words: tuple[str, str]
    rating: float
    """Similarity according to people."""


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """The rank correlation of cosines and ratings over one file."""

    name: str
    spearman: float | None
    """None if fewer than two pairs are known, or all cosines or all ratings are equal."""
    pairs: int
    """Pairs whose words are both in the vocabulary."""
    skipped: int
    """Pairs with a word that is not in the vocabulary."""

    composed: "ComposedScore | None" = None
    """The skipped pairs whose vectors are composed of n-grams; None for vectors without n-grams."""

    def as_dict(self) -> dict[str, Any]:
        """The score as JSON."""
        fields = {"spearman": _rounded(self.spearman), "pairs": self.pairs, "skipped": self.skipped}
        return fields if self.composed is None else fields | {"composed": self.composed.as_dict()}


@dataclass(frozen=True, kw_only=True)
class ComposedScore:
    """The rank correlation over pairs with a word that is not in the vocabulary and composed of n-grams."""

    pairs: int
    spearman: float | None
    """Over these pairs alone."""
    spearman_of_all: float | None
    """Over these and those of known words together."""

    def as_dict(self) -> dict[str, Any]:
        """The score as JSON."""
        return {
            "pairs": self.pairs,
            "spearman": _rounded(self.spearman),
            "spearman_of_all": _rounded(self.spearman_of_all),
        }


def read_pairs(name: str, lines: Sequence[str]) -> Iterator[Pair]:
    """Parse a pair file: two words and a number per line, separated by tabs or spaces; `#` starts a comment line.

    Args:
        name: name of the file, for error messages.
        lines: its content.

    Raises:
        DatasetError: a line is anything else; the message names file and line.
    """
    for index, line in enumerate(lines):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.rstrip("\r\n").split("\t") if "\t" in line else split_fields(line)
        rating = _parse_number(fields[2]) if len(fields) == 3 else None
        if rating is None:
            raise DatasetError(f"{name}:{index + 1}: is {line.strip()!r}, not two words and a number, between tabs")
        yield Pair(index=index, words=(fields[0].strip(" "), fields[1].strip(" ")), rating=rating)


def score_pairs(vectors: WordVectors, pairs: Sequence[Pair], name: str, *, fold: bool = True) -> PairScore:
    """Spearman's rho of the pairs' cosines with their ratings.

    Args:
        vectors: vectors of any norm; with vectors of n-grams, pairs of unknown words are scored too, apart.
        pairs: the rated pairs.
        name: name of the test set.
        fold: whether to ignore case.
    """
    vocabulary = FoldedVocabulary(vectors.words, fold=fold)
    known = [(rows, pair.rating) for pair in pairs if (rows := vocabulary.rows(pair.words))]
    left, right = vectors.matrix[np.array([rows for rows, _ in known], np.int64).reshape(-1, 2).T]
    cosines, ratings = _cosines(left, right), [rating for _, rating in known]
    composed = None
    if vectors.subwords is not None:
        composed = _score_composed(vectors, vocabulary, pairs, (cosines, ratings))
    return PairScore(
        name=name,
        spearman=spearman(cosines, ratings),
        pairs=len(known),
        skipped=len(pairs) - len(known),
        composed=composed,
    )


def _score_composed(
    vectors: WordVectors,
    vocabulary: FoldedVocabulary,
    pairs: Sequence[Pair],
    known: tuple[NDArray[np.float32], list[float]],
) -> ComposedScore:
    """Score the pairs with an unknown word.

    Args:
        vectors: the vectors, with those of n-grams.
        vocabulary: finds the words.
        pairs: all pairs.
        known: cosines and ratings of the pairs of known words.
    """

    def vector(word: str) -> NDArray[np.float32] | None:
        rows = vocabulary.rows([word])
        return vectors.matrix[rows[0]] if rows else vectors.compose(word)

    both: list[list[NDArray[np.float32]]] = []
    ratings: list[float] = []
    for pair in pairs:
        some = [found for word in pair.words if (found := vector(word)) is not None]
        if len(some) == 2 and not vocabulary.rows(pair.words):
            both.append(some)
            ratings.append(pair.rating)
    left, right = np.array(both, np.float32).reshape(-1, 2, vectors.dimensions).transpose(1, 0, 2)
    cosines = _cosines(left, right)
    return ComposedScore(
        pairs=len(ratings),
        spearman=spearman(cosines, ratings),
        spearman_of_all=spearman(np.concatenate([known[0], cosines]), known[1] + ratings),
    )


def _cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine of each row of `left` with that of `right`, both [n, D]; zero where one is zero."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines: NDArray[np.float32] = np.einsum("nd,nd->n", left, right) / np.maximum(norms, np.finfo(np.float32).tiny)
    return cosines


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """Spearman's rank correlation of x and y [N], with mean ranks for ties; None where it is undefined."""
    ranks = np.stack([_ranks(np.asarray(x)), _ranks(np.asarray(y))])
    centered = ranks - ranks.mean(1, keepdims=True) if ranks.size else ranks
    spread = math.sqrt(float((centered[0] ** 2).sum() * (centered[1] ** 2).sum()))
    return float((centered[0] * centered[1]).sum()) / spread if spread else None


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: NDArray[np.float64] = counts.cumsum() - (counts - 1) / 2
    return mean_ranks[inverse]


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _rounded(rho: float | None) -> float | None:
    return None if rho is None else round(rho, 6)
