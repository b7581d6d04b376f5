"""Reading rows of word2vec and GloVe text files: a word, a space, and the numbers on each line."""

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.common.vectors.rows import BLOCK_BYTES, MAX_WORD_BYTES, Block, RowChecks

_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_LONGEST_NUMBER = 64


def text_blocks(
    stream: BinaryIO, checks: RowChecks, *, dimensions: int, line: int, rows: int | None
) -> Iterator[Block]:
    """Read to the end of the file.

    Args:
        stream: positioned at the start of a line.
        checks: checks of the rows.
        dimensions: numbers of a row.
        line: the number of the first line.
        rows: number of rows according to the header; None without a header.
    """
    first = line
    for lines in _lines(stream, checks, longest=MAX_WORD_BYTES + _LONGEST_NUMBER * dimensions):
        numbers = range(line, line + len(lines))
        line += len(lines)
        if rows is not None and line - first > rows:
            raise DatasetError(f"{checks.path}:{first + rows}: the header promises {rows:,} rows, here is one more")
        yield _block(lines, checks, dimensions, lambda row, numbers=numbers: f":{numbers[row]}")  # type: ignore[misc]
    if rows is not None and line - first < rows:
        raise DatasetError(
            f"{checks.path}:{line - 1}: the file ends here, the header promises {rows:,} rows, not {line - first:,}; "
            "it was cut off or the header is wrong"
        )


def _lines(stream: BinaryIO, checks: RowChecks, *, longest: int) -> Iterator[list[bytes]]:
    """Yield the lines of the file, a few megabytes at a time."""
    rest = b""
    while chunk := stream.read(BLOCK_BYTES):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > longest:
            raise DatasetError(
                f"{checks.path}: has a line of more than {longest:,} bytes: no text file of word vectors"
            )
        if lines:
            yield lines
    if rest:
        yield [rest]


def _block(lines: list[bytes], checks: RowChecks, dimensions: int, location: Callable[[int], str]) -> Block:
    words: list[bytes] = []
    numbers: list[bytes] = []
    for line in lines:
        word, _, rest = line.rstrip(b" \r").partition(b" ")
        words.append(word)
        numbers.append(rest)
    rows = _parsed(numbers, dimensions)
    if rows is not None:
        return checks.block(words, rows, location)
    # A line is malformed: parse them one by one to report it.
    good: list[str] = []
    kept = [np.zeros((0, dimensions), np.float32)]
    for row, text in enumerate(numbers):
        reason = _fault(text, dimensions)
        if reason:
            checks.refuse(location(row), reason)
            continue
        with np.errstate(over="ignore"):  # becomes infinite, which the checks refuse
            vector = np.array([[float(field) for field in text.split()]]).astype(np.float32)
        block = checks.block([words[row]], vector, lambda _, row=row: location(row))  # type: ignore[misc]
        good += block.words
        kept.append(block.rows)
    return Block(words=good, rows=np.concatenate(kept))


def _parsed(numbers: list[bytes], dimensions: int) -> NDArray[np.float32] | None:
    """Parse the numbers of all lines at once, [n, D]; None where a line does not hold `dimensions` numbers."""
    if not all(numbers):
        return None  # loadtxt skips empty lines
    try:
        rows = np.loadtxt(numbers, np.float32, comments=None, ndmin=2)
    except ValueError:
        return None
    return rows if rows.shape == (len(numbers), dimensions) else None


def _fault(text: bytes, dimensions: int) -> str:
    """Describe what is wrong with the numbers of a line; empty for nothing."""
    fields = text.split()
    wrong = next((field for field in fields if not _NUMBER.fullmatch(field)), None)
    if len(fields) != dimensions:
        hint = f" ({wrong[:40].decode(errors='replace')!r} is none)" if wrong is not None else ""
        return f"the row has {len(fields)} numbers{hint}, not {dimensions} as the rows before or the header say"
    return f"{wrong[:40].decode(errors='replace')!r} is not a number" if wrong is not None else ""
