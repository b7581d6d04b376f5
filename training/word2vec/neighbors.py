"""The words nearest to a word, as a table to read."""

from collections.abc import Sequence

import numpy as np

from training.common.errors import DatasetError
from training.common.vectors import WordVectors
from training.word2vec.case_folding import FoldedWords


def nearest(vectors: WordVectors, words: Sequence[str], count: int) -> dict[str, list[tuple[str, float]]]:
    """For each known word of `words` the `count` words of the highest cosine, best first, without the word itself.

    Args:
        vectors: what is searched; hand in `vectors.first(n)` to leave rare words out.
        words: others in case only are found too; unknown ones are left out.
        count: fewer come from a smaller vocabulary.
    """
    folded = FoldedWords(vectors.words)
    rows = [found[0] for word in words if (found := folded.find([word]))]
    unit = vectors.unit()
    cosines = unit[rows] @ unit.T
    cosines[np.arange(len(rows)), rows] = -np.inf
    best = np.argsort(-cosines, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)]
    return {
        vectors.words[row]: [(vectors.words[other], float(of_row[other])) for other in order]
        for row, order, of_row in zip(rows, best, cosines, strict=True)
    }


def neighbours_table(vectors: WordVectors, words: Sequence[str], count: int = 8) -> str:
    """`nearest` as a table in Markdown, a line for each word.

    Raises:
        DatasetError: none of the words is known.
    """
    found = nearest(vectors, words, count)
    if not found:
        raise DatasetError(f"none of {', '.join(words)} is in the vocabulary of {len(vectors):,} words")
    lines = ["| word | nearest words (cosine) |", "|---|---|"]
    lines += [
        f"| {_cell(word)} | {', '.join(f'{_cell(other)} {cosine:.2f}' for other, cosine in others)} |"
        for word, others in found.items()
    ]
    return "\n".join(lines) + "\n"


def _cell(word: str) -> str:
    return word.replace("|", "\\|")
