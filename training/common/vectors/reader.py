"""Opening a file of word vectors: recognizing its format, and streaming its rows in blocks."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.common.unpacking import open_unpacked
from training.common.vectors.binary_format import binary_blocks
from training.common.vectors.fasttext_format import MAGIC, FastTextModel, mapped_model
from training.common.vectors.rows import MAX_DIMENSIONS, MAX_LISTED_FAULTS, Block, RowChecks
from training.common.vectors.subword_vectors import SubwordVectors
from training.common.vectors.text_format import text_blocks, text_dimensions
from training.common.vectors.word_vectors import WordVectors

Format = Literal["word2vec-text", "word2vec-binary", "glove"]
"""word2vec-text (fastText's .vec too) and word2vec-binary begin with a line `<words> <dimensions>`, glove does not."""

FORMATS: tuple[Format, ...] = get_args(Format)

ReadableFormat = Format | Literal["fasttext"]
"""fasttext is a model of fastText's with n-grams (.bin), which is read only."""
READABLE_FORMATS: tuple[ReadableFormat, ...] = (*FORMATS, "fasttext")

_PEEK = 1 << 16
_LONGEST_FIRST_LINE = 1 << 21
_HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t]+(\d{1,18})[ \t]*\r?\n")
_BOM = b"\xef\xbb\xbf"
_BLOCKS_AFTER_A_FAULT = 64
"""Blocks that are still read after one with unusable rows, to list further ones in the same error."""

_OTHER_FILES = (
    *(
        (bytes([0x80, protocol]), "a pickle, as gensim and Python save", "write it with gensim's save_word2vec_format")
        for protocol in range(2, 6)
    ),
    (b"\x93NUMPY", "an array of NumPy, without its words", "write a file of words with their numbers"),
    (b"\x89HDF", "an HDF5 file", "write it as text: a word and its numbers on each line"),
    (b"\xff\xfe", "UTF-16", "convert it: iconv -f utf-16 -t utf-8 old > new"),
    (b"\xfe\xff", "UTF-16", "convert it: iconv -f utf-16 -t utf-8 old > new"),
)
"""Files that are no word vectors in text or binary, by their first bytes, with what to do."""


@dataclass(frozen=True, kw_only=True)
class VectorFile:
    """An open file of word vectors."""

    format: ReadableFormat
    dimensions: int
    rows: int | None
    """Number of rows according to the header; None for GloVe's format, which has none."""
    notes: list[str] = field(default_factory=list)
    """Remarks about the file for the user, once all blocks are read."""
    _checks: RowChecks
    _stream: BinaryIO
    _first_line: int
    _rows_must_fit: bool
    """Whether the file must have as many rows as the header promises."""
    _model: FastTextModel | None = None
    """Of the format fasttext."""

    @property
    def subwords(self) -> SubwordVectors | None:
        """The vectors of n-grams, which only fastText's models have."""
        return None if self._model is None else self._model.subwords

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """Occurrences of the words that `blocks` has yielded, in their order; None where the format has none."""
        return None if self._model is None else self._model.counts

    @property
    def skipped(self) -> int:
        """Number of unusable rows that were left out so far."""
        return self._checks.skipped

    @property
    def faults(self) -> list[str]:
        """The first of the unusable rows, each with its location and the reason."""
        return self._checks.faults

    def blocks(self) -> Iterator[Block]:
        """Yield all rows in order, once; memory grows with the words only, which are kept to find duplicates.

        Raises:
            DatasetError: bad rows (without `skip_bad`), of which the first ones are listed, or more or fewer rows than
                the header promises.
        """
        read = yield from self._usable_blocks()
        if self.rows is not None and read != self.rows:
            self.notes.append(f"the header promises {self.rows:,} rows, the file has {read:,}")
        if self._checks.empty_tokens:
            tokens = ", ".join(dict.fromkeys(self._checks.empty_tokens))
            self.notes.append(f"{tokens} is left out: its vector is zero")

    def _usable_blocks(self) -> Generator[Block, None, int]:
        """The blocks; after one with unusable rows, reading goes on a little to list all of them in one error."""
        checks, source = self._checks, self._source()
        remaining = _BLOCKS_AFTER_A_FAULT
        while True:
            try:
                block = next(source)
            except StopIteration as end:
                checks.raise_faults()
                return int(end.value)
            except DatasetError:
                checks.raise_faults()
                raise
            if checks.skip_bad or not checks.faults:
                yield block
                continue
            remaining -= 1
            if not remaining or checks.skipped >= MAX_LISTED_FAULTS:
                checks.raise_faults()

    def _source(self) -> Generator[Block, None, int]:
        if self._model is not None:
            return self._model.blocks(self._checks)
        rows = self.rows if self._rows_must_fit else None
        if self.format == "word2vec-binary":
            start = self._stream.tell()
            return binary_blocks(self._stream, self._checks, dimensions=self.dimensions, start=start, rows=rows)
        return text_blocks(self._stream, self._checks, dimensions=self.dimensions, line=self._first_line, rows=rows)


