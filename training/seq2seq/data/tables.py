"""Tables of sentence pairs: tab-separated lines, or CSV with quotes, header lines and line breaks in cells."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, takewhile
from typing import NamedTuple

from training.common.errors import DatasetError
from training.common.line_faults import counted
from training.common.text_decoding import NOT_DECODABLE
from training.common.unpacking import unpacked_name
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.language_codes import language_of

_DELIMITERS = ",;\t|"
_PROBED_LINES = 200
"""Lines from which the delimiter is inferred."""
_PROBED_RECORDS = 10_000
"""Records that show which columns hold numbers."""
_MAX_RECORD_LINES = 200
"""Lines that one record can span; a quotation mark that is not closed by then is an error."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_HALF_QUOTED = re.compile(r'"(?:[^"]|"")*|(?:[^"]|"")*"')
"""The beginning or the end of a quoted cell that holds a tab or a line break."""
_EXCEL_DELIMITER = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
"""A first line by which Excel is told the delimiter."""
_NUMBER = re.compile(r"[#+-]?[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?")
_NUMBER_OR_ID = re.compile(r"[A-Za-z.,:/#%+_()-]*[0-9][A-Za-z0-9.,:/#%+_()-]*")
"""A cell that is a number, a score, a time or an identifier: no space, and a digit."""
_NUMBERS_SHARE = 0.95
"""The least part of a column's cells that are such in a column without sentences."""
_SOURCE = frozenset(("source", "src", "source text", "source_text", "original", "sentence", "sentence1", "text1"))
_TARGET = frozenset(("target", "tgt", "trg", "target text", "target_text", "translation", "sentence2", "text2"))


class Table(NamedTuple):
    """What was read from a table."""

    pairs: list[Pair]
    """The two columns, in the order of `languages`, or else as they stand in the table."""
    languages: tuple[str, str] | None
    """The languages of the columns (ISO 639-1), if the header line says so."""
    bad: list[str]
    """What is wrong with the lines that were left out, each with its number."""
    notes: tuple[str, ...] = ()
    """Remarks on how it was read."""


class _Record(NamedTuple):
    line: int
    """Number of its first line."""
    cells: list[str]
    fault: str = ""
    """What is wrong with it."""


def read_table(
    rows: Sequence[str | None],
    name: str,
    *,
    quotes: bool | None = None,
    header: bool | None = None,
    languages: tuple[str, str] | None = None,
    skip_bad: bool = False,
) -> Table:
    """The pairs of a table.

    Without quotes a tab ends a cell and a line feed a row, and quotation marks are part of the text. With quotes it is
    CSV (RFC 4180); the delimiter of a file that ends in `.csv` is inferred from its lines, unless
    a first line such as `sep=;` names it.

    Args:
        rows: lines; None for those that could not be decoded.
        name: name of the file.
        quotes: whether cells are quoted as in CSV; None to infer it from name and content.
        header: whether the first line names the columns; None to infer it from its words.
        languages: ISO 639-1 codes, by which a header's columns are chosen.
        skip_bad: leave out lines that cannot be read.

    Raises:
        DatasetError: naming the line and the remedy.
    """
    stated_delimiter = _EXCEL_DELIMITER.fullmatch(rows[0]) if rows and rows[0] else None
    is_csv = unpacked_name(name).endswith(".csv") or stated_delimiter is not None
    if stated_delimiter:
        delimiter, rows = stated_delimiter[1], ["", *rows[1:]]
    else:
        delimiter = _delimiter(rows) if is_csv else "\t"
    if quotes is None:
        quotes = is_csv or _are_quoted(rows)
    records = _records(rows, delimiter) if quotes else _plain_records(rows)
    columns, stated, first = None, None, next(records, None)
    if first is not None and (header or (header is None and _is_header(first.cells, languages))):
        columns, stated = _columns(first.cells, languages)
    elif first is not None:
        records = chain([first], records)
    notes: tuple[str, ...] = ()
    expected = "the header has more"
    if columns is None:
        probed = list(islice(records, _PROBED_RECORDS))
        columns, notes = _columns_by_content(probed, name)
        records = chain(probed, records)
        expected = f"the sentences are in columns {columns[0] + 1} and {columns[1] + 1}"
    table = Table([], stated, [], notes)
    for record in records:
        fault = record.fault
        if not fault and len(record.cells) <= max(columns):
            fault = _too_few(record.cells, max(columns), delimiter, expected)
        if not fault:
            table.pairs.append(Pair(record.cells[columns[0]], record.cells[columns[1]]))
        elif skip_bad:
            table.bad.append(f"line {record.line} {fault}")
        else:
            raise DatasetError(f"{name}:{record.line}: {fault}; correct it, or leave such lines out with --skip-bad")
    if table.bad and not table.pairs:
        raise DatasetError(f"{name}: no line can be read: {table.bad[0]}")
    if not table.pairs:
        raise DatasetError(f"{name}: is empty; lines of a sentence, a tab and its translation are expected")
    return table


