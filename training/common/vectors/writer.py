"""Writing the file formats of word2vec and GloVe."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import orjson
from numpy.typing import NDArray

from training.common.errors import ExportError
from training.common.files import atomic_writer
from training.common.vectors.reader import Format
from training.common.vectors.word_vectors import WordVectors

_WHITE_SPACE = frozenset(" \t\n\r")


def write_vectors(vectors: WordVectors, path: Path, *, format: Format, skip_bad: bool = False) -> list[str]:
    """Write a file of word vectors atomically; it is gzipped where its name ends in `.gz`.

    Text has the shortest numbers that read back as the same float32. Binary has a line feed after each row, as
    word2vec.c writes it.

    Args:
        vectors: the words and their vectors.
        path: the file.
        format: its format.
        skip_bad: leave out words that no format can hold, with white space in them.

    Returns:
        The words that were left out.

    Raises:
        ExportError: a word holds white space, and `skip_bad` is not set.
    """
    rows = [row for row, word in enumerate(vectors.words) if word and not _WHITE_SPACE.intersection(word)]
    kept = set(rows)
    left_out = [word for row, word in enumerate(vectors.words) if row not in kept]
    if left_out and not skip_bad:
        raise ExportError(
            f"the word {left_out[0]!r} is empty or holds white space: {format} cannot hold it; "
            "leave such words out with --skip-bad"
        )
    with _open_for_writing(path) as stream:
        if format != "glove":
            stream.write(f"{len(rows)} {vectors.dimensions}\n".encode())
        for index in rows:
            word, row = vectors.words[index], vectors.matrix[index]
            stream.write(word.encode() + b" " + (_binary(row) if format == "word2vec-binary" else _text(row)) + b"\n")
    return left_out


def _binary(row: NDArray[np.float32]) -> bytes:
    return row.astype("<f4").tobytes()


def _text(row: NDArray[np.float32]) -> bytes:
    return orjson.dumps(np.ascontiguousarray(row), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].replace(b",", b" ")


@contextmanager
def _open_for_writing(path: Path) -> Iterator[BinaryIO]:
    """Open a stream that becomes the file at the end; it compresses where the file's name ends in `.gz`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_writer(path) as stream:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as compressed:
                yield cast(BinaryIO, compressed)
        else:
            yield stream