@contextmanager
def open_vectors(
    path: Path,
    *,
    format: ReadableFormat | Literal["auto"] = "auto",
    skip_bad: bool = False,
    ignore_header: bool = False,
) -> Iterator[VectorFile]:
    """Open a file of word vectors, plain or packed (gzip, bzip2, xz, zip), whatever its name.

    Args:
        path: the file; `archive.zip/member` names a file of an archive that holds several.
        format: `auto` recognizes it by the content.
        skip_bad: leave out and count unusable rows: another width, a duplicate word, a zero vector. The number of rows
            may differ from the header's.
        ignore_header: take the number of rows, and of text the dimensions too, from the rows.

    Raises:
        DatasetError: no such file, an empty one, an impossible header, or an unknown format.
    """
    with open_unpacked(path) as (stream, size):
        checks = RowChecks(path, skip_bad=skip_bad)
        is_model = stream.read(len(MAGIC)) == MAGIC
        stream.seek(0)
        if format == "fasttext" and not is_model:
            raise DatasetError(f"{path}: is no model of fastText's, which are saved as .bin")
        if is_model and format not in ("auto", "fasttext"):
            raise DatasetError(f"{path}: is a model of fastText's, not {format}; leave --format out")
        if is_model:
            with mapped_model(path, stream) as model:
                yield VectorFile(
                    format="fasttext", dimensions=model.dimensions, rows=len(model), _checks=checks, _stream=stream,
                    _first_line=1, _rows_must_fit=False, _model=model,
                )  # fmt: skip
            return
        yield _identify(stream, size, format, checks, ignore_header=ignore_header)


def read_vectors(
    path: Path,
    *,
    format: ReadableFormat | Literal["auto"] = "auto",
    max_words: int | None = None,
    skip_bad: bool = False,
    ignore_header: bool = False,
) -> WordVectors:
    """Read a file, or its first `max_words` usable rows, into memory; for the other arguments see `open_vectors`."""
    words: list[str] = []
    parts = []
    with open_vectors(path, format=format, skip_bad=skip_bad, ignore_header=ignore_header) as file:
        for block in file.blocks():
            words += block.words
            parts.append(block.rows)
            if max_words is not None and len(words) >= max_words:
                break
        if not words:
            raise DatasetError(f"{path}: holds no row that can be used")
        counts = None if file.counts is None else file.counts[: len(words)]
        vectors = WordVectors(words=words, matrix=np.concatenate(parts), counts=counts, subwords=file.subwords)
    return vectors.first(max_words or len(words))


def _identify(
    stream: BinaryIO,
    size: int | None,
    format: ReadableFormat | Literal["auto"],
    checks: RowChecks,
    *,
    ignore_header: bool,
) -> VectorFile:
    path = checks.path
    first = stream.readline(_LONGEST_FIRST_LINE)
    _refuse_other_files(first, path)
    begin = len(_BOM) if first.startswith(_BOM) else 0
    if not first[begin:].strip():
        raise DatasetError(f"{path}: is empty" if not first else f"{path}:1: is an empty line, not a header or a row")
    header = None if format == "glove" else _HEADER.fullmatch(first[begin:])
    if header is None:
        if format not in ("auto", "glove"):
            raise DatasetError(
                f"{path}:1: is {_excerpt(first[begin:])}, not a header '<words> <dimensions>' as {format} has"
            )
        dimensions = _text_dimensions(path, stream, first[begin:], number=1)
        stream.seek(begin)
        return VectorFile(
            format="glove", dimensions=dimensions, rows=None,
            _checks=checks, _stream=stream, _first_line=1, _rows_must_fit=False,
        )  # fmt: skip
    rows, dimensions = int(header[1]), int(header[2])
    start = stream.tell()
    if format == "auto":
        format = "word2vec-binary" if _is_binary(stream.read(_PEEK), dimensions) else "word2vec-text"
        stream.seek(start)
    if ignore_header and format == "word2vec-text":
        dimensions = _text_dimensions(path, stream, stream.readline(_LONGEST_FIRST_LINE), number=2)
        stream.seek(start)
    rows_must_fit = not (ignore_header or checks.skip_bad)
    number = 4 if format == "word2vec-binary" else 2
    _check_header(path, rows if rows_must_fit else 1, dimensions, size, number=number)
    return VectorFile(
        format=format, dimensions=dimensions, rows=rows,
        _checks=checks, _stream=stream, _first_line=2, _rows_must_fit=rows_must_fit,
    )  # fmt: skip


def _refuse_other_files(first: bytes, path: Path) -> None:
    for signature, name, remedy in _OTHER_FILES:
        if first.startswith(signature):
            raise DatasetError(f"{path}: is {name}, no word2vec, GloVe or fastText file (.vec); {remedy}")


def _check_header(path: Path, rows: int, dimensions: int, size: int | None, *, number: int) -> None:
    """Refuse an impossible header, before anything is allocated in the sizes that it states."""
    if not rows or not 0 < dimensions <= MAX_DIMENSIONS:
        raise DatasetError(
            f"{path}:1: the header promises {rows:,} rows of {dimensions:,} numbers; "
            f"there must be a row, and from 1 to {MAX_DIMENSIONS:,} numbers; where only the header is wrong, "
            "add --ignore-header"
        )
    min_size = rows * (2 + number * dimensions)
    if size is not None and size < min_size:
        raise DatasetError(
            f"{path}:1: the header promises {rows:,} rows of {dimensions:,} numbers, at least {min_size:,} bytes, "
            f"the file has {size:,}; it was cut off, or the header is wrong: then add --ignore-header"
        )


def _text_dimensions(path: Path, stream: BinaryIO, first: bytes, *, number: int) -> int:
    """The number of dimensions, from the first rows.

    Args:
        path: for the message.
        stream: positioned after the first row.
        first: the first row.
        number: the number of its line.
    """
    *rows, _ = stream.read(_PEEK).split(b"\n")
    dimensions = text_dimensions([line.rstrip(b"\r\n") for line in (first, *rows) if line.strip()])
    if not 0 < dimensions <= MAX_DIMENSIONS:
        raise DatasetError(
            f"{path}:{number}: is {_excerpt(first)}, neither a header '<words> <dimensions>' nor a word and its "
            "numbers: not a word2vec or GloVe file"
        )
    return dimensions


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
