"""Rows on their way into a bundle: words as look-ups will spell them, unit vectors on disk, second moments."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.text import Normalizer, normalize_word
from training.common.errors import ExportError
from training.common.progress import bar
from training.common.vectors import Block


@dataclass(frozen=True, kw_only=True, eq=False)
class Staged:
    """V words and their unit vectors of D components, which lie in a file."""

    words: list[str]
    path: Path
    """float32 [V, D], nothing else: rows of norm 1, in the order of the source."""
    moments: NDArray[np.float64]
    """[D, D]: the sum of the rows' outer products."""
    total: NDArray[np.float64]
    """[D]: the sum of the rows."""
    origins: NDArray[np.int64]
    """[V]: which row of the source each one is."""
    dropped: int
    """Rows left out because the normaliser makes their word one that a more frequent word already is, or nothing."""

    @property
    def dimensions(self) -> int:
        """D."""
        return len(self.moments)

    def blocks(self, count: int) -> Iterator[NDArray[np.float32]]:
        """All rows, `count` at a time: read, not mapped, so that no more than those are in memory."""
        with self.path.open("rb") as stream:
            while len(numbers := np.fromfile(stream, np.float32, count * self.dimensions)):
                yield numbers.reshape(-1, self.dimensions)

    def rows(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some rows, [n, D]."""
        shape = (len(self.words), self.dimensions)
        rows: NDArray[np.float32] = np.memmap(self.path, np.float32, "r", shape=shape)[chosen]
        return rows


def stage(
    blocks: Iterable[Block], folder: Path, *, dimensions: int, normaliser: Normalizer, max_words: int | None
) -> Staged:
    """Take the first `max_words` words, most frequent first, one for each spelling that the normaliser leaves.

    Memory grows with the words, not with the vectors: those go to a file in `folder`.

    Raises:
        ExportError: no word is left, or a vector is zero or not finite.
    """
    words: dict[str, None] = {}
    origins: list[NDArray[np.int64]] = []
    moments, total = np.zeros((dimensions, dimensions)), np.zeros(dimensions)
    met = 0
    path = folder / "rows.f32"
    with path.open("wb") as stream, bar(total=max_words, text="reading", unit="words", scaled=True) as progress:
        for block in blocks:
            kept = _first_of_each(block.words, words, normaliser, max_words)
            rows = _unit(block.rows[kept], [block.words[row] for row in kept])
            stream.write(rows.tobytes())
            moments += rows.T @ rows
            total += rows.sum(axis=0, dtype=np.float64)
            origins.append(kept + met)
            met += len(block.words)
            progress.update(len(kept))
            if max_words is not None and len(words) >= max_words:
                met = int(origins[-1][-1]) + 1
                break
    if not words:
        raise ExportError("there is no word to export")
    return Staged(
        words=list(words),
        path=path,
        moments=moments,
        total=total,
        origins=np.concatenate(origins),
        dropped=met - len(words),
    )


def _first_of_each(
    found: list[str], words: dict[str, None], normaliser: Normalizer, max_words: int | None
) -> NDArray[np.int64]:
    """The rows of a block whose words are new; `words` takes them in."""
    kept = []
    for row, word in enumerate(found):
        if max_words is not None and len(words) >= max_words:
            break
        spelling = normalize_word(word, normaliser)
        if spelling and spelling not in words:
            words[spelling] = None
            kept.append(row)
    return np.array(kept, np.int64)


def _unit(rows: NDArray[np.float32], words: list[str]) -> NDArray[np.float32]:
    # In float64 the squares of float32 numbers neither overflow nor vanish.
    norms = np.sqrt(np.einsum("vd,vd->v", rows, rows, dtype=np.float64))
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        raise ExportError(f"the vector of {words[bad[0]]!r} is zero or not finite; train again, or leave the word out")
    unit: NDArray[np.float32] = (rows / norms[:, None]).astype(np.float32)
    return unit
