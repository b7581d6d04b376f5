"""Column files: CoNLL-U, or one word per line with an empty line after each sentence."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from training.common.errors import DatasetError
from training.common.files import split_fields
from training.common.line_faults import LineFaults
from training.common.text_decoding import NOT_DECODABLE

_CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_NOT_TAGS = ("id", "form", "head", "deps", "misc")  # columns of CoNLL-U that hold no tags
_SKIPPED_ID = re.compile(r"\d+-\d+|\d+\.\d+")  # multiword token, empty node
_KEY_VALUE_COMMENT = re.compile(r"# (newdoc|newpar|[\w.:-]+)( id)? = ")
_GLOBAL_COLUMNS = re.compile(r"# ?global\.columns ?=(.*)")
_DOCUMENT_START = "-DOCSTART-"
_PROBED_SENTENCES = 5
_PROBED_LINES = 10_000
_PADDING = " \r\f\v"
"""What is stripped from cells. Other white space, such as U+00A0 or U+3000, is part of a word."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file with a word."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """The rows of a file by sentence, and the meaning of its columns."""

    name: str
    sentences: list[list[Row]]
    columns: tuple[str, ...]
    """Column names in CoNLL-U, else empty."""
    width: int
    """Number of columns."""
    word: int
    """Index of the column of words; 1 if the first column numbers them (CoNLL-U, Universal NER)."""
    faults: LineFaults
    """The lines that cannot be used."""

    def where(self, row: Row) -> str:
        """The location of a row for error messages: `file:line`."""
        return f"{self.name}:{row.line}"

    def choices(self) -> str:
        """The columns that may hold tags, for error messages."""
        if self.columns:
            return f"its columns are {', '.join(self.columns[index] for index in self.tag_columns())}"
        return f"its columns are 1 to {self.width}, and {self.word + 1} holds the words"

    def tag_columns(self) -> list[int]:
        """The indices of the columns that may hold tags."""
        if self.columns:
            return [index for index, name in enumerate(self.columns) if name not in _NOT_TAGS]
        return list(range(self.word + 1, self.width))

    def column_name(self, index: int) -> str:
        """The name of a column, or its number from 1."""
        return self.columns[index] if self.columns else str(index + 1)

    def column(self, requested: str) -> int:
        """The index of a column, by its name or its number (from 1, or from -1 backwards).

        Raises:
            DatasetError: there is no such column, or it holds no tags.
        """
        if requested.lower() in self.columns and requested.lower() not in _NOT_TAGS:
            return self.columns.index(requested.lower())
        if re.fullmatch(r"-?\d+", requested):
            number = int(requested)
            index = number - 1 if number > 0 else self.width + number
            if number and self.word < index < self.width:
                return index
            if 0 <= index <= self.word and number:
                content = "the words" if index == self.word else "their numbers"
                raise DatasetError(f"{self.name}: column {requested} holds {content}, no tags; {self.choices()}")
        raise DatasetError(f"{self.name}: has no column {requested} of tags; {self.choices()}")

    def usable_rows(self) -> Iterator[Row]:
        """The rows without a fault."""
        return (row for rows in self.sentences for row in rows if row.line not in self.faults)

    def with_sentences(self, sentences: list[list[Row]]) -> "Table":
        """The table with these sentences instead.

        Raises:
            DatasetError: there are none.
        """
        if not sentences:
            raise DatasetError(f"{self.name}: holds no sentences; it needs a word with its tag on each line")
        return replace(self, sentences=sentences)


def read_table(lines: Sequence[str | None], name: str) -> Table:
    """Read a column file, and record its bad lines: those with other columns than the others, or without a word.

    Args:
        lines: the lines of the file; None for those that could not be decoded.
        name: name of the file.

    Raises:
        DatasetError: there are no words at all, or only one column.
    """
    split = _splitter(lines)
    conllu = name.removesuffix(".gz").endswith((".conllu", ".conllup"))
    if conllu or _numbers_words(list(islice(_sentences(lines, split, _starts_with_hash), _PROBED_SENTENCES))):
        return _numbered_table(lines, name, split, conllu=conllu)
    width = _usual_width(split(line) for line in islice(lines, _PROBED_LINES) if line and not line.isspace())

    def is_comment(line: str, *, first: bool) -> bool:
        """`#` may be a word: only what looks like a comment is one."""
        if _KEY_VALUE_COMMENT.match(line):
            return True
        return first and (line[:2] == "# " or line == "#") and len(split(line)) != width

    table = Table(name, list(_sentences(lines, split, is_comment)), (), width, 0, LineFaults(name))
    if table.sentences and width < 2:
        raise DatasetError(f"{table.where(table.sentences[0][0])}: has 1 column; a word and its tag are expected")
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


def _splitter(lines: Iterable[str | None]) -> _Split:
    """How lines are cut into cells: at tabs if most have one, so that a word may hold spaces; else at spaces and tabs.

    Where lines with tabs have the same number of columns only if they are cut at spaces too, they are.
    """
    rows = [line for line in islice(lines, _PROBED_LINES) if line and line[:2] != "# " and not line.isspace()]
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
    """The number of columns that most rows have."""
    counts = _widths(rows)
    return counts.most_common(1)[0][0] if counts else 0


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
            if not fault and table.word and row.cells[0].isdecimal():
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
    if table.word and not (row.cells[0].isdecimal() or _SKIPPED_ID.fullmatch(row.cells[0])):
        return f"begins with {row.cells[0]!r}; the number of a word is expected"
    if not row.cells[table.word]:
        return f"the word, in column {table.word + 1}, is empty"
    return ""


def _order_fault(number: int, last_number: int) -> str:
    if number > last_number:
        return ""
    return f"has the number {number} after {last_number}; an empty line between sentences is missing, or a number wrong"


def column_count(row: Row) -> str:
    """The number of a row's columns, in words."""
    return f"{len(row.cells)} column{'s' if len(row.cells) != 1 else ''}"
