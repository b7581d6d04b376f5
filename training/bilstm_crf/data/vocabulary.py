"""Vocabulary of a tagger: its words and characters, and the initial word vectors."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.bilstm_crf.config import NetworkConfig
from training.bilstm_crf.data.dataset import Sentence
from training.common.errors import ConfigError
from training.common.seed import derive_seed
from training.common.vectors import WordVectors
from training.common.vectors.loading import load_vectors_from

RANDOM_DIMENSIONS = 100
_MIN_WORD_COUNT = 2
"""Words seen once in training keep their pretrained vector or stay unknown, so that the unknown word is trained too."""
_MIN_CHARACTER_COUNT = 3
_STANDARD_DEVIATION = 0.3
"""Of the components of the table, so that words, characters and casing have a similar scale."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    """Vocabulary and initial word table of a network."""

    words: list[str]
    """Word i has row i + 1 of the table; row 0 is the unknown word."""
    characters: list[str]
    trained_rows: int
    """Rows of the table that are fine-tuned, the first ones: the unknown word and the words seen twice in training."""
    table: NDArray[np.float32]
    """[V+1, D]: the pretrained vectors; zero for the unknown word and for words without a vector."""
    initial_difference: NDArray[np.float32]
    """[trained_rows, D]: initial differences of the fine-tuned rows: zero for words with a pretrained vector,
    else random."""

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint; the table is stored with the network's weights."""
        return {"words": self.words, "characters": self.characters, "trained": self.trained_rows}


def build_lexicon(
    config: NetworkConfig, sentences: Iterable[Sentence], seed: int, more_characters: str = ""
) -> Lexicon:
    """The words and characters of the training sentences, and the most frequent other words with a vector.

    Args:
        config: the network's settings.
        sentences: the training sentences.
        seed: of the initial vectors of words that have none.
        more_characters: characters that are known even if the sentences do not have them.

    Raises:
        ConfigError: more dimensions are requested than the vectors have.
        DatasetError: the vectors cannot be read.
    """
    counts = Counter(word for sentence in sentences for word in sentence.words)
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    seen = [word for word, count in _ranked(counts) if count >= _MIN_WORD_COUNT]
    vectors = _load_vectors(config, seen)
    others = [] if vectors is None else _others(vectors, set(seen), config.extra_words)
    words = seen + others
    known = [character for character, count in _ranked(characters) if count >= _MIN_CHARACTER_COUNT]
    table = _table(vectors, words, config.dimensions)
    trained_rows = len(seen) + 1
    random = np.random.default_rng(derive_seed(seed, "words"))
    initial_difference = random.normal(0, _STANDARD_DEVIATION, (trained_rows, table.shape[1])).astype(np.float32)
    initial_difference[table[:trained_rows].any(axis=1)] = 0
    return Lexicon(
        words=words,
        characters=list(dict.fromkeys((*known, *more_characters))),
        trained_rows=trained_rows,
        table=table,
        initial_difference=initial_difference,
    )


def _ranked(counts: "Counter[str]") -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _load_vectors(config: NetworkConfig, seen: Sequence[str]) -> WordVectors | None:
    """The pretrained vectors, several files concatenated, reduced to fewer dimensions on request (PCA).

    Args:
        config: the network's settings.
        seen: words that are composed of n-grams where a file has these and lacks the word.
    """
    if not config.vectors:
        return None
    sets = [load_vectors_from(Path(part.strip())) for part in config.vectors.split(",")]
    vectors = _concatenate([_with_composed(vectors, seen) for vectors in sets])
    if config.dimensions > vectors.dimensions:
        raise ConfigError(
            f"dimensions is {config.dimensions}, but {config.vectors} has {vectors.dimensions}; ask for no more"
        )
    if not 0 < config.dimensions < vectors.dimensions:
        return vectors
    _, axes = np.linalg.eigh(np.cov(vectors.matrix, rowvar=False))  # in ascending order
    return replace(vectors, matrix=vectors.matrix @ axes[:, ::-1][:, : config.dimensions].astype(np.float32))


def _with_composed(vectors: WordVectors, words: Sequence[str]) -> WordVectors:
    """The vectors, and after them those of `words` that lack one, composed of n-grams as far as the vectors have these.

    Words of requests are not composed, as the tagger's table has no n-grams: the unknown word stays their vector.
    """
    if vectors.subwords is None:
        return vectors
    missing = [word for word, row in zip(words, _rows(vectors, words), strict=True) if row < 0]
    composed = {word: vector for word in missing if (vector := vectors.compose(word)) is not None}
    matrix = np.concatenate([vectors.matrix, *(vector[None] for vector in composed.values())])
    return WordVectors(words=[*vectors.words, *composed], matrix=matrix)


def _concatenate(sets: Sequence[WordVectors]) -> WordVectors:
    """The words of the first set with the concatenation of their vectors in all sets, each scaled to deviation 1.

    Zero where a set lacks the word. A set of lower-cased words supplies vectors for every casing, as at the beginning
    of sentences.
    """
    first, *others = sets
    if not others:
        return first
    columns = [first.matrix / first.matrix.std()]
    for other in others:
        rows = _rows(other, first.words)
        columns.append(np.where(rows[:, None] >= 0, other.matrix[rows], np.float32(0)) / other.matrix.std())
    return replace(first, matrix=np.concatenate(columns, axis=1))


def _rows(vectors: WordVectors, words: Sequence[str]) -> NDArray[np.int64]:
    """The row of each word, or of its lower-cased form; -1 if neither is in the vectors."""
    index = vectors.index
    return np.array([index.get(word, index.get(word.lower(), -1)) for word in words], np.int64)


def _others(vectors: WordVectors, seen: set[str], count: int) -> list[str]:
    """The first `count` words of `vectors` (all if 0) that are not in `seen`; files are sorted by frequency."""
    others = (word for word in vectors.words if word not in seen and "\n" not in word)
    return [word for word, _ in zip(others, range(count or len(vectors)), strict=False)]


def _table(vectors: WordVectors | None, words: Sequence[str], dimensions: int) -> NDArray[np.float32]:
    """[V+1, D]: the vector of each word or of its lower-cased form, scaled to `_STANDARD_DEVIATION`."""
    if vectors is None:
        return np.zeros((len(words) + 1, dimensions or RANDOM_DIMENSIONS), np.float32)
    rows = _rows(vectors, words)
    table = np.zeros((len(words) + 1, vectors.dimensions), np.float32)
    known = np.flatnonzero(rows >= 0)
    table[known + 1] = vectors.matrix[rows[known]]
    deviation = float(table[known + 1].std()) if len(known) else 1.0
    return table * np.float32(_STANDARD_DEVIATION / max(deviation, 1e-12))