def _columns_by_content(records: Sequence[_Record], name: str) -> tuple[tuple[int, int], tuple[str, ...]]:
    """The columns of the sentences in a table whose first line does not name them, and a note on those left out.

    They are the first two, unless one of these holds numbers or identifiers, as in many corpora: then the only two
    others.

    Raises:
        DatasetError: a column of numbers is among the first two, and there are not exactly two others.
    """
    widths = Counter(len(record.cells) for record in records if record.cells)
    width = max(widths, key=lambda cells: (widths[cells], cells), default=0)
    for kind in (_NUMBER_OR_ID, _NUMBER):
        numbers = [index for index in range(width) if _holds(records, index, kind)]
        others = [index for index in range(width) if index not in numbers]
        listed = " and ".join(str(index + 1) for index in numbers)
        hold = f"column {listed} holds" if len(numbers) == 1 else f"columns {listed} hold"
        if {0, 1} & set(numbers) and len(others) == 2:
            columns = f"columns {others[0] + 1} and {others[1] + 1}"
            note = f"{name}: {hold} numbers or identifiers, left out; the sentences are in {columns}"
            return (others[0], others[1]), (note,)
    if {0, 1} & set(numbers):
        are = "is" if len(others) == 1 else "are"
        raise DatasetError(
            f"{name}: {hold} numbers, no sentences, and {_count(len(others), 'other column')} {are} there instead of "
            "two; put a first line in front that names the columns, two of them source and target"
        )
    return (0, 1), ()


def _holds(records: Sequence[_Record], index: int, kind: re.Pattern[str]) -> bool:
    """Whether a column holds cells of a kind in nearly all lines in which it is not empty."""
    cells = [cell for record in records if index < len(record.cells) and (cell := record.cells[index].strip())]
    return bool(cells) and sum(kind.fullmatch(cell) is not None for cell in cells) >= _NUMBERS_SHARE * len(cells)


def _count(number: int, unit: str) -> str:
    return counted(number, unit) if number else f"no {unit}s"


def _too_few(cells: list[str], last: int, delimiter: str, expected: str) -> str:
    if last > 1:
        return f"has {_count(len(cells), 'cell')}, {expected}"
    if delimiter != "\t":
        return f"has no {delimiter!r} between a sentence and its translation"
    return (
        "has no tab; a sentence, a tab and its translation are expected "
        "(for two parallel files, name both, separated by a comma: corpus.en,corpus.de)"
    )


def _plain_records(rows: Iterable[str | None]) -> Iterator[_Record]:
    for number, row in enumerate(rows, 1):
        if row is None:
            yield _Record(number, [], NOT_DECODABLE)
        elif row.strip():
            yield _Record(number, row.split("\t"))


def _records(rows: Sequence[str | None], delimiter: str) -> Iterator[_Record]:
    """The records of a CSV file; a cell in quotes may span lines. After a bad record it goes on with the next line."""
    index = 0
    while index < len(rows):
        row = rows[index]
        if row is None:
            yield _Record(index + 1, [], NOT_DECODABLE)
        elif '"' not in row:
            if row.strip():
                yield _Record(index + 1, row.split(delimiter))
        else:
            record, span = _quoted_record(rows, index, delimiter)
            yield record
            index += span - 1
        index += 1


