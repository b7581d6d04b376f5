"""The rows of a column file by sentence, and what its columns hold."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from training.common.errors import DatasetError
from training.common.line_faults import LineFaults

_NOT_TAGS = ("id", "form", "head", "deps", "misc")  # columns of CoNLL-U that hold no tags


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
    header: tuple[str, ...] = ()
    """The names in a first line that names the columns, in lower case; empty without one."""

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
        """The name of a column in CoNLL-U, or its number from 1."""
        return self.columns[index] if self.columns else str(index + 1)

    def column(self, requested: str) -> int:
        """The index of a column, by its name or its number (from 1, or from -1 backwards).

        Raises:
            DatasetError: there is no such column, or it holds no tags.
        """
        if requested.lower() in self.columns and requested.lower() not in _NOT_TAGS:
            return self.columns.index(requested.lower())
        if not self.columns and requested.lower() in self.header[self.word + 1 : self.width]:
            return self.header.index(requested.lower(), self.word + 1)
        if re.fullmatch(r"-?\d+", requested):
            number = int(requested)
            index = number - 1 if number > 0 else self.width + number
            if number and self.word < index < self.width:
                return index
            if 0 <= index <= self.word and number:
                content = "the words" if index == self.word else "their numbers"
                raise DatasetError(f"{self.name}: column {requested} holds {content}, no tags; {self.choices()}")
        raise DatasetError(f"{self.name}: has no column {requested} of tags; {self.choices()}")

    def tag(self, row: Row, column: int) -> str:
        """The tag of a word, without any white space around it."""
        return row.cells[column].strip()

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


def column_count(row: Row) -> str:
    """The number of a row's columns, in words."""
    return f"{len(row.cells)} column{'s' if len(row.cells) != 1 else ''}"
