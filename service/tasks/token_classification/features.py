"""Input features of a tagger's network, the same in training and in serving."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from service.bundle.files import BundleError
from service.bundle.manifest import FileName
from service.tasks.token_classification.segmentation_schema import SegmentationPreprocessing
from service.text import Tokenizer

WORDS, CHARACTERS, CASING, TOKENS, LENGTHS = "words", "characters", "casing", "tokens", "lengths"
"""Inputs of the graph, see `Batch`."""

FEATURES = "features"
"""UINT8 [U, F] of a graph of words: the features of each distinct word; [B, T, F] of a graph of sentences."""

EMISSIONS = "emissions"
"""Output of the graph: FP32 [B, T, K], the score of every label at every token."""

Kind = Literal["tags", "spans"]

CASINGS = ("other", "lower", "upper", "title", "mixed", "number", "with-digit")
"""The casing classes; their index is the feature."""

UNKNOWN_WORD = 0
PADDING, UNKNOWN_CHARACTER = 0, 1
_FIRST_CHARACTER = 2

EMOJI_CHARACTER = "\u263a"
"""What unknown pictographs are read as by models that were trained with emoji."""
_PICTOGRAPHS = re.compile("[\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
"""Emoji, arrows, dingbats and other symbols."""

_ROW, _CASING, _SIZE, _CHARACTERS = range(4)
"""Columns of the features of a word: its row, casing and number of characters; then come its characters."""

_MAX_CACHED = 1 << 16
"""Words whose features are cached: about 15 MB."""
_MAX_CACHED_LENGTH = 64


class TokenClassificationPreprocessing(BaseModel):
    """The `preprocessing` section of a tagger's manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    """`spans`: labels are BIOES tags, and answers list entities; `tags`: labels are the tags themselves."""
    tokenizer: Literal[Tokenizer, "learned"]
    """The tokenizer for texts; `words` follows the treebank UD English EWT, `learned` is the bundle's segmenter."""
    max_characters: Annotated[int, Field(ge=2, le=256)]
    """Maximum characters per word that the network reads; of a longer word, the first half and the last half of this
    many."""
    vocabulary: FileName = "vocabulary.txt"
    """One word per line, UTF-8: line i is row i + 1 of the word table; row 0 is the unknown word."""
    characters: FileName = "characters.txt"
    """One code point per line, as in `0041`: line i is character i + 2; 0 is padding, 1 the unknown character."""
    transitions: FileName | None = "transitions.npy"
    """FP32 [K+2, K], see `crf`; None if labels are independent."""
    emoji: bool = False
    """Whether unknown pictographs are read as `EMOJI_CHARACTER`, one of the characters; else as unknown characters."""
    segmentation: SegmentationPreprocessing | None = None
    """Of the graph `segmenter`, if the tokenizer is `learned`."""

    @model_validator(mode="after")
    def _segmentation_if_learned(self) -> TokenClassificationPreprocessing:
        if (self.tokenizer == "learned") != (self.segmentation is not None):
            raise ValueError("segmentation: is there if, and only if, the tokenizer is 'learned'")
        return self

    def as_manifest(self) -> dict[str, JsonValue]:
        """The section as it is written; without `emoji` and `segmentation`, which older releases do not know, if they
        have their defaults.
        """
        unused = {name for name in ("emoji", "segmentation") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=unused)


@dataclass(frozen=True, slots=True)
class Batch:
    """B sentences of up to T tokens with U distinct words of up to C characters: the inputs of the graph."""

    words: NDArray[np.int32]
    """[U]: rows of the word table."""
    characters: NDArray[np.int32]
    """[U, C], padded with 0."""
    casing: NDArray[np.int32]
    """[U]: indices into `CASINGS`."""
    tokens: NDArray[np.int32]
    """[B, T]: the index of each token's word among the U; 0 beyond the length."""
    lengths: NDArray[np.int32]
    """[B]: tokens of each sentence."""

    def feeds(self) -> dict[str, NDArray[np.int32]]:
        """The arrays by the names of the graph's inputs."""
        return {name: getattr(self, name) for name in (WORDS, CHARACTERS, CASING, TOKENS, LENGTHS)}


