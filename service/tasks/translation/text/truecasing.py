"""Which words have a capital only for their place, and how a heading reads as it would within a sentence."""

from __future__ import annotations

import json
import re

from pydantic import BaseModel, ConfigDict, ValidationError

_NOUNS_IN_CAPITALS = frozenset({"de", "lb"})
"""Languages whose capitals may be nouns', which says nothing of the translation."""
_RUN = re.compile(r"\w+")
_SHOUTED_LETTERS, _SHOUTED_WORD = 8, 4
"""Letters of words, or of one word, in capitals that are more than an abbreviation."""
_FINAL, _CLOSING = frozenset(".!?\u2026"), "\"')]"


class Capitals(BaseModel):
    """What training saw of a language's capitals; the file that `preprocessing.capitals` names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    small: frozenset[str] = frozenset()
    """Words, in small letters, that have a capital only where a sentence begins."""
    begins: frozenset[str] = frozenset()
    """Those of them that often begin one, so that the translator knows them with a capital too."""

    @classmethod
    def read(cls, content: bytes) -> Capitals:
        """What `write` wrote.

        Raises:
            ValueError: it is none; says why.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise ValueError(f"no list of words: {error.errors()[0]['msg']}") from error

    def write(self) -> bytes:
        """A file of it: JSON, in the order of the alphabet."""
        content = {name: sorted(words) for name, words in self}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

    def are_shouted(self, plain: str) -> bool:
        """Whether words are in capitals: more than an abbreviation or two, or one word that is written small."""
        if not plain.isupper():
            return False
        letters = sum(map(str.isalpha, plain))
        if " " in plain:
            return letters >= _SHOUTED_LETTERS
        words = _RUN.findall(plain)
        return letters >= _SHOUTED_WORD and len(words) == 1 and words[0].lower() in self.small

    def within_a_sentence(self, plain: str, language: str) -> str:
        """A heading as it would stand within a sentence; what is a sentence itself as it is.

        The first word is made small if it is written so, but not where it often begins a sentence and others follow it:
        `Good morning` is known. Where all words have capitals, and none can be a name, all others are made small too.
        """
        if not plain[:1].isupper() or plain.rstrip(_CLOSING)[-1:] in _FINAL:
            return plain
        first, *others = _RUN.finditer(plain)
        if not self._is_small(first[0]):
            return plain
        chosen = [] if others and first[0].lower() in self.begins else [first]
        if not may_be_a_noun(language) and all(word[0][0].isupper() and self._is_small(word[0]) for word in others):
            chosen += others
        characters = list(plain)
        for word in chosen:
            characters[word.start()] = characters[word.start()].lower()
        read = "".join(characters)
        return read if len(read) == len(plain) else plain

    def _is_small(self, word: str) -> bool:
        """Whether a word with a capital has it for its place only."""
        return word[1:] == word[1:].lower() and word.lower() in self.small


NO_CAPITALS = Capitals()
"""Of a language of which nothing is known."""


def may_be_a_noun(language: str) -> bool:
    """Whether the capital that a text begins with may be a noun's."""
    return language in _NOUNS_IN_CAPITALS
