"""Files of columns as rows: CoNLL-U, or a word a line with an empty line after each sentence."""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.common.errors import DatasetError

_CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_NO_TAGS = ("id", "form", "head", "deps", "misc")  # columns of CoNLL-U that hold no tags
_SKIPPED_ID = re.compile(r"\d+-\d+|\d+\.\d+")  # a multiword range, an empty node
_KEYED = re.compile(r"# (newdoc|newpar|[\w.:-]+)( id)? = ")
_GLOBAL_COLUMNS = re.compile(r"# ?global\.columns ?=(.*)")
_PROBED = 5  # sentences that tell whether the first column counts words


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file that holds a word."""

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Table:
    """The rows of a file by sentence, and what its columns are."""

    name: str
    sentences: list[list[Row]]
    columns: tuple[str, ...]
    """Their names in CoNLL-U; else empty."""
    width: int
    word: int
    """The column of the words; before it may stand their numbers (CoNLL-U, Universal NER)."""

    def where(self, row: Row) -> str:
        """For errors: `file:line`."""
        return f"{self.name}:{row.line}"

    def choices(self) -> str:
        """For errors: the columns that may hold tags."""
        if self.columns:
            return f"its columns are {', '.join(name for name in self.columns if name not in _NO_TAGS)}"
        return f"its columns are 1 to {self.width}, and {self.word + 1} holds the words"

    def column(self, wanted: str) -> int:
        """The place of the column that is named, or numbered from 1 (from -1 backwards).

        Raises:
            DatasetError: there is no such column, or it holds no tags.
        """
        if wanted.lower() in self.columns and wanted.lower() not in _NO_TAGS:
            return self.columns.index(wanted.lower())
        if re.fullmatch(r"-?\d+", wanted):
            number = int(wanted)
            place = number - 1 if number > 0 else self.width + number
            if number and self.word < place < self.width:
                return place
            if 0 <= place <= self.word and number:
                what = "the words" if place == self.word else "their numbers"
                raise DatasetError(f"{self.name}: column {wanted} holds {what}, no tags; {self.choices()}")
        raise DatasetError(f"{self.name}: has no column {wanted} of tags; {self.choices()}")

    def cell(self, row: Row, column: int) -> str:
        """What stands in a column.

        Raises:
            DatasetError: nothing does.
        """
        if column >= len(row.cells):
            raise DatasetError(f"{self.where(row)}: has {_columns(row)}; the tag is expected in {column + 1}")
        cell = row.cells[column].strip()
        if not cell:
            raise DatasetError(f"{self.where(row)}: has no tag in column {column + 1}")
        return cell


def read_table(content: bytes, name: str) -> Table:
    """The rows of a file, checked: all have the same columns, and a word.

    Raises:
        DatasetError: naming file and line: another encoding, another number of columns, an empty word; or no words.
    """
    lines = _decode(content, name).split("\n")
    rows, comments = _rows(lines, all_comments=True)
    conllu = name.removesuffix(".gz").endswith((".conllu", ".conllup"))
    if conllu or _counts_words(rows):
        named = next((match[1].lower().split() for line in comments if (match := _GLOBAL_COLUMNS.match(line))), None)
        if named or conllu or (rows and len(rows[0][0].cells) == len(_CONLLU)):
            return _conllu(name, rows, tuple(named or _CONLLU))
        # Universal NER: the last columns, of annotators, may be missing.
        return _checked(Table(name, rows, (), _greatest_width(rows), 1), least=3)
    rows, _ = _rows(lines, all_comments=False)
    width = _usual_width(rows)
    return _checked(Table(name, rows, (), width, 0), least=width)


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
    """Rows by sentence, and the comments.

    Args:
        all_comments: all lines with `#` in front are; else only those that look so, for `#` may be a word.
    """
    sentences: list[list[Row]] = []
    comments: list[str] = []
    rows: list[Row] = []
    tabs = any("\t" in line for line in lines if line[:1] != "#" and not line.isspace())
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            rows = []
        elif line[0] == "#" and (
            all_comments or _KEYED.match(line) or (tabs and line[:2] == "# " and "\t" not in line)
        ):
            comments.append(line)
        elif not line.startswith("-DOCSTART-"):
            cells = line.rstrip("\r").split("\t") if "\t" in line else line.split()
            if not rows:
                sentences.append(rows)
            rows.append(Row(number, cells))
    return sentences, comments


def _counts_words(sentences: list[list[Row]]) -> bool:
    """Whether the first of at least three columns counts the words: 1, 2, 3 in most sentences."""
    probed = sentences[:_PROBED]
    counted = 0
    for rows in probed:
        numbers = [row.cells[0] for row in rows if not _SKIPPED_ID.fullmatch(row.cells[0])]
        counted += len(rows[0].cells) > 2 and numbers == [str(number) for number in range(1, len(numbers) + 1)]
    return 2 * counted > len(probed)


def _greatest_width(sentences: list[list[Row]]) -> int:
    return max(len(row.cells) for rows in sentences for row in rows)


def _usual_width(sentences: list[list[Row]]) -> int:
    counts = Counter(len(row.cells) for rows in sentences[:_PROBED] for row in rows)
    return counts.most_common(1)[0][0] if counts else 0


def _conllu(name: str, sentences: list[list[Row]], columns: tuple[str, ...]) -> Table:
    if columns[0] != "id" or "form" not in columns:
        raise DatasetError(f"{name}: its columns are {', '.join(columns)}; CoNLL-U begins with ID and has FORM")
    table = _checked(Table(name, sentences, columns, len(columns), columns.index("form")), least=len(columns))
    if all(row.cells[table.word] == "_" for rows in table.sentences for row in rows):
        raise DatasetError(f"{name}: has `_` for all words; the treebank is published without its text, merge it first")
    return table


def _checked(table: Table, *, least: int) -> Table:
    """The table without rows that hold no word of their own.

    Args:
        least: how many columns a row must have; it may have as many as the table.

    Raises:
        DatasetError: naming the line; or there are no words.
    """
    sentences = []
    for rows in table.sentences:
        for row in rows:
            _check(table, row, least)
        words = [row for row in rows if not (table.word and _SKIPPED_ID.fullmatch(row.cells[0]))]
        if words:
            sentences.append(words)
    if not sentences:
        raise DatasetError(f"{table.name}: holds no sentences; it needs a word with its tag on each line")
    return replace(table, sentences=sentences)


def _columns(row: Row) -> str:
    return f"{len(row.cells)} column{'s' if len(row.cells) > 1 else ''}"


def _check(table: Table, row: Row, least: int) -> None:
    if table.width < 2:
        raise DatasetError(f"{table.where(row)}: has 1 column; a word and its tag are expected")
    if not least <= len(row.cells) <= table.width:
        expected = str(least) if least == table.width else f"{least} to {table.width}"
        hint = ", separated by tabs" if table.columns else ""
        raise DatasetError(f"{table.where(row)}: has {_columns(row)}; {expected} are expected{hint}")
    if table.word and not (row.cells[0].isdecimal() or _SKIPPED_ID.fullmatch(row.cells[0])):
        raise DatasetError(f"{table.where(row)}: begins with {row.cells[0]!r}; the number of a word is expected")
    if not row.cells[table.word].strip():
        raise DatasetError(f"{table.where(row)}: the word, in column {table.word + 1}, is empty")
