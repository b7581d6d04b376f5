"""Vectors staged for an export: normalized words, unit vectors in a temporary file, and their second moments."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.text import Normalizer, normalize_word
from training.common.errors import ExportError
from training.common.progress import progress_bar
from training.common.vectors import Block


@dataclass(frozen=True, kw_only=True, eq=False)
class StagedVectors:
    """V distinct words and their unit vectors of D components, which are in a file."""

    words: list[str]
    path: Path
    """Raw float32 [V, D]: rows of norm 1, in the order of the source."""
    moments: NDArray[np.float64]
    """[D, D]: the sum of the outer products of the rows with themselves."""
    total: NDArray[np.float64]
    """[D]: the sum of the rows."""
    source_rows: NDArray[np.int64]
    """[V]: the row of the source that each word comes from."""
    dropped: int
    """Words left out because they are empty or equal to an earlier word once normalized."""

    @property
    def dimensions(self) -> int:
        """D."""
        return len(self.moments)

    def blocks(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Read all rows, `size` at a time, so that no more than these are in memory."""
        with self.path.open("rb") as stream:
            while len(numbers := np.fromfile(stream, np.float32, size * self.dimensions)):
                yield numbers.reshape(-1, self.dimensions)

    def rows(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the rows of some indices, [n, D]."""
        shape = (len(self.words), self.dimensions)
        rows: NDArray[np.float32] = np.memmap(self.path, np.float32, "r", shape=shape)[indices]
        return rows


def stage_vectors(
    blocks: Iterable[Block], folder: Path, *, dimensions: int, normalizer: Normalizer, max_words: int | None
) -> StagedVectors:
    """Write the unit vectors of the first `max_words` distinct words to a file in `folder`.

    Memory grows with the number of words, not with their vectors.

    Args:
        blocks: words and rows of the source, most frequent first.
        folder: folder of the file.
        dimensions: components of a row.
        normalizer: applied to the words; of words that become equal the first is kept.
        max_words: None for all.

    Raises:
        ExportError: no word is left, or a vector is zero or not finite.
    """
    words: dict[str, None] = {}
    source_rows: list[NDArray[np.int64]] = []
    moments, total = np.zeros((dimensions, dimensions)), np.zeros(dimensions)
    read = 0
    path = folder / "rows.f32"
    with (
        path.open("wb") as stream,
        progress_bar(total=max_words, description="reading", unit="words", unit_scale=True) as progress,
    ):
        for block in blocks:
            kept = _add_new_words(block.words, words, normalizer, max_words)
            rows = _to_unit(block.rows[kept], [block.words[row] for row in kept])
            stream.write(rows.tobytes())
            moments += rows.T @ rows
            total += rows.sum(axis=0, dtype=np.float64)
            source_rows.append(kept + read)
            read += len(block.words)
            progress.update(len(kept))
            if max_words is not None and len(words) >= max_words:
                read = int(source_rows[-1][-1]) + 1
                break
    if not words:
        raise ExportError("there is no word to export")
    return StagedVectors(
        words=list(words),
        path=path,
        moments=moments,
        total=total,
        source_rows=np.concatenate(source_rows),
        dropped=read - len(words),
    )


def _add_new_words(
    block_words: list[str], words: dict[str, None], normalizer: Normalizer, max_words: int | None
) -> NDArray[np.int64]:
    """Add the normalized words of a block to `words`, and return the rows of those that are new."""
    kept = []
    for row, word in enumerate(block_words):
        if max_words is not None and len(words) >= max_words:
            break
        normalized = normalize_word(word, normalizer)
        if normalized and normalized not in words:
            words[normalized] = None
            kept.append(row)
    return np.array(kept, np.int64)


def _to_unit(rows: NDArray[np.float32], words: list[str]) -> NDArray[np.float32]:
    """Scale rows to norm 1."""
    # In float64 the squares of float32 numbers neither overflow nor underflow.
    norms = np.sqrt(np.einsum("vd,vd->v", rows, rows, dtype=np.float64))
    bad = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(bad):
        raise ExportError(f"the vector of {words[bad[0]]!r} is zero or not finite; train again, or leave the word out")
    unit: NDArray[np.float32] = (rows / norms[:, None]).astype(np.float32)
    return unit
