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

_EMOJI = r"[\u2600-\u27bf\U0001f300-\U0001faff]"
_ABBREVIATIONS = (
    "Dr|Mr|Mrs|Ms|St|Ft|Mt|Jr|Sr|vs|Inc|Co|Corp|Ltd|Gen|Lt|Col|Sgt|Capt|Rev|Gov|Sen|Rep|Reps|Prof|Attn|Blvd|Ave|No|Vol"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec|Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|esp|eg|ie|arrv|Arrv|approx"
)
_PREFIXES = "e|non|mid|pre|anti|re|post|co|pro|multi|ex|semi|sub|un|neo|inter|intra|counter"
_FILES = "com|org|net|edu|gov|html?|doc|xls|ppt|pdf|txt|zip|exe|jpe?g|gif|url"
_NEGATED = "do|did|does|wo|ca|could|would|should|is|was|are|were|has|have|had|ai"
_CLITICS = "s|m|d|re|ve|ll"

# Every repetition is bounded or of characters that nothing after it wants: hostile text takes linear time. The
# apostrophe is ' or \u2019. A chunk has no white space, so that all context is in the chunk.
_WORD = re.compile(
    rf"""
    (?:https?://|ftp://|www\.)\S*[\w/]                                   # addresses, without the punctuation after them
  | [\w.+-]{{1,64}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{0,8}}              # e-mail
  | [\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{0,8}}\.(?i:{_FILES})(?!\w)         # example.com, report.doc
  | (?<!\w)(?:[:;=][-^o]?[()DPp]+|\(:|<3|\^_\^)(?!\w)                    # :-)
  | \d{{3}}[-/.]\d{{3}}[-.]\d{{4}}(?!\d) | (?<!\d)\d{{3}}-\d{{4}}(?!\d)  # telephone numbers
  | \d+(?:[.,:/]\d+)+                                                    # 3,000.5 and 11/28/2000
  | (?<!\w)(?:(?:[^\W\d_]\.){{2,8}}(?:[^\W\d_](?!\w))?               # U.S.
            | (?:{_ABBREVIATIONS})\. | etc\.(?=.) | [A-HJ-Z]\.(?!\w)     # Mr. and the J. of a name
            | (?i:{_PREFIXES})-\w+                                       # e-mail, non-profit
            | [A-Z]{{1,8}}&[A-Z]{{1,8}}(?![a-z])                         # A&E
            | (?i:can(?=not(?!\w))|gon(?=na(?!\w))|wan(?=na(?!\w))|got(?=ta(?!\w)))
            | (?i:{_NEGATED})(?=(?i:nt)(?!\w))                           # do nt
            | [Ii](?=(?:m|ve)(?!\w)) | (?i:that|there|what|he)(?=s(?!\w)) | (?i:you|they)(?=re(?!\w)))
  | [^\W\d_]+?(?=[nN]['\u2019][tT](?!\w))                      # do n't
  | (?<=\w)[nN]['\u2019][tT](?!\w)
  | ['\u2019](?i:{_CLITICS})(?!\w)                                       # it 's
  | [\w{_MARK}]+(?:['\u2019](?!(?i:{_CLITICS})(?!\w))[^\W\d_][\w{_MARK}]*)*  # O'Brien
  | [!?]{{2,}} | \.{{2,}} | -{{2,}} | ={{2,}} | \*{{2,}} | \+{{2,}} | \#{{2,}} | ~{{2,}} | <{{2,}} | >{{2,}} | '{{2}}
  | [\U0001f1e6-\U0001f1ff]{{2}}                                         # flags
  | {_EMOJI}(?:[\ufe0f\U0001f3fb-\U0001f3ff]|\u200d{_EMOJI})*            # emoji with their colours and joints
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
