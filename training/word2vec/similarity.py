"""Word pairs that people have judged: how well the cosine of two vectors orders them (Spearman's rho)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.common.errors import DatasetError
from training.common.vectors import WordVectors
from training.word2vec.case_folding import FoldedWords


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One line of a file of pairs: `index` (from 0) is the line's, `judgement` what people said."""

    index: int
    words: tuple[str, str]
    judgement: float


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """How cosines and judgements agree over one file."""

    name: str
    spearman: float | None
    """None where fewer than two pairs are known or all are equal."""
    pairs: int
    """Pairs of known words."""
    skipped: int
    """Pairs with an unknown word."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rho = None if self.spearman is None else round(self.spearman, 6)
        return {"spearman": rho, "pairs": self.pairs, "skipped": self.skipped}


def read_pairs(name: str, lines: Sequence[str]) -> Iterator[Pair]:
    """The pairs of a file called `name`: two words and a number a line, between tabs or blanks; `#` is a comment.

    Raises:
        DatasetError: a line is something else; file and line are named.
    """
    for index, line in enumerate(lines):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
        judgement = _number(fields[2]) if len(fields) == 3 else None
        if judgement is None:
            raise DatasetError(f"{name}:{index + 1}: is {line.strip()!r}, not two words and a number, between tabs")
        yield Pair(index=index, words=(fields[0].strip(), fields[1].strip()), judgement=judgement)


def score_pairs(vectors: WordVectors, pairs: Sequence[Pair], name: str, *, fold: bool = True) -> PairScore:
    """Spearman's rho of the pairs' cosines with their judgements.

    Args:
        fold: whether words that differ in case only are the same.
    """
    folded = FoldedWords(vectors.words, fold=fold)
    found = [(rows, pair.judgement) for pair in pairs if (rows := folded.find(pair.words))]
    left, right = vectors.matrix[np.array([rows for rows, _ in found], np.int64).reshape(-1, 2).T]
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines = np.einsum("nd,nd->n", left, right) / np.maximum(norms, np.finfo(np.float32).tiny)
    return PairScore(
        name=name,
        spearman=spearman(cosines, [judgement for _, judgement in found]),
        pairs=len(found),
        skipped=len(pairs) - len(found),
    )


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """The correlation of the ranks of x and y [N], ties having their mean rank; None where it is not defined."""
    ranks = np.stack([_ranks(np.asarray(x)), _ranks(np.asarray(y))])
    centred = ranks - ranks.mean(1, keepdims=True) if ranks.size else ranks
    spread = math.sqrt(float((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / spread if spread else None


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_ranks: NDArray[np.float64] = counts.cumsum() - (counts - 1) / 2
    return mean_ranks[inverse]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
