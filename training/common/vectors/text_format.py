"""Reading rows of word2vec and GloVe text files: a word and its numbers on each line, with spaces or tabs between."""

import re
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from training.common.errors import DatasetError
from training.common.vectors.rows import BLOCK_BYTES, MAX_WORD_BYTES, Block, RowChecks

_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_INTEGER = re.compile(rb"[+-]?\d+")
_SEPARATOR = re.compile(rb"[ \t]+")
_LINE_END = b" \t\r"
_LONGEST_NUMBER = 64


def text_blocks(
    stream: BinaryIO, checks: RowChecks, *, dimensions: int, line: int, rows: int | None
) -> Generator[Block, None, int]:
    """Read to the end of the file; empty lines at its end are left out, others are unusable rows.

    Args:
        stream: positioned at the start of a line.
        checks: checks of the rows.
        dimensions: numbers of a row.
        line: the number of the first line.
        rows: number of rows that the header promises and the file must have; None for any.

    Returns:
        The number of rows, unusable ones included, empty lines not.
    """
    first, empty = line, 0
    for lines in _lines(stream, checks, longest=MAX_WORD_BYTES + _LONGEST_NUMBER * dimensions):
        numbers = range(line, line + len(lines))
        line += len(lines)
        empty += sum(not text or text.isspace() for text in lines)
        # Before the number of rows is checked: empty lines and other unusable rows are listed rather than that.
        block = _block(lines, checks, dimensions, lambda row, numbers=numbers: f":{numbers[row]}")  # type: ignore[misc]
        if rows is not None and line - first - empty > rows:
            raise DatasetError(
                f"{checks.path}:{first + rows}: the header promises {rows:,} rows, here is one more; "
                "where only the header is wrong, add --ignore-header"
            )
        yield block
    count = line - first - empty
    if rows is not None and count < rows:
        raise DatasetError(
            f"{checks.path}:{line - 1}: the file ends here, the header promises {rows:,} rows, not {count:,}; "
            "it was cut off, or the header is wrong: then add --ignore-header"
        )
    return count


def text_dimensions(lines: list[bytes]) -> int:
    """The commonest number of numbers at the end of lines, not counting their first field; 0 if there are none."""
    widths: Counter[int] = Counter()
    for line in lines:
        fields = _SEPARATOR.split(line.rstrip(_LINE_END))[1:]
        words = next((index for index, field in enumerate(reversed(fields)) if not _NUMBER.fullmatch(field)), None)
        widths[len(fields) if words is None else words] += 1
    return widths.most_common(1)[0][0] if widths else 0


def _lines(stream: BinaryIO, checks: RowChecks, *, longest: int) -> Iterator[list[bytes]]:
    """Yield the lines of the file, a few megabytes at a time, without the empty ones at its end."""
    rest = b""
    empty: list[bytes] = []
    while True:
        chunk = stream.read(BLOCK_BYTES)
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop() if chunk else b""
        if len(rest) > longest:
            raise DatasetError(
                f"{checks.path}: has a line of more than {longest:,} bytes: no text file of word vectors"
            )
        last = next((index for index in range(len(lines), 0, -1) if lines[index - 1].strip(_LINE_END)), 0)
        if last:
            yield empty + lines[:last]
            empty = []
        empty += lines[last:]
        if len(empty) > BLOCK_BYTES:
            raise DatasetError(f"{checks.path}: has more than {BLOCK_BYTES:,} empty lines: no file of word vectors")
        if not chunk:
            return


def _block(lines: list[bytes], checks: RowChecks, dimensions: int, location: Callable[[int], str]) -> Block:
    words: list[bytes] = []
    numbers: list[bytes] = []
    for line in lines:
        word, _, rest = line.rstrip(_LINE_END).partition(b"\t" if b"\t" in line.rstrip(_LINE_END) else b" ")
        words.append(word)
        numbers.append(rest)
    rows = _parsed(numbers, dimensions)
    if rows is not None:
        return checks.block(words, rows, location)
    # A word holds spaces or a line is malformed: parse the lines one by one.
    good: list[str] = []
    kept = [np.zeros((0, dimensions), np.float32)]
    for row, line in enumerate(lines):
        word, fields, reason = _split(line.rstrip(_LINE_END), dimensions)
        if reason:
            checks.refuse(location(row), reason)
            continue
        with np.errstate(over="ignore"):  # becomes infinite, which the checks refuse
            vector = np.array([[float(field) for field in fields]]).astype(np.float32)
        block = checks.block([word], vector, lambda _, row=row: location(row))  # type: ignore[misc]
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


def _split(line: bytes, dimensions: int) -> tuple[bytes, list[bytes], str]:
    """Split a line from the right into a word, which may hold spaces, and its numbers.

    Returns:
        The word, the numbers, and what is wrong with the line; the last is empty for nothing.
    """
    if not line:
        return b"", [], f"is an empty line, not a word and {dimensions} numbers"
    fields = _SEPARATOR.split(line)
    extra = fields[1:-dimensions]
    numbers = fields[-dimensions:] if extra else fields[1:]
    wrong = next((field for field in numbers if not _NUMBER.fullmatch(field)), None)
    hint = f" ({wrong[:40].decode(errors='replace')!r} is none)" if wrong is not None else ""
    if len(numbers) < dimensions or (extra and (wrong is not None or _are_numbers(extra, numbers))):
        count = len(fields) - 1
        return b"", [], f"the row has {count} numbers{hint}, not {dimensions} as the header or the first rows have"
    if wrong is not None:
        return b"", [], f"{wrong[:40].decode(errors='replace')!r} is not a number"
    separators = list(_SEPARATOR.finditer(line))
    return line[: separators[-dimensions].start()], numbers, ""


def _are_numbers(extra: list[bytes], numbers: list[bytes]) -> bool:
    """Whether what stands between the first field and the last D ones is numbers too, so that the row is too long.

    An integer before numbers that are all fractions is part of the word, as in `top 10 0.12 -0.5`.
    """
    fractions = not any(_INTEGER.fullmatch(field) for field in numbers)
    return any(_NUMBER.fullmatch(field) and not (fractions and _INTEGER.fullmatch(field)) for field in extra)
