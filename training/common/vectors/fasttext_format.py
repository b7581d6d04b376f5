"""fastText's models (`.bin`): words and hashed n-grams, read in place from the memory-mapped file.

The format is that of fastText's `FastText::saveModel`, little-endian: magic number and version, twelve integers and a
float of settings, the dictionary, a flag for quantization, and the input matrix [words + buckets, D] in float32. The
output matrix after it is of no use for vectors.
"""

import mmap
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.text import CharacterNgrams
from training.common.errors import DatasetError
from training.common.vectors.rows import MAX_DIMENSIONS, MAX_WORD_BYTES, Block, RowChecks
from training.common.vectors.subword_vectors import BucketMatrix, SubwordVectors
from training.common.vectors.word_rows import WordRows, word_rows

MAGIC = struct.pack("<i", 793712314)

_VERSIONS = (11, 12)
_SETTINGS = struct.Struct("<12id")
_DICTIONARY = struct.Struct("<iiiqq")
_ENTRY = struct.Struct("<qb")
_SHAPE = struct.Struct("<qq")
_SUPERVISED = 3
_END_OF_SENTENCE = "</s>"
"""A word of every model, which fastText gives no n-grams."""
_BLOCK_WORDS = 8_192
_COPY_BYTES = 16 << 20
_MOST_BUCKETS = 1 << 30


class _Settings(NamedTuple):
    dimensions: int
    window: int
    epochs: int
    min_count: int
    negatives: int
    word_ngrams: int
    loss: int
    model: int
    buckets: int
    min_ngram: int
    max_ngram: int
    update_rate: int
    sample: float


