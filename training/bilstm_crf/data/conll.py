"""Column files: CoNLL-U, or one word per line with an empty line after each sentence."""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.common.errors import DatasetError

_CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_NOT_TAGS = ("id", "form", "head", "deps", "misc")  # columns of CoNLL-U that hold no tags
_SKIPPED_ID = re.compile(r"\d+-\d+|\d+\.\d+")  # multiword token, empty node
_KEY_VALUE_COMMENT = re.compile(r"# (newdoc|newpar|[\w.:-]+)( id)? = ")
_GLOBAL_COLUMNS = re.compile(r"# ?global\.columns ?=(.*)")
_PROBED_SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file with a word."""

    line: int
    cells: list[str]


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

    def where(self, row: Row) -> str:
        """The location of a row for error messages: `file:line`."""
        return f"{self.name}:{row.line}"

    def choices(self) -> str:
        """The columns that may hold tags, for error messages."""
        if self.columns:
            return f"its columns are {', '.join(name for name in self.columns if name not in _NOT_TAGS)}"
        return f"its columns are 1 to {self.width}, and {self.word + 1} holds the words"

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

    def cell(self, row: Row, column: int) -> str:
        """The content of a cell.

        Raises:
            DatasetError: the cell is missing or empty.
        """
        if column >= len(row.cells):
            raise DatasetError(f"{self.where(row)}: has {_column_count(row)}; the tag is expected in {column + 1}")
        cell = row.cells[column].strip()
        if not cell:
            raise DatasetError(f"{self.where(row)}: has no tag in column {column + 1}")
        return cell


def read_table(content: bytes, name: str) -> Table:
    """Read a column file and check it: all rows must have the same columns and a word.

    Raises:
        DatasetError: not UTF-8, an unexpected number of columns, an empty word, or no words at all; file and line are
            named.
    """
    lines = _decode(content, name).split("\n")
    rows, comments = _rows(lines, all_comments=True)
    conllu = name.removesuffix(".gz").endswith((".conllu", ".conllup"))
    if conllu or _numbers_words(rows):
        header = next((match[1].lower().split() for line in comments if (match := _GLOBAL_COLUMNS.match(line))), None)
        if header or conllu or (rows and len(rows[0][0].cells) == len(_CONLLU)):
            return _conllu(name, rows, tuple(header or _CONLLU))
        # Universal NER: the last columns, of annotators, may be missing.
        return _check_rows(Table(name, rows, (), _max_width(rows), 1), min_width=3)
    rows, _ = _rows(lines, all_comments=False)
    width = _usual_width(rows)
    return _check_rows(Table(name, rows, (), width, 0), min_width=width)


def _decode(content: bytes, name: str) -> str:
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise DatasetError(f"{name}: is UTF-16; convert it: iconv -f utf-16 -t utf-8 old > new")
    try:
        text = codecs.decode(content, "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{name}:{line}: is not UTF-8 (byte 0x{content[error.start]:02x} at offset {error.start}); "
            "convert it, as in: iconv -f latin1 -t utf-8 old > new"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DatasetError(
            f"{name}:{line}: holds a zero byte, so it is no text in UTF-8; "
            "if it is UTF-16, convert it: iconv -f utf-16 -t utf-8 old > new"
        )
    return text


def _rows(lines: Sequence[str], *, all_comments: bool) -> tuple[list[list[Row]], list[str]]:
    """Rows by sentence, and the comment lines.

    Args:
        lines: the lines of the file.
        all_comments: every line that starts with `#` is a comment; else only those that look like one, as `#` may be a
            word.
    """
    sentences: list[list[Row]] = []
    comments: list[str] = []
    rows: list[Row] = []
    tabs = any("\t" in line for line in lines if line[:1] != "#" and not line.isspace())
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            rows = []
        elif line[0] == "#" and (
            all_comments or _KEY_VALUE_COMMENT.match(line) or (tabs and line[:2] == "# " and "\t" not in line)
        ):
            comments.append(line)
        elif not line.startswith("-DOCSTART-"):
            cells = line.rstrip("\r").split("\t") if "\t" in line else line.split()
            if not rows:
                sentences.append(rows)
            rows.append(Row(number, cells))
    return sentences, comments


def _numbers_words(sentences: list[list[Row]]) -> bool:
    """Whether the first of at least three columns numbers the words: 1, 2, 3 in most of the first sentences."""
    probed = sentences[:_PROBED_SENTENCES]
    numbered = 0
    for rows in probed:
        numbers = [row.cells[0] for row in rows if not _SKIPPED_ID.fullmatch(row.cells[0])]
        numbered += len(rows[0].cells) > 2 and numbers == [str(number) for number in range(1, len(numbers) + 1)]
    return 2 * numbered > len(probed)


def _max_width(sentences: list[list[Row]]) -> int:
    return max(len(row.cells) for rows in sentences for row in rows)


def _usual_width(sentences: list[list[Row]]) -> int:
    counts = Counter(len(row.cells) for rows in sentences[:_PROBED_SENTENCES] for row in rows)
    return counts.most_common(1)[0][0] if counts else 0


def _conllu(name: str, sentences: list[list[Row]], columns: tuple[str, ...]) -> Table:
    if columns[0] != "id" or "form" not in columns:
        raise DatasetError(f"{name}: its columns are {', '.join(columns)}; CoNLL-U begins with ID and has FORM")
    table = _check_rows(Table(name, sentences, columns, len(columns), columns.index("form")), min_width=len(columns))
    if all(row.cells[table.word] == "_" for rows in table.sentences for row in rows):
        raise DatasetError(f"{name}: has `_` for all words; the treebank is published without its text, merge it first")
    return table


def _check_rows(table: Table, *, min_width: int) -> Table:
    """Check every row, and drop multiword tokens, empty nodes and empty sentences.

    Args:
        table: the table as it was read.
        min_width: the least number of columns of a row; the most is the table's width.

    Raises:
        DatasetError: a row is malformed (its line is named), or there are no words.
    """
    sentences = []
    for rows in table.sentences:
        for row in rows:
            _check_row(table, row, min_width)
        words = [row for row in rows if not (table.word and _SKIPPED_ID.fullmatch(row.cells[0]))]
        if words:
            sentences.append(words)
    if not sentences:
        raise DatasetError(f"{table.name}: holds no sentences; it needs a word with its tag on each line")
    return replace(table, sentences=sentences)


def _column_count(row: Row) -> str:
    return f"{len(row.cells)} column{'s' if len(row.cells) > 1 else ''}"


def _check_row(table: Table, row: Row, min_width: int) -> None:
    if table.width < 2:
        raise DatasetError(f"{table.where(row)}: has 1 column; a word and its tag are expected")
    if not min_width <= len(row.cells) <= table.width:
        expected = str(min_width) if min_width == table.width else f"{min_width} to {table.width}"
        hint = ", separated by tabs" if table.columns else ""
        raise DatasetError(f"{table.where(row)}: has {_column_count(row)}; {expected} are expected{hint}")
    if table.word and not (row.cells[0].isdecimal() or _SKIPPED_ID.fullmatch(row.cells[0])):
        raise DatasetError(f"{table.where(row)}: begins with {row.cells[0]!r}; the number of a word is expected")
    if not row.cells[table.word].strip():
        raise DatasetError(f"{table.where(row)}: the word, in column {table.word + 1}, is empty")
