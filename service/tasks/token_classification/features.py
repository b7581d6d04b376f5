"""Words as numbers: what a tagger's network reads of them, the same in training and in serving."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from service.bundle.files import BundleError
from service.bundle.manifest import FileName
from service.text import Tokenizer

WORDS, CHARACTERS, CASING, TOKENS, LENGTHS = "words", "characters", "casing", "tokens", "lengths"
"""Inputs of the graph: see `Batch`."""

EMISSIONS = "emissions"
"""Output of the graph: FP32 [B, T, K], the score of every label for every token."""

Kind = Literal["tags", "spans"]

CASINGS = ("other", "lower", "upper", "title", "mixed", "number", "with-digit")
"""The classes of casing, in the order of their numbers."""

UNKNOWN_WORD = 0
PADDING, UNKNOWN_CHARACTER = 0, 1
_FIRST_CHARACTER = 2

_REMEMBERED = 1 << 16
"""Words whose features are kept: about 15 MB."""
_LONGEST_REMEMBERED = 64


class TokenClassificationPreprocessing(BaseModel):
    """`preprocessing` in the manifest of a tagger's bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    """`spans`: the labels are BIOES tags and answers have entities; `tags`: the labels are the tags themselves."""
    tokenizer: Tokenizer
    """How a text is cut into words; `words` is the treebank's."""
    max_characters: Annotated[int, Field(ge=2, le=256)]
    """Characters of a word that the network sees: half of them its first, half its last ones."""
    vocabulary: FileName = "vocabulary.txt"
    """One word a line, UTF-8: row i + 1 of the table is line i; row 0 is the unknown word."""
    characters: FileName = "characters.txt"
    """One code point a line, as `0041`: character i + 2 is line i."""
    transitions: FileName | None = "transitions.npy"
    """FP32 [K + 2, K]: from label to label, then starting and ending with each; None: labels are independent."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B sentences of up to T tokens with U distinct words of up to C characters: the inputs of the graph."""

    words: NDArray[np.int32]
    """[U]: rows of the word table."""
    characters: NDArray[np.int32]
    """[U, C], padded with 0."""
    casing: NDArray[np.int32]
    """[U]: places in `CASINGS`."""
    tokens: NDArray[np.int32]
    """[B, T]: which of the U words stands where; 0 beyond the length."""
    lengths: NDArray[np.int32]
    """[B]."""

    def feeds(self) -> dict[str, NDArray[np.int32]]:
        """The arrays under the names of the graph's inputs."""
        return {name: getattr(self, name) for name in (WORDS, CHARACTERS, CASING, TOKENS, LENGTHS)}


class WordFeatures:
    """Looks words up: as they are, else lower-cased, else capitalised, else unknown.

    Args:
        words: the vocabulary, each in Unicode's composed form; word i has row i + 1.
        characters: the characters that have a number; the others share one.
        max_characters: how many characters of a word count.
    """

    def __init__(self, words: Sequence[str], characters: Sequence[str], max_characters: int) -> None:
        self._rows = {word: row for row, word in enumerate(words, start=1)}
        self._characters = {character: number for number, character in enumerate(characters, start=_FIRST_CHARACTER)}
        self._max_characters = max_characters
        self._known: dict[str, tuple[int, int, int, bytes]] = {}

    @property
    def rows(self) -> int:
        """Rows of the word table, the unknown word's included."""
        return len(self._rows) + 1

    @property
    def character_count(self) -> int:
        """Numbers of characters, those for padding and unknown ones included."""
        return len(self._characters) + _FIRST_CHARACTER

    def row(self, word: str) -> int:
        """The word's row of the table; 0 where no spelling of it is there."""
        for spelling in (word, word.lower(), word.capitalize()):
            row = self._rows.get(spelling)
            if row is not None:
                return row
        return UNKNOWN_WORD

    def batch(self, sentences: Sequence[Sequence[str]]) -> Batch:
        """Sentences, none of them empty, as the graph's inputs; a word that is there several times is one column."""
        lengths = np.array([len(sentence) for sentence in sentences], np.int32)
        tokens = np.zeros((len(sentences), int(lengths.max(initial=1))), np.int32)
        distinct: dict[str, int] = {}
        for place, sentence in enumerate(sentences):
            tokens[place, : len(sentence)] = [distinct.setdefault(word, len(distinct)) for word in sentence]
        known = self._known
        features = [known.get(word) or self._features(word) for word in distinct]
        rows, casing, sizes, spellings = zip(*features, strict=True)
        characters = np.frombuffer(b"".join(spellings), np.int32).reshape(len(features), self._max_characters)
        return Batch(np.array(rows, np.int32), characters[:, : max(sizes)], np.array(casing, np.int32), tokens, lengths)

    def _features(self, word: str) -> tuple[int, int, int, bytes]:
        """Row, casing, number of characters, and those as the bytes of int32."""
        composed = unicodedata.normalize("NFC", word)
        spelling = composed
        if len(composed) > self._max_characters:
            half = self._max_characters // 2
            spelling = composed[: self._max_characters - half] + composed[-half:]
        numbers = np.zeros(self._max_characters, np.int32)
        numbers[: len(spelling)] = [self._characters.get(character, UNKNOWN_CHARACTER) for character in spelling]
        features = self.row(composed), casing(composed), max(len(spelling), 1), numbers.tobytes()
        if len(word) <= _LONGEST_REMEMBERED:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[word] = features
        return features


def casing(word: str) -> int:
    """The place in `CASINGS` of a word's class."""
    if any(map(str.isdigit, word)):
        return 6 if any(map(str.isalpha, word)) else 5
    if word.islower():
        return 1
    if word.isupper():
        return 2 if len(word) > 1 else 3
    if word.istitle():
        return 3
    return 4 if any(map(str.isupper, word)) else 0


def read_words(path: Path) -> list[str]:
    """The lines of a bundle's vocabulary.

    Raises:
        BundleError: not readable, not UTF-8, or a word that is empty or there twice.
    """
    words = _lines(path)
    if len(set(words)) != len(words) or "" in words:
        raise BundleError(f"{path}: a word is empty or there twice; export the model again")
    return words


def read_characters(path: Path) -> list[str]:
    """The characters of a bundle.

    Raises:
        BundleError: not readable, or a line that is no code point.
    """
    try:
        return [chr(int(line, 16)) for line in _lines(path)]
    except (ValueError, OverflowError) as error:
        raise BundleError(f"{path}: holds a line that is no code point; export the model again") from error


def words_file(words: Sequence[str]) -> bytes:
    """The content that `read_words` reads."""
    return "".join(f"{word}\n" for word in words).encode()


def characters_file(characters: Sequence[str]) -> bytes:
    """The content that `read_characters` reads."""
    return "".join(f"{ord(character):04X}\n" for character in characters).encode()


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: is not UTF-8 (byte {error.start}); export the model again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    return text.removesuffix("\n").split("\n") if text else []
