"""Reading rows of word2vec binary files: a word, a space, D little-endian floats, and an optional line feed."""

from collections.abc import Generator, Sequence
from functools import partial
from typing import BinaryIO

import numpy as np

from training.common.errors import DatasetError
from training.common.vectors.rows import BLOCK_BYTES, MAX_WORD_BYTES, Block, RowChecks


def binary_blocks(
    stream: BinaryIO, checks: RowChecks, *, dimensions: int, start: int, rows: int | None
) -> Generator[Block, None, int]:
    """Read to the end of the file.

    word2vec.c writes a line feed after each row, gensim and the GoogleNews file do not; both are read.

    Args:
        stream: positioned at the first row.
        checks: checks of the rows.
        dimensions: D.
        start: the number of bytes before the first row.
        rows: number of rows that the header promises and the file must have; None for any.

    Returns:
        The number of rows, unusable ones included.
    """
    buffer, done = b"", 0
    while rows is None or done < rows:
        chunk = stream.read(BLOCK_BYTES)
        buffer += chunk
        most = None if rows is None else rows - done
        words, vectors, offsets, used = _complete_rows(buffer, checks, 4 * dimensions, most, done, start)
        if words:
            matrix = np.frombuffer(b"".join(vectors), "<f4").reshape(len(words), dimensions).astype(np.float32)
            yield checks.block(words, matrix, partial(_row_location, done, offsets))
            done += len(words)
        buffer = buffer[used:]
        start += used
        if not chunk and rows is None:
            if buffer.strip(b"\n"):
                checks.refuse(_location(done, start), "the file ends in the middle of this row")
            return done
        if rows is not None and done < rows and not chunk:
            raise DatasetError(
                f"{checks.path}{_location(done, start)}: the file ends here, the header promises {rows:,} rows; "
                "it was cut off, or the header is wrong: then add --ignore-header"
            )
    if (buffer + stream.read(2)).strip(b"\n"):
        raise DatasetError(
            f"{checks.path}: goes on at byte {start:,} after the {rows:,} rows that the header promises; "
            "where only the header is wrong, add --ignore-header"
        )
    return done


def _complete_rows(
    buffer: bytes, checks: RowChecks, width: int, max_rows: int | None, done: int, start: int
) -> tuple[list[bytes], list[memoryview], list[int], int]:
    """Split the complete rows off the buffer.

    Args:
        buffer: bytes of the file, from the start of a row.
        checks: name the file.
        width: bytes of a vector.
        max_rows: maximum number of rows to take; None for all.
        done: rows before the buffer.
        start: offset of the buffer in the file.

    Returns:
        Words, vectors as bytes, the offset of each row in the file, and the number of bytes that the rows take.
    """
    view = memoryview(buffer)
    words: list[bytes] = []
    vectors: list[memoryview] = []
    offsets: list[int] = []
    position = 0
    while max_rows is None or len(words) < max_rows:
        begin = position
        while buffer[begin : begin + 1] == b"\n":  # ends the previous row
            begin += 1
        space = buffer.find(b" ", begin, begin + MAX_WORD_BYTES + 1)
        if space < 0 and len(buffer) - begin > MAX_WORD_BYTES:
            raise DatasetError(
                f"{checks.path}{_location(done + len(words), start + begin)}: no word ends within "
                f"{MAX_WORD_BYTES:,} bytes; the file is not word2vec binary, or its header has other dimensions than "
                "its rows"
            )
        if space < 0 or space + 1 + width > len(buffer):
            break
        words.append(buffer[begin:space])
        vectors.append(view[space + 1 : space + 1 + width])
        offsets.append(start + begin)
        position = space + 1 + width
    return words, vectors, offsets, position


def _location(row: int, byte: int) -> str:
    return f": row {row + 1:,} (byte {byte:,})"


def _row_location(first: int, offsets: Sequence[int], row: int) -> str:
    """The location of a row of a block whose first row has the number `first`."""
    return _location(first + row, offsets[row])
