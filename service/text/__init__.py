"""Tokenization and sentence splitting, the same for training corpora and for requests.

Tokenizers:

* `letters`: lower-cased runs of letters of any alphabet; everything else separates them (the words of text8).
* `words`: the words of the Universal Dependencies treebank English EWT (2.16): case is kept, punctuation is separate,
  contractions are split (do n't, it 's), URLs and e-mail addresses are kept whole.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from service.text.character_ngrams import CharacterNgrams
from service.text.letters import letters
from service.text.lines import Lines, split_at_lines
from service.text.offset_units import OffsetUnit, convert_offsets
from service.text.sentence_splitting import sentence_spans
from service.text.sentences_en import words_by_sentence
from service.text.words_en import word_spans, words

__all__ = [
    "CharacterNgrams",
    "Lines",
    "Normalizer",
    "OffsetUnit",
    "Tokenizer",
    "convert_offsets",
    "normalize_word",
    "sentence_spans",
    "split_at_lines",
    "tokenize",
    "word_spans",
    "words_by_sentence",
]

Tokenizer = Literal["letters", "words"]
Normalizer = Literal["none", "lower"]


def tokenize(text: str, tokenizer: Tokenizer) -> list[str]:
    """The words of `text` in order, in Unicode's composed form (NFC)."""
    return words(text) if tokenizer == "words" else letters(text)


def normalize_word(word: str, normalizer: Normalizer) -> str:
    """The spelling of a word in a vocabulary: composed (NFC), stripped, `_` for white space, lower-cased on request."""
    if normalizer == "lower":
        word = word.lower()
    return "_".join(unicodedata.normalize("NFC", word).split())
