"""Learns the names of a language and the words that are none from sentence pairs, see `service...text.names`.

A name is written with a capital within sentences, and so is its translation, which is spelled the same or nearly so:
Boston and Boston, Munich and München. Frequent words are left to the network, whatever they are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.names import NameList
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import side_totals, split_words

_MIN_SHARE = 0.5
"""A name makes up more than this share of the translations of its other spelling, and vice versa."""
_MIN_SIMILARITY = 0.5
"""Of the letters of two spellings of a name."""
_FREQUENT = 20
"""A word with another spelling in the target language that is in more sentences than this is no rare word."""
_MIN_KNOWN = 2
"""Sentences that a word must be in before the network is taken to translate it."""


def learn_names(pairs: Sequence[Pair], phrases: Mapping[Pair, int], subwords: Subwords) -> NameList:
    """The names of the source language with their translations, and its known words.

    Args:
        pairs: the training pairs.
        phrases: extracted from them, with their counts.
        subwords: the subwords of the source language; a word that is one piece is known without a list.
    """
    counts = Counter(word for pair in pairs for word in set(split_words(pair.source)))
    totals = side_totals(phrases)
    translations = {
        phrase.source: phrase.target
        for phrase, count in phrases.items()
        if all(map(_is_name, phrase))
        and all(count > _MIN_SHARE * total[text] for total, text in zip(totals, phrase, strict=True))
        and _same_name(phrase, counts[phrase.source])
    }
    known = (
        word
        for word, count in counts.items()
        if _is_name(word) and count >= _MIN_KNOWN and len(subwords.encode(word)) > 1
    )
    return NameList(translations=translations, known_words=frozenset(known).difference(translations))


def _is_name(text: str) -> bool:
    """Whether it is one capitalized word of several letters."""
    return len(text) > 1 and text[0].isupper() and text.isalpha()


def _same_name(pair: Pair, count: int) -> bool:
    """Whether both words are spellings of one name, and rare enough if they differ."""
    if pair.source == pair.target:
        return True
    similarity = SequenceMatcher(None, pair.source.lower(), pair.target.lower(), autojunk=False).ratio()
    return count <= _FREQUENT and similarity >= _MIN_SIMILARITY
