"""Opening a file of word vectors: recognizing its format, and streaming its rows in blocks."""

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast, get_args

import numpy as np

from training.common.errors import DatasetError
from training.common.vectors.binary_format import binary_blocks
from training.common.vectors.rows import MAX_DIMENSIONS, Block, RowChecks
from training.common.vectors.text_format import text_blocks
from training.common.vectors.word_vectors import WordVectors

Format = Literal["word2vec-text", "word2vec-binary", "glove"]
"""word2vec-text (fastText's .vec too) and word2vec-binary begin with a line `<words> <dimensions>`, glove does not."""

FORMATS: tuple[Format, ...] = get_args(Format)

_PEEK = 1 << 16
_LONGEST_FIRST_LINE = 1 << 21
_HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t]+(\d{1,18})[ \t]*\r?\n")


@dataclass(frozen=True, kw_only=True)
class VectorFile:
    """An open file of word vectors."""

    format: Format
    dimensions: int
    rows: int | None
    """Number of rows according to the header; None for GloVe's format, which has none."""
    _checks: RowChecks
    _stream: BinaryIO

    @property
    def skipped(self) -> int:
        """Number of unusable rows that were left out so far."""
        return self._checks.skipped

    def blocks(self) -> Iterator[Block]:
        """Yield all rows in order, once; memory grows with the words only, which are kept to find duplicates.

        Raises:
            DatasetError: a bad row (without `skip_bad`), or more or fewer rows than the header promises.
        """
        start = self._stream.tell()
        with _readable(self._checks.path):
            if self.format == "word2vec-binary":
                assert self.rows is not None
                yield from binary_blocks(
                    self._stream, self._checks, dimensions=self.dimensions, start=start, rows=self.rows
                )
            else:
                line = 1 if self.rows is None else 2
                yield from text_blocks(
                    self._stream, self._checks, dimensions=self.dimensions, line=line, rows=self.rows
                )


@contextmanager
def open_vectors(
    path: Path, *, format: Format | Literal["auto"] = "auto", skip_bad: bool = False
) -> Iterator[VectorFile]:
    """Open a file of word vectors, plain or gzipped, whatever its name.

    Args:
        path: the file.
        format: `auto` recognizes it by the content.
        skip_bad: leave out and count unusable rows: another width, a duplicate word, a zero vector.

    Raises:
        DatasetError: no such file, an empty one, an impossible header, or an unknown format.
    """
    with _opened(path) as (stream, size), _readable(path):
        yield _identify(path, stream, size, format, RowChecks(path, skip_bad=skip_bad))


def read_vectors(
    path: Path, *, format: Format | Literal["auto"] = "auto", max_words: int | None = None, skip_bad: bool = False
) -> WordVectors:
    """Read a file, or its first `max_words` usable rows, into memory; for the other arguments see `open_vectors`."""
    words: list[str] = []
    parts = []
    with open_vectors(path, format=format, skip_bad=skip_bad) as file:
        for block in file.blocks():
            words += block.words
            parts.append(block.rows)
            if max_words is not None and len(words) >= max_words:
                break
    if not words:
        raise DatasetError(f"{path}: holds no row that can be used")
    return WordVectors(words=words, matrix=np.concatenate(parts)).first(max_words or len(words))


def _identify(
    path: Path, stream: BinaryIO, size: int | None, format: Format | Literal["auto"], checks: RowChecks
) -> VectorFile:
    first = stream.readline(_LONGEST_FIRST_LINE)
    if not first.strip():
        raise DatasetError(f"{path}: is empty" if not first else f"{path}:1: is an empty line, not a header or a row")
    header = None if format == "glove" else _HEADER.fullmatch(first)
    if header is None:
        if format not in ("auto", "glove"):
            raise DatasetError(f"{path}:1: is {_excerpt(first)}, not a header '<words> <dimensions>' as {format} has")
        dimensions = _glove_width(path, first)
        stream.seek(0)
        return VectorFile(format="glove", dimensions=dimensions, rows=None, _checks=checks, _stream=stream)
    rows, dimensions = int(header[1]), int(header[2])
    if format == "auto":
        start = stream.tell()
        format = "word2vec-binary" if _is_binary(stream.read(_PEEK), dimensions) else "word2vec-text"
        stream.seek(start)
    _check_header(path, rows, dimensions, size, number=4 if format == "word2vec-binary" else 2)
    return VectorFile(format=format, dimensions=dimensions, rows=rows, _checks=checks, _stream=stream)


def _check_header(path: Path, rows: int, dimensions: int, size: int | None, *, number: int) -> None:
    """Refuse an impossible header, before anything is allocated in the sizes that it states."""
    if not rows or not 0 < dimensions <= MAX_DIMENSIONS:
        raise DatasetError(
            f"{path}:1: the header promises {rows:,} rows of {dimensions:,} numbers; "
            f"there must be a row, and from 1 to {MAX_DIMENSIONS:,} numbers"
        )
    min_size = rows * (2 + number * dimensions)
    if size is not None and size < min_size:
        raise DatasetError(
            f"{path}:1: the header promises {rows:,} rows of {dimensions:,} numbers, at least {min_size:,} bytes, "
            f"the file has {size:,}; it was cut off or the header is wrong"
        )


def _glove_width(path: Path, line: bytes) -> int:
    """The number of dimensions, from the first row."""
    fields = line.split(b" ", 1)[-1].split()
    try:
        [float(field) for field in fields]
    except ValueError:
        fields = []
    if not fields or b" " not in line or len(fields) > MAX_DIMENSIONS:
        raise DatasetError(
            f"{path}:1: is {_excerpt(line)}, neither a header '<words> <dimensions>' nor a word and its numbers: "
            "not a word2vec or GloVe file"
        )
    return len(fields)


def _is_binary(sample: bytes, dimensions: int) -> bool:
    """Whether the first row holds binary floats, whose bytes are hardly ever printable UTF-8."""
    space = sample.find(b" ")
    numbers = sample[space + 1 : space + 1 + 4 * dimensions]
    try:
        text = numbers.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(numbers):
            return True
        text = numbers[: error.start].decode("utf-8")
    return any(ord(character) < 32 and character not in "\t\n\r" for character in text)


def _excerpt(line: bytes) -> str:
    text = line[:40].decode(errors="replace").rstrip("\r\n")
    return repr(text + ("…" if len(line) > 40 else ""))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open a file for decompressed reading; gives its size too where that is known."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error
    with stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if packed:
            with gzip.open(stream) as unpacked:
                yield cast(BinaryIO, unpacked), None
        else:
            yield stream, path.stat().st_size


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path}: cannot be decompressed ({error}); it was cut off or damaged, get it again"
        ) from error
