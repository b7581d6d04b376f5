"""Column files: CoNLL-U, or one word per line with an empty line after each sentence."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from training.bilstm_crf.data.conll_table import Row, Table, column_count
from training.bilstm_crf.data.header_line import header_of
from training.common.errors import DatasetError
from training.common.files import split_fields
from training.common.line_faults import LineFaults
from training.common.text_decoding import NOT_DECODABLE
from training.common.unpacking import unpacked_name

_CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_WORD_ID = re.compile(r"\d{1,9}")
_SKIPPED_ID = re.compile(r"\d{1,9}-\d{1,9}|\d{1,9}\.\d{1,9}")  # multiword token, empty node
_KEY_VALUE_COMMENT = re.compile(r"# (newdoc|newpar|[\w.:-]+)( id)? = ")
_GLOBAL_COLUMNS = re.compile(r"# ?global\.columns ?=(.*)")
_DOCUMENT_START = "-DOCSTART-"
_PROBED_SENTENCES = 5
_PROBED_LINES = 10_000
_SHOWN = 40
"""Characters of a wrong cell that a message shows."""
_PADDING = " \r\f\v"
"""What is stripped from cells. Other white space, such as U+00A0 or U+3000, is part of a word."""


def read_table(lines: Sequence[str | None], name: str) -> Table:
    """Read a column file, and record its bad lines: those with other columns than the others, or without a word.

    A first line that names the columns is left out.

    Args:
        lines: the lines of the file; None for those that could not be decoded.
        name: name of the file.

    Raises:
        DatasetError: there are no words at all, only one column, or a first line names another column as that of words.
    """
    header = header_of(lines, _splitter(lines))
    if header is None:
        return _read_rows(lines, name)
    table = _read_rows([*lines[: header.line - 1], "", *lines[header.line :]], name)
    header.check_word_column(table.word, name)
    return replace(table, header=header.names)


def _read_rows(lines: Sequence[str | None], name: str) -> Table:
    """Read a column file without a line that names the columns."""
    split = _splitter(lines)
    conllu = unpacked_name(name).endswith((".conllu", ".conllup"))
    if conllu or _numbers_words(list(islice(_sentences(lines, split, _starts_with_hash), _PROBED_SENTENCES))):
        return _numbered_table(lines, name, split, conllu=conllu)
    width = _usual_width(map(split, _probed(lines)))

    def is_comment(line: str, *, first: bool) -> bool:
        """`#` may be a word: only what looks like a comment is one."""
        if _KEY_VALUE_COMMENT.match(line):
            return True
        return first and (line[:2] == "# " or line == "#") and len(split(line)) != width

    table = Table(name, list(_sentences(lines, split, is_comment)), (), width, 0, LineFaults(name))
    if table.sentences and width < 2:
        where = table.where(table.sentences[0][0])
        raise DatasetError(f"{where}: has 1 column; a word and its tag are expected, with a tab or spaces between")
    return _checked(table, min_width=width)


def _numbered_table(lines: Sequence[str | None], name: str, split: "_Split", *, conllu: bool) -> Table:
    """Read a file whose first column numbers the words."""
    sentences = list(_sentences(lines, split, _starts_with_hash))
    usual = _usual_width(row.cells for rows in sentences for row in rows)
    header = next((match[1].lower().split() for line in lines if line and (match := _GLOBAL_COLUMNS.match(line))), None)
    if not (header or conllu or usual == len(_CONLLU)):
        # Universal NER: the last columns, of annotators, may be missing.
        width = max(len(row.cells) for rows in sentences for row in rows)
        return _checked(Table(name, sentences, (), width, 1, LineFaults(name)), min_width=3)
    columns = tuple(header or _CONLLU)
    if columns[0] != "id" or "form" not in columns:
        raise DatasetError(f"{name}: its columns are {', '.join(columns)}; CoNLL-U begins with ID and has FORM")
    table = Table(name, sentences, columns, len(columns), columns.index("form"), LineFaults(name))
    table = _checked(table, min_width=len(columns))
    if all(row.cells[table.word] == "_" for row in table.usable_rows()) and not table.faults:
        raise DatasetError(f"{name}: has `_` for all words; the treebank is published without its text, merge it first")
    return table


_Split = Callable[[str], list[str]]
_IsComment = Callable[..., bool]


def _probed(lines: Iterable[str | None]) -> list[str]:
    """The first lines that are neither empty nor look like a comment; if all do, those that are not empty."""
    rows = [line for line in islice(lines, _PROBED_LINES) if line and not line.isspace()]
    return [line for line in rows if line[:2] != "# "] or rows


def _splitter(lines: Iterable[str | None]) -> _Split:
    """How lines are cut into cells: at tabs if most have one, so that a word may hold spaces; else at spaces and tabs.

    Where lines with tabs have the same number of columns only if they are cut at spaces too, they are.
    """
    rows = _probed(lines)
    with_tabs = [line for line in rows if "\t" in line.strip()]
    if 2 * len(with_tabs) < len(rows):
        return _split_at_spaces
    alike = {split: max(_widths(map(split, with_tabs)).values(), default=0) for split in _SPLITTERS}
    return max(alike, key=lambda split: alike[split])  # tabs, if both are as good


def _split_at_tabs(line: str) -> list[str]:
    return [cell.strip(_PADDING) for cell in line.split("\t")]


def _split_at_spaces(line: str) -> list[str]:
    return split_fields(line.strip(_PADDING))


_SPLITTERS = (_split_at_tabs, _split_at_spaces)


def _starts_with_hash(line: str, *, first: bool) -> bool:
    return line[0] == "#"


def _sentences(lines: Iterable[str | None], split: _Split, is_comment: _IsComment) -> Iterator[list[Row]]:
    """The rows of each sentence. A line that could not be decoded is a row without cells.

    Args:
        lines: the lines of the file.
        split: cuts a line into cells.
        is_comment: whether a line is a comment; `first` says that no word of its sentence precedes it.
    """
    distinct: dict[str, str] = {}  # Cells recur: each text is kept once.
    rows: list[Row] = []
    for number, line in enumerate(lines, 1):
        if line is None:
            rows.append(Row(number, ()))
        elif not line or line.isspace() or line.startswith(_DOCUMENT_START):
            if rows:
                yield rows
            rows = []
        elif not is_comment(line, first=not rows):
            rows.append(Row(number, tuple(distinct.setdefault(cell, cell) for cell in split(line))))
    if rows:
        yield rows


def _numbers_words(sentences: Sequence[Sequence[Row]]) -> bool:
    """Whether the first of at least three columns numbers the words: 1, 2, 3 in most sentences."""
    numbered = 0
    for rows in sentences:
        numbers = [row.cells[0] for row in rows if row.cells and not _SKIPPED_ID.fullmatch(row.cells[0])]
        numbered += len(rows[0].cells) > 2 and numbers == [str(number) for number in range(1, len(numbers) + 1)]
    return 2 * numbered > len(sentences)


def _usual_width(rows: Iterable[Sequence[str]]) -> int:
    """The number of columns that most rows have; of equally many the larger one."""
    counts = _widths(rows)
    return max(counts, key=lambda width: (counts[width], width), default=0)


def _widths(rows: Iterable[Sequence[str]]) -> Counter[int]:
    return Counter(_width(cells) for cells in rows if cells)


def _width(cells: Sequence[str]) -> int:
    """The number of columns without empty ones at the end."""
    width = len(cells)
    while width > 1 and not cells[width - 1]:
        width -= 1
    return width


def _checked(table: Table, *, min_width: int) -> Table:
    """The table without multiword tokens and empty nodes; bad rows are recorded.

    Args:
        table: the table as it was read.
        min_width: the least number of columns of a row; the most is the table's width.
    """
    sentences = []
    for rows in table.sentences:
        last_number = 0
        for row in rows:
            fault = _fault(table, row, min_width)
            if not fault and table.word and _WORD_ID.fullmatch(row.cells[0]):
                fault = _order_fault(int(row.cells[0]), last_number)
                last_number = int(row.cells[0])
            if fault:
                table.faults.add(row.line, fault)
        words = [
            row for row in rows if not (table.word and row.cells and _SKIPPED_ID.fullmatch(row.cells[0]))
            or row.line in table.faults
        ]  # fmt: skip
        if words:
            sentences.append(words)
    return table.with_sentences(sentences)


def _fault(table: Table, row: Row, min_width: int) -> str:
    """What is wrong with a row; empty for nothing."""
    if not row.cells:
        return NOT_DECODABLE
    if any("\0" in cell for cell in row.cells):
        return "holds a zero byte, so it is no text; if the file is UTF-16 without a byte order mark, add --encoding"
    if not (min_width <= len(row.cells) and _width(row.cells) <= table.width):
        expected = str(min_width) if min_width == table.width else f"{min_width} to {table.width}"
        hint = ", separated by tabs" if table.columns else ""
        return f"has {column_count(row)}; {expected} are expected{hint}"
    if table.word and not (_WORD_ID.fullmatch(row.cells[0]) or _SKIPPED_ID.fullmatch(row.cells[0])):
        return f"begins with {row.cells[0][:_SHOWN]!r}; the number of a word is expected"
    if not row.cells[table.word]:
        return f"the word, in column {table.word + 1}, is empty"
    return ""


def _order_fault(number: int, last_number: int) -> str:
    if number > last_number:
        return ""
    if number == 0:
        return "has the number 0; words are numbered from 1"
    return f"has the number {number} after {last_number}; an empty line between sentences is missing, or a number wrong"
