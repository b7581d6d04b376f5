"""Contractions: the words that are written as one, such as French `du` for `de le`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from service.bundle.files import BundleError

Words = tuple[str, ...]


class Contractions:
    """The words of known contractions; spellings that are not listed are looked up in lower case.

    Args:
        table: the words of each contraction.
        ambiguous: those, in lower case, that may also be one word.
    """

    def __init__(self, table: Mapping[str, Words], ambiguous: Iterable[str] = ()) -> None:
        self._table = dict(table)
        self._ambiguous = frozenset(ambiguous)

    def __len__(self) -> int:
        return len(self._table)

    def words(self, token: str, is_multiword: bool = True) -> Words | None:
        """The words of a contraction, in its casing; None if it is unknown, or one word.

        Args:
            token: the token.
            is_multiword: the network's opinion, which decides about ambiguous ones.
        """
        if not is_multiword and token.lower() in self._ambiguous:
            return None
        words = self._table.get(token)
        if words is not None:
            return words
        words = self._table.get(token.lower())
        return None if words is None else recased(words, token)


def recased(words: Words, token: str) -> Words:
    """Lower-case words in the casing of the token: `De le` for `Du`, `DE LE` for `DU`."""
    if len(token) > 1 and token.isupper():
        return tuple(word.upper() for word in words)
    if token[:1].isupper():
        return (words[0][:1].upper() + words[0][1:], *words[1:])
    return words


def read_contractions(path: Path, ambiguous: Iterable[str] = ()) -> Contractions:
    """Read the contractions of a bundle: on each line one, then its words, separated by tabs.

    Args:
        path: the file.
        ambiguous: see `Contractions`.

    Raises:
        BundleError: the file is unreadable or not UTF-8, or a line has fewer than two words.
    """
    try:
        lines = path.read_bytes().decode().split("\n")
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: is not UTF-8 (byte {error.start}); export the model again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    table = {}
    for number, line in enumerate(filter(None, lines), start=1):
        token, *words = line.split("\t")
        if len(words) < 2 or not all((token, *words)) or token in table:
            raise BundleError(f"{path}: line {number} is no contraction with two words; export the model again")
        table[token] = tuple(words)
    return Contractions(table, ambiguous)


def serialize_contractions(table: Mapping[str, Words]) -> bytes:
    """The content of the file that `read_contractions` reads."""
    return "".join("\t".join((token, *words)) + "\n" for token, words in sorted(table.items())).encode()
