"""Text as words: what corpora are cut into for training is what requests are cut into when served.

* `letters`: lower-cased runs of letters of any alphabet; everything else separates (the words of text8).
* `words`: the words of the Universal Dependencies treebank English EWT (2.16): case is kept, punctuation stands alone,
  contractions are cut (do n't, it 's), URLs and e-mail addresses are whole.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache
from typing import Literal

Tokenizer = Literal["letters", "words"]
Normaliser = Literal["none", "lower"]

_CACHED_LENGTH = 32
"""Longer chunks are rare and not remembered, so that the memory of the cache is bounded."""


def _ranges(*categories: str) -> str:
    """The inside of a regular expression's [] for the characters of these general categories (planes 0 and 1)."""
    ranges: list[list[int]] = []
    for code in range(min(0x20000, sys.maxunicode)):
        if unicodedata.category(chr(code))[0] in categories:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


_LETTER = _ranges("L") + "\\U00020000-\\U000323af"  # and the ideographs of planes 2 and 3
_MARK = _ranges("M")

_ONLY_LETTERS = bytes(code if code > 127 or chr(code).isalpha() else 32 for code in range(256))
"""For UTF-8: ASCII that is no letter becomes a blank. `bytes.translate` and `split` are three times as fast as `re`."""

_LETTERS = re.compile(f"[{_LETTER}][{_LETTER}{_MARK}]*")

_WORD = re.compile(
    rf"""
    (?:https?://|ftp://|www\.)\S*[\w/]                          # addresses, without the punctuation after them
  | [\w.+-]{{1,64}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}     # e-mail
  | [$£€]?\d{{1,12}}(?:[.,:]\d{{1,12}})*                        # numbers
  | (?:[{_LETTER}]\.){{2,8}}                                    # U.S.
  | (?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc)\.
  | [{_LETTER}{_MARK}]+?(?=n['\u2019]t(?![\w]))                      # do n't
  | n['\u2019]t(?![\w])
  | [{_LETTER}{_MARK}\d]+
  | ['\u2019](?:s|S|m|M|d|D|re|RE|ve|VE|ll|LL)(?![\w])               # it 's
  | \.{{2,}} | -{{2,}}
  | .
    """,
    re.VERBOSE | re.DOTALL,
)


def tokenize(text: str, tokenizer: Tokenizer) -> list[str]:
    """The words of `text` in order, in Unicode's composed form (NFC)."""
    if tokenizer == "words":
        return [word for chunk in text.split() for word in _words(chunk)]
    return _letters(text)


def normalise_word(word: str, normaliser: Normaliser) -> str:
    """A word as a vocabulary spells it: composed (NFC), stripped, lower-cased if so asked, `_` for white space."""
    if normaliser == "lower":
        word = word.lower()
    return "_".join(unicodedata.normalize("NFC", word).split())


def _letters(text: str) -> list[str]:
    lowered = unicodedata.normalize("NFC", text.lower())
    utf8 = lowered.encode(errors="surrogatepass").translate(_ONLY_LETTERS)
    chunks = utf8.decode(errors="surrogatepass").split()
    if lowered.isascii():
        return chunks
    return [word for chunk in chunks for word in ((chunk,) if chunk.isascii() else _LETTERS.findall(chunk))]


def _words(chunk: str) -> tuple[str, ...]:
    """The words of a text without white space."""
    return _remembered(chunk) if len(chunk) <= _CACHED_LENGTH else _cut(chunk)


def _cut(chunk: str) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", word) for word in _WORD.findall(chunk))


_remembered = lru_cache(maxsize=1 << 16)(_cut)
