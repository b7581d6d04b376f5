"""Rows of word2vec binary files: a word, a space, D little-endian floats, and a line feed or none."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from training.common.errors import DatasetError
from training.common.vectors.rows import BLOCK_BYTES, LONGEST_WORD, Block, RowChecks


def binary_blocks(stream: BinaryIO, checks: RowChecks, *, dimensions: int, start: int, rows: int) -> Iterator[Block]:
    """Read to the end of the file.

    word2vec.c writes a line feed after each row, gensim and the GoogleNews file do not; both are read.

    Args:
        stream: stands at the first row.
        start: the number of bytes before it.
        rows: how many the header promises.
    """
    buffer, done = b"", 0
    while done < rows:
        chunk = stream.read(BLOCK_BYTES)
        buffer += chunk
        words, vectors, places, used = _take(buffer, checks, 4 * dimensions, rows - done, done, start)
        if words:
            matrix = np.frombuffer(b"".join(vectors), "<f4").reshape(len(words), dimensions).astype(np.float32)
            first = done
            yield checks.block(words, matrix, lambda row, first=first, places=places: _place(first + row, places[row]))  # type: ignore[misc]
            done += len(words)
        buffer = buffer[used:]
        start += used
        if done < rows and not chunk:
            raise DatasetError(
                f"{checks.path}{_place(done, start)}: the file ends here, the header promises {rows:,} rows; "
                "it was cut off or the header is wrong"
            )
    if (buffer + stream.read(2)).strip(b"\n"):
        raise DatasetError(f"{checks.path}: goes on at byte {start:,} after the {rows:,} rows that the header promises")


def _take(
    buffer: bytes, checks: RowChecks, width: int, most: int, done: int, start: int
) -> tuple[list[bytes], list[memoryview], list[int], int]:
    """The whole rows in `buffer`: words, vectors as bytes, where each begins in the file, and the bytes they fill."""
    view = memoryview(buffer)
    words: list[bytes] = []
    vectors: list[memoryview] = []
    places: list[int] = []
    position = 0
    while len(words) < most:
        begin = position
        while buffer[begin : begin + 1] == b"\n":  # ends the row before
            begin += 1
        space = buffer.find(b" ", begin, begin + LONGEST_WORD + 1)
        if space < 0 and len(buffer) - begin > LONGEST_WORD:
            raise DatasetError(
                f"{checks.path}{_place(done + len(words), start + begin)}: no word ends within {LONGEST_WORD:,} bytes; "
                "the file is not word2vec binary, or its header has other dimensions than its rows"
            )
        if space < 0 or space + 1 + width > len(buffer):
            break
        words.append(buffer[begin:space])
        vectors.append(view[space + 1 : space + 1 + width])
        places.append(start + begin)
        position = space + 1 + width
    return words, vectors, places, position


def _place(row: int, byte: int) -> str:
    return f": row {row + 1:,} (byte {byte:,})"
