"""The words and characters that a tagger knows, and the vectors it begins with."""

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
from training.common.seed import derive
from training.common.vectors import WordVectors
from training.common.vectors.loading import open_vectors_of

RANDOM_DIMENSIONS = 100
_LEAST_WORDS = 2
"""A word met once in training is left to its given vector, or stays unknown: so the unknown word is trained too."""
_LEAST_CHARACTERS = 3
_DEVIATION = 0.3
"""Of the components of the table, so that words, characters and casing are of like size."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lexicon:
    """What the network reads words with."""

    words: list[str]
    """Word i has row i + 1 of the table."""
    characters: list[str]
    trained: int
    """How many of the table's first rows are tuned: the unknown word and the words met at least twice in training."""
    table: NDArray[np.float32]
    """[V + 1, D]: the given vectors; zero for the unknown word and for words without one."""
    start: NDArray[np.float32]
    """[trained, D]: what the tuned differences begin with: zero where a vector is given, else random."""

    def state(self) -> dict[str, Any]:
        """Words and characters for a checkpoint; the table is among the network's weights."""
        return {"words": self.words, "characters": self.characters, "trained": self.trained}


def build_lexicon(config: NetworkConfig, sentences: Iterable[Sentence], seed: int) -> Lexicon:
    """Words and characters of the training sentences, and the most frequent others that have a vector.

    Raises:
        ConfigError: more dimensions are asked for than the vectors have.
        DatasetError: the vectors cannot be read.
    """
    counts = Counter(word for sentence in sentences for word in sentence.words)
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    seen = [word for word, count in _ranked(counts) if count >= _LEAST_WORDS]
    vectors = _open(config)
    others = [] if vectors is None else _others(vectors, set(seen), config.other_words)
    words = seen + others
    table = _table(vectors, words, config.dimensions)
    trained = len(seen) + 1
    random = np.random.default_rng(derive(seed, "words"))
    start = random.normal(0, _DEVIATION, (trained, table.shape[1])).astype(np.float32)
    start[table[:trained].any(axis=1)] = 0
    return Lexicon(
        words=words,
        characters=[character for character, count in _ranked(characters) if count >= _LEAST_CHARACTERS],
        trained=trained,
        table=table,
        start=start,
    )


def _ranked(counts: "Counter[str]") -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def _open(config: NetworkConfig) -> WordVectors | None:
    """The vectors as given, those of several files side by side; reduced where fewer dimensions are asked for."""
    if not config.vectors:
        return None
    vectors = _side_by_side([open_vectors_of(Path(part.strip())) for part in config.vectors.split(",")])
    if config.dimensions > vectors.dimensions:
        raise ConfigError(
            f"dimensions is {config.dimensions}, but {config.vectors} has {vectors.dimensions}; ask for no more"
        )
    if not 0 < config.dimensions < vectors.dimensions:
        return vectors
    _, axes = np.linalg.eigh(np.cov(vectors.matrix, rowvar=False))  # in ascending order
    return replace(vectors, matrix=vectors.matrix @ axes[:, ::-1][:, : config.dimensions].astype(np.float32))


def _side_by_side(parts: Sequence[WordVectors]) -> WordVectors:
    """The words of the first, each with its vectors in all parts, in like sizes; zero where a part lacks the word.

    A part whose words are all lower-cased lends its vectors to every casing: headlines, beginnings of sentences.
    """
    first, *others = parts
    if not others:
        return first
    columns = [first.matrix / first.matrix.std()]
    for part in others:
        rows = _rows(part, first.words)
        columns.append(np.where(rows[:, None] >= 0, part.matrix[rows], np.float32(0)) / part.matrix.std())
    return replace(first, matrix=np.concatenate(columns, axis=1))


def _rows(vectors: WordVectors, words: Sequence[str]) -> NDArray[np.int64]:
    """The row of every word, or of its lower-cased form; -1 where neither is there."""
    index = vectors.index
    return np.array([index.get(word, index.get(word.lower(), -1)) for word in words], np.int64)


def _others(vectors: WordVectors, seen: set[str], count: int) -> list[str]:
    """The first words of `vectors` that are not `seen`; files are in the order of frequency."""
    others = (word for word in vectors.words if word not in seen and "\n" not in word)
    return [word for word, _ in zip(others, range(count or len(vectors)), strict=False)]


def _table(vectors: WordVectors | None, words: Sequence[str], dimensions: int) -> NDArray[np.float32]:
    """[V + 1, D]: the vector of every word or of its lower-cased form, all brought to one size."""
    if vectors is None:
        return np.zeros((len(words) + 1, dimensions or RANDOM_DIMENSIONS), np.float32)
    rows = _rows(vectors, words)
    table = np.zeros((len(words) + 1, vectors.dimensions), np.float32)
    found = np.flatnonzero(rows >= 0)
    table[found + 1] = vectors.matrix[rows[found]]
    deviation = float(table[found + 1].std()) if len(found) else 1.0
    return table * np.float32(_DEVIATION / max(deviation, 1e-12))