def _quoted_record(rows: Sequence[str | None], start: int, delimiter: str) -> tuple[_Record, int]:
    """The record that begins at a line, and the number of its lines."""
    following = rows[start : start + _MAX_RECORD_LINES]
    decoded = takewhile(lambda row: row is not None, following)
    reader = csv.reader((f"{row}\n" for row in decoded), delimiter=delimiter, strict=True)
    try:
        return _Record(start + 1, next(reader)), reader.line_num
    except csv.Error as error:
        if "end of data" in str(error):
            return _Record(start + 1, [], "has a quotation mark that is not closed"), 1
        return _Record(start + 1, [], f"is no CSV ({error}); a quotation mark in a cell is doubled"), 1


def _are_quoted(rows: Sequence[str | None]) -> bool:
    """Whether the cells of tab-separated lines are quoted as in CSV, or quotation marks are part of the text.

    A program that quotes cells doubles the marks inside and leaves none in a cell without quotes.
    """
    with_marks = [row for row in rows if row and '"' in row]
    cells = [cell for row in with_marks for cell in row.split("\t") if '"' in cell]
    text = sum(not _QUOTED.fullmatch(cell) and not _HALF_QUOTED.fullmatch(cell) for cell in cells)
    needed = sum(
        ('""' in cell[1:-1] if _QUOTED.fullmatch(cell) else _HALF_QUOTED.fullmatch(cell) is not None) for cell in cells
    )
    everywhere = bool(cells) and all(
        _QUOTED.fullmatch(cell) for row in rows if row for cell in row.split("\t") if cell.strip()
    )
    return everywhere or (needed > 0 and text * 10 <= needed)


def _delimiter(rows: Iterable[str | None]) -> str:
    """The delimiter of a CSV file: the one that gives most of the first records the same number of cells, above 1.

    Of delimiters that give equally many the same number it is the one with more cells: decimal commas are not one.
    """
    sample = [row for row, _ in zip(rows, range(_PROBED_LINES), strict=False) if row and row.strip()]
    best, best_fit = ",", (0, 0)
    for delimiter in _DELIMITERS:
        sizes = Counter(len(record.cells) for record in _records(sample, delimiter) if len(record.cells) > 1)
        fit = max(((count, size) for size, count in sizes.items()), default=(0, 0))
        if fit > best_fit:
            best, best_fit = delimiter, fit
    return best


def _is_header(cells: Sequence[str], languages: tuple[str, str] | None) -> bool:
    """Whether the words of the first line name a source and a target, or the two languages of the data.

    Other codes of languages are words too: `it` and `es` may be a pair.
    """
    names = {_folded(cell) for cell in cells}
    if names & _SOURCE and names & _TARGET:
        return True
    return languages is not None and set(languages) <= {_language(name) for name in names}


def _columns(
    cells: Sequence[str], languages: tuple[str, str] | None
) -> tuple[tuple[int, int] | None, tuple[str, str] | None]:
    """The columns that a header names as those of the sentences, if it does, and their languages if it says so."""
    names = [_folded(cell) for cell in cells]
    by_column = [_language(name) for name in names]
    if languages and all(by_column.count(language) == 1 for language in languages):
        return (by_column.index(languages[0]), by_column.index(languages[1])), languages
    source = next((index for index, name in enumerate(names) if name in _SOURCE), None)
    target = next((index for index, name in enumerate(names) if name in _TARGET), None)
    if source is not None and target is not None:
        return (source, target), None
    return None, None


def _folded(cell: str) -> str:
    return cell.strip().strip('"').lower()


def _language(name: str) -> str | None:
    """The language that a column's name says: `en`, `en-US`, `eng`, `English`, `text_en`."""
    return language_of(name) or language_of(re.split(r"[_\s.:]", name)[-1])