class FastTextModel:
    """The words and vectors of a model.

    Args:
        path: for messages.
        content: the file, memory-mapped.

    Raises:
        DatasetError: the file is damaged, of another version, quantized, or a classifier.
    """

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path, self._content = path, content
        version = self._unpack(struct.Struct("<i"), len(MAGIC))[0]
        if version not in _VERSIONS:
            raise DatasetError(f"{path}: is a fastText model of version {version}; versions 11 and 12 can be read")
        settings = _Settings(*self._unpack(_SETTINGS, 8))
        if settings.model == _SUPERVISED:
            raise DatasetError(f"{path}: is a classifier of fastText's (supervised), not a model of word vectors")
        if not 0 < settings.dimensions <= MAX_DIMENSIONS or not 0 <= settings.buckets < _MOST_BUCKETS:
            raise self._damaged(f"it promises {settings.dimensions} dimensions and {settings.buckets} buckets")
        self.dimensions = settings.dimensions
        self._words, counts, end = self._read_dictionary(8 + _SETTINGS.size)
        self._matrix = self._read_matrix(end, len(self._words) + settings.buckets)
        self._source_counts = counts
        self.counts = np.zeros(len(counts), np.int64)
        """Occurrences of the words that `blocks` has yielded, in their order."""
        self._ngrams = None
        if settings.max_ngram > 0 and settings.buckets:
            self._ngrams = CharacterNgrams(
                min_ngram=max(1, settings.min_ngram), max_ngram=settings.max_ngram, buckets=settings.buckets
            )

    def __len__(self) -> int:
        """Number of words."""
        return len(self._words)

    @property
    def subwords(self) -> SubwordVectors | None:
        """The vectors of the n-grams; None for a model without them."""
        if self._ngrams is None:
            return None
        table = BucketMatrix(self._matrix[len(self._words) :])
        return SubwordVectors(ngrams=self._ngrams, table=table, dimensions=self.dimensions)

    def blocks(self, checks: RowChecks) -> Generator[Block, None, int]:
        """The words in order, each with the mean of its own row and those of its n-grams, as fastText composes it.

        Returns:
            The number of words, unusable ones included.
        """
        done = 0
        for start in range(0, len(self._words), _BLOCK_WORDS):
            raw = self._words[start : start + _BLOCK_WORDS]
            block = checks.block(raw, self._vectors(raw, start), lambda row, start=start: f": word {start + row + 1:,}")  # type: ignore[misc]
            counts = dict(zip(raw, self._source_counts[start : start + len(raw)].tolist(), strict=True))
            self.counts[done : done + len(block.words)] = [counts[word.encode()] for word in block.words]
            done += len(block.words)
            yield block
        return len(self._words)

    def _vectors(self, raw: list[bytes], start: int) -> NDArray[np.float32]:
        """The vectors [n, D] of consecutive words, the first of which is the model's word `start`."""
        own: NDArray[np.float32] = np.array(self._matrix[start : start + len(raw)])
        if self._ngrams is None:
            return own
        words = [word.decode("utf-8", "replace") for word in raw]  # what is no UTF-8 is refused by the checks
        rows: WordRows = word_rows(words, self._ngrams, first_row=start, first_bucket=len(self._words))
        vectors = rows.compose(self._matrix)
        if _END_OF_SENTENCE in words:
            end = words.index(_END_OF_SENTENCE)
            vectors[end] = own[end]
        return vectors

    def _read_dictionary(self, offset: int) -> tuple[list[bytes], NDArray[np.int64], int]:
        """The words, their counts, and where the dictionary ends."""
        size, count, labels, _, pruned = self._unpack(_DICTIONARY, offset)
        if labels > 0:
            raise DatasetError(f"{self._path}: holds {labels:,} labels: it is a classifier of fastText's")
        if count < 1 or size != count:
            raise self._damaged(f"its dictionary has {size:,} entries, {count:,} of which are words")
        offset += _DICTIONARY.size
        content = self._content
        words: list[bytes] = []
        counts: list[int] = []
        for _ in range(count):
            end = content.find(b"\0", offset, offset + MAX_WORD_BYTES + 1)
            if end < 0:
                raise self._damaged(f"word {len(words) + 1:,} does not end (byte {offset:,})")
            words.append(content[offset:end])
            counts.append(self._unpack(_ENTRY, end + 1)[0])
            offset = end + 1 + _ENTRY.size
        if min(counts) < 0:
            raise self._damaged("a word has a negative count")
        return words, np.array(counts, np.int64), offset + 8 * max(pruned, 0)

    def _read_matrix(self, offset: int, rows: int) -> NDArray[np.float32]:
        """The input matrix [rows, D], in place."""
        if self._unpack(struct.Struct("<?"), offset)[0]:
            raise DatasetError(
                f"{self._path}: is quantized, as fastText's .ftz; take the .bin, or the .vec, that it was made from"
            )
        shape = self._unpack(_SHAPE, offset + 1)
        if shape != (rows, self.dimensions):
            raise self._damaged(f"its matrix is {list(shape)}, not [{rows}, {self.dimensions}]")
        start = offset + 1 + _SHAPE.size
        needed = start + 4 * rows * self.dimensions
        if needed > len(self._content):
            raise self._damaged(f"it has {len(self._content):,} bytes, its matrix needs {needed:,}: it was cut off")
        # float32 at an odd offset: numpy reads unaligned arrays too.
        matrix = np.frombuffer(self._content, "<f4", rows * self.dimensions, start)
        return matrix.reshape(rows, self.dimensions)

    def _unpack(self, structure: struct.Struct, offset: int) -> tuple[int, ...]:
        try:
            return structure.unpack_from(self._content, offset)
        except struct.error as error:
            raise self._damaged(f"it ends at byte {len(self._content):,}, within its head: it was cut off") from error

    def _damaged(self, reason: str) -> DatasetError:
        return DatasetError(f"{self._path}: is a damaged fastText model: {reason}")


@contextmanager
def mapped_model(path: Path, stream: BinaryIO) -> Iterator[FastTextModel]:
    """Open a model.

    A packed file is unpacked to a temporary one first, as n-grams are read in any order.

    Args:
        path: the file.
        stream: what it holds, unpacked, from the start.

    Raises:
        DatasetError: see `FastTextModel`.
    """
    with path.open("rb") if _is_plain(path) else _unpacked(path, stream) as file:
        yield FastTextModel(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _is_plain(path: Path) -> bool:
    if not path.is_file():  # a member of an archive
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def _unpacked(path: Path, stream: BinaryIO) -> BinaryIO:
    """A temporary file with the content of a stream."""
    file = TemporaryFile()  # noqa: SIM115  (closed by the caller)
    try:
        while chunk := stream.read(_COPY_BYTES):
            file.write(chunk)
        file.flush()
    except OSError as error:
        file.close()
        raise DatasetError(
            f"{path}: cannot be unpacked to a temporary file ({error.strerror}); unpack it yourself, or name a folder "
            "with room in TMPDIR"
        ) from error
    return file
