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

    def as_dict(self) -> dict[str, Any]:
        """The score as JSON."""
        rho = None if self.spearman is None else round(self.spearman, 6)
        return {"spearman": rho, "pairs": self.pairs, "skipped": self.skipped}


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
        vectors: vectors of any norm.
        pairs: the rated pairs.
        name: name of the test set.
        fold: whether to ignore case.
    """
    vocabulary = FoldedVocabulary(vectors.words, fold=fold)
    known = [(rows, pair.rating) for pair in pairs if (rows := vocabulary.rows(pair.words))]
    left, right = vectors.matrix[np.array([rows for rows, _ in known], np.int64).reshape(-1, 2).T]
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines = np.einsum("nd,nd->n", left, right) / np.maximum(norms, np.finfo(np.float32).tiny)
    return PairScore(
        name=name,
        spearman=spearman(cosines, [rating for _, rating in known]),
        pairs=len(known),
        skipped=len(pairs) - len(known),
    )


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