class WordFeatures:
    """Features of words; a word is looked up as it is, then lower-cased, then capitalized.

    Args:
        words: the vocabulary in Unicode's composed form (NFC); word i has row i + 1.
        characters: the known characters; character i has index i + 2.
        max_characters: characters of a word that are read.
        emoji: whether unknown pictographs are read as `EMOJI_CHARACTER`.
    """

    def __init__(
        self, words: Sequence[str], characters: Sequence[str], max_characters: int, *, emoji: bool = False
    ) -> None:
        self._rows = {word: row for row, word in enumerate(words, start=1)}
        self._characters = {character: index for index, character in enumerate(characters, start=_FIRST_CHARACTER)}
        self._pictograph = self._characters.get(EMOJI_CHARACTER, UNKNOWN_CHARACTER) if emoji else UNKNOWN_CHARACTER
        self._max_characters = max_characters
        self._cache: dict[str, bytes] = {}

    @property
    def rows(self) -> int:
        """Rows of the word table, including the unknown word's."""
        return len(self._rows) + 1

    @property
    def character_count(self) -> int:
        """Size of the character vocabulary, including padding and the unknown character."""
        return len(self._characters) + _FIRST_CHARACTER

    def row(self, word: str) -> int:
        """The row of a word in the table; 0 if none of its spellings is known."""
        for spelling in (word, word.lower(), word.capitalize()):
            row = self._rows.get(spelling)
            if row is not None:
                return row
        return UNKNOWN_WORD

    def batch(self, sentences: Sequence[Sequence[str]]) -> Batch:
        """The graph's inputs for sentences, none of them empty; a word that occurs several times is stored once."""
        lengths = np.array([len(sentence) for sentence in sentences], np.int32)
        tokens = np.zeros((len(sentences), int(lengths.max(initial=1))), np.int32)
        distinct: dict[str, int] = {}
        for row, sentence in enumerate(sentences):
            tokens[row, : len(sentence)] = [distinct.setdefault(word, len(distinct)) for word in sentence]
        cache = self._cache
        features = [cache.get(word) or self._cached(word) for word in distinct]
        return Batch(*self._columns(features), tokens, lengths)

    def words(self, words: Sequence[str]) -> dict[str, NDArray[np.int32]]:
        """The inputs of a graph of words, which are not cached here, for at least one word."""
        return dict(zip((WORDS, CHARACTERS, CASING), self._columns(list(map(self._features, words))), strict=True))

    def _columns(self, features: Sequence[bytes]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Rows [U], characters [U, C] and casings [U]."""
        table = np.frombuffer(b"".join(features), np.int32).reshape(len(features), _CHARACTERS + self._max_characters)
        longest = int(table[:, _SIZE].max())
        return table[:, _ROW].copy(), table[:, _CHARACTERS : _CHARACTERS + longest], table[:, _CASING].copy()

    def _cached(self, word: str) -> bytes:
        features = self._features(word)
        if len(word) <= _MAX_CACHED_LENGTH:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[word] = features
        return features

    def _features(self, word: str) -> bytes:
        """Row, casing, number of characters, and the character indices, as the bytes of int32."""
        composed = unicodedata.normalize("NFC", word)
        spelling = composed
        if len(composed) > self._max_characters:
            half = self._max_characters // 2
            spelling = composed[: self._max_characters - half] + composed[-half:]
        values = np.zeros(_CHARACTERS + self._max_characters, np.int32)
        values[[_ROW, _CASING, _SIZE]] = self.row(composed), casing(composed), max(len(spelling), 1)
        values[_CHARACTERS : _CHARACTERS + len(spelling)] = [self._character(character) for character in spelling]
        return values.tobytes()

    def _character(self, character: str) -> int:
        index = self._characters.get(character)
        if index is not None:
            return index
        return self._pictograph if _PICTOGRAPHS.match(character) else UNKNOWN_CHARACTER


def casing(word: str) -> int:
    """The casing class of a word, as an index into `CASINGS`."""
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
    """Read the vocabulary of a bundle.

    Raises:
        BundleError: the file is unreadable or not UTF-8, or a word is empty or listed twice.
    """
    words = _lines(path)
    if len(set(words)) != len(words) or "" in words:
        raise BundleError(f"{path}: a word is empty or there twice; export the model again")
    return words


def read_characters(path: Path) -> list[str]:
    """Read the characters of a bundle.

    Raises:
        BundleError: the file is unreadable, or a line is no code point.
    """
    try:
        return [chr(int(line, 16)) for line in _lines(path)]
    except (ValueError, OverflowError) as error:
        raise BundleError(f"{path}: holds a line that is no code point; export the model again") from error


def serialize_words(words: Sequence[str]) -> bytes:
    """The content of the file that `read_words` reads."""
    return "".join(f"{word}\n" for word in words).encode()


def serialize_characters(characters: Sequence[str]) -> bytes:
    """The content of the file that `read_characters` reads."""
    return "".join(f"{ord(character):04X}\n" for character in characters).encode()


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: is not UTF-8 (byte {error.start}); export the model again") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    return text.removesuffix("\n").split("\n") if text else []
