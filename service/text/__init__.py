"""Text as words: what corpora are cut into for training is what requests are cut into when served.

* `letters`: lower-cased runs of letters of any alphabet; everything else separates (the words of text8).
* `words`: the words of the Universal Dependencies treebank English EWT (2.16): case is kept, punctuation stands alone,
  contractions are cut (do n't, it 's), URLs and e-mail addresses are whole.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from service.text.letters import letters
from service.text.sentences_en import sentence_spans, sentences
from service.text.words_en import spans, words

__all__ = ["Normaliser", "Tokenizer", "normalise_word", "sentence_spans", "sentences", "spans", "tokenize"]

Tokenizer = Literal["letters", "words"]
Normaliser = Literal["none", "lower"]


def tokenize(text: str, tokenizer: Tokenizer) -> list[str]:
    """The words of `text` in order, in Unicode's composed form (NFC)."""
    return words(text) if tokenizer == "words" else letters(text)


def normalise_word(word: str, normaliser: Normaliser) -> str:
    """A word as a vocabulary spells it: composed (NFC), stripped, lower-cased if so asked, `_` for white space."""
    if normaliser == "lower":
        word = word.lower()
    return "_".join(unicodedata.normalize("NFC", word).split())
