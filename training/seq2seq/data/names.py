"""Learns the names of a language and the words that are none from sentence pairs, see `service...text.names`.

A name is written with a capital within sentences, and so is its translation, which is spelled the same or nearly so:
Boston and Boston, Munich and München. Words that enough sentences have are left to the network, whatever they are.

Sentences are counted once each: neither the copies of oversampled pairs nor further translations of a sentence teach
the network a name.
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
_MIN_SIMILARITY, _MIN_LENGTH_RATIO = 0.6, 0.66
"""Of two spellings of a name: their common letters, and the length of the shorter to that of the longer. Compounds are
other words: Kong and Hongkong."""
_MIN_OTHER_SHARE, _MIN_OTHER_COUNT = 0.8, 3
"""What two different spellings must reach; people's names are aligned with others in a few sentences."""
_FREQUENT = 20
"""A word with another spelling in the target language that is in more sentences than this is no rare word."""
_MIN_KNOWN = 10
"""Sentences that a word must be in before the network is taken to translate it."""
_MIN_COPIED = 2
"""Sentences that a word must be in before it counts as a name because most of their translations have it too."""


def learn_names(pairs: Sequence[Pair], phrases: Mapping[Pair, int], subwords: Subwords) -> NameList:
    """The names of the source language with their translations, and its known words.

    Args:
        pairs: the training pairs.
        phrases: extracted from them, with their counts.
        subwords: the subwords of the source language; a word that is one piece is known without a list.
    """
    counts, copied = _count_words(pairs)
    totals = side_totals(phrases)
    translations = {
        word: word
        for word, count in copied.items()
        if _is_name(word)
        and counts[word] >= _MIN_COPIED
        and count > _MIN_SHARE * counts[word]
        and counts[word.lower()] < counts[word]  # Religion at the start of a sentence is no name
    }
    translations |= {
        phrase.source: phrase.target
        for phrase, count in phrases.items()
        if all(map(_is_name, phrase))
        and _same_name(
            phrase,
            count,
            share=min(count / total[text] for total, text in zip(totals, phrase, strict=True)),
            sentences=counts[phrase.source],
        )
    }
    known = (
        word
        for word, count in counts.items()
        if _is_name(word) and count >= _MIN_KNOWN and len(subwords.encode(word)) > 1
    )
    return NameList(translations=translations, known_words=frozenset(known).difference(translations))


def _count_words(pairs: Sequence[Pair]) -> tuple[Counter[str], Counter[str]]:
    """For each word, the number of sentences that have it, and of those whose translation has it too.

    A pair with a sentence, on either side, that an earlier one has is not counted.
    """
    counts, copied = Counter[str](), Counter[str]()
    sources, targets = set[str](), set[str]()
    for pair in pairs:
        if pair.source in sources or pair.target in targets:
            continue
        sources.add(pair.source)
        targets.add(pair.target)
        words = set(split_words(pair.source))
        counts.update(words)
        copied.update(words.intersection(split_words(pair.target)))
    return counts, copied


def _is_name(text: str) -> bool:
    """Whether it is one capitalized word of several letters."""
    return len(text) > 1 and text[0].isupper() and text.isalpha()


def _same_name(pair: Pair, count: int, *, share: float, sentences: int) -> bool:
    """Whether both words are spellings of one name, and rare enough if they differ.

    Args:
        pair: two capitalized words.
        count: how often they are aligned.
        share: the least share of this pair of the alignments of its words.
        sentences: the number of sentences with the source word.
    """
    if share <= _MIN_SHARE or pair.source == pair.target:
        return share > _MIN_SHARE
    lengths = sorted(map(len, pair))
    similarity = SequenceMatcher(None, pair.source.lower(), pair.target.lower(), autojunk=False).ratio()
    return (
        sentences <= _FREQUENT
        and count >= _MIN_OTHER_COUNT
        and share >= _MIN_OTHER_SHARE
        and similarity >= _MIN_SIMILARITY
        and lengths[0] >= _MIN_LENGTH_RATIO * lengths[1]
    )
