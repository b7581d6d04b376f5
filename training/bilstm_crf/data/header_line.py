"""The first line of a column file, where it names the columns."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from training.common.errors import DatasetError

_WORDS = frozenset(("form", "forms", "text", "tok", "token", "tokens", "word", "words", "wordform", "wort", "wörter"))
_TAGS = frozenset(
    (
        "bio", "bioes", "chunk", "chunks", "class", "entities", "entity", "iob", "iob2", "label", "labels",
        "named_entity", "ne", "ner", "ner_tag", "ner_tags", "pos", "pos_tag", "pos_tags", "postag", "tag", "tags",
        "upos", "xpos",
    )
)  # fmt: skip


class Header(NamedTuple):
    """A line that names columns."""

    line: int
    """Its number."""
    names: tuple[str, ...]
    """In lower case."""

    def check_word_column(self, expected: int, name: str) -> None:
        """Refuse a file whose words are not where they are expected.

        Args:
            expected: index of the column in which words are expected.
            name: name of the file.

        Raises:
            DatasetError: naming both columns.
        """
        word = next(index for index, column in enumerate(self.names) if _normalized(column) in _WORDS)
        if word != expected:
            raise DatasetError(
                f"{name}:{self.line}: says that column {word + 1} holds the words; they are expected in column "
                f"{expected + 1}, with the tags behind them: reorder the columns"
            )


def header_of(lines: Sequence[str | None], split: Callable[[str], list[str]]) -> Header | None:
    """The first line that is neither empty nor a comment, if its cells are usual names of words and of tags.

    Args:
        lines: the lines of the file; None for those that could not be decoded.
        split: cuts a line into cells.
    """
    for number, line in enumerate(lines, 1):
        if line is None:
            return None
        if not line.strip():
            continue
        names = tuple(cell.lower() for cell in split(line.lstrip("# ")))
        normalized = set(map(_normalized, names))
        if normalized & _WORDS and normalized & _TAGS:
            return Header(number, names)
        if line[0] != "#":
            return None
    return None


def _normalized(name: str) -> str:
    return name.strip("#_ ").replace("-", "_").replace(" ", "_")
