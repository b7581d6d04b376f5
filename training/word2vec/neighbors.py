"""Nearest neighbors of words, as a Markdown table."""

from collections.abc import Sequence

import numpy as np

from training.common.errors import DatasetError
from training.common.vectors import WordVectors
from training.word2vec.case_folding import FoldedVocabulary


def nearest(vectors: WordVectors, words: Sequence[str], count: int) -> dict[str, list[tuple[str, float]]]:
    """Find the `count` words with the highest cosine to each of `words`, best first, the word itself excluded.

    Args:
        vectors: searched exactly; pass `vectors.first(n)` to leave rare words out.
        words: looked up without regard to case; unknown ones are skipped.
        count: neighbors per word; fewer if the vocabulary is smaller.

    Returns:
        (neighbor, cosine) pairs by word, as the vocabulary spells it.
    """
    vocabulary = FoldedVocabulary(vectors.words)
    rows = [match[0] for word in words if (match := vocabulary.rows([word]))]
    unit = vectors.unit()
    cosines = unit[rows] @ unit.T
    cosines[np.arange(len(rows)), rows] = -np.inf
    best = np.argsort(-cosines, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)]
    return {
        vectors.words[row]: [(vectors.words[neighbor], float(row_cosines[neighbor])) for neighbor in neighbors]
        for row, neighbors, row_cosines in zip(rows, best, cosines, strict=True)
    }


def neighbors_table(vectors: WordVectors, words: Sequence[str], count: int = 8) -> str:
    """Format the result of `nearest` as a Markdown table, one line per word.

    Raises:
        DatasetError: none of the words is in the vocabulary.
    """
    neighbors_by_word = nearest(vectors, words, count)
    if not neighbors_by_word:
        raise DatasetError(f"none of {', '.join(words)} is in the vocabulary of {len(vectors):,} words")
    lines = ["| word | nearest words (cosine) |", "|---|---|"]
    lines += [
        f"| {_cell(word)} | {', '.join(f'{_cell(neighbor)} {cosine:.2f}' for neighbor, cosine in neighbors)} |"
        for word, neighbors in neighbors_by_word.items()
    ]
    return "\n".join(lines) + "\n"


def _cell(word: str) -> str:
    return word.replace("|", "\\|")
