"""Which words have a capital only where a sentence begins."""

from collections import Counter
from collections.abc import Iterable, Sequence

from service.tasks.translation.language_detection import words
from service.tasks.translation.text import Truecaser

_OFTEN = 20
"""Sentences that begin with a word which a translator so knows with a capital."""


def small_words(sentences: Iterable[str]) -> set[str]:
    """Words that begin with a small letter in most places where they are not a sentence's first; in small letters."""
    capitals: Counter[str] = Counter()
    for sentence in sentences:
        for word in sentence.split()[1:]:
            word = word.strip(",;:.!?")
            capitals[word.lower()] += 1 if word[:1].isupper() else -1
    return {word for word, count in capitals.items() if count < 0}


def capitals_of(sentences: Sequence[str], most: int = 20_000) -> Truecaser:
    """What the server is to know of a language's capitals: of the most frequent words that are seen twice or more."""
    small = small_words(sentences)
    counts = Counter(word for sentence in sentences for word in words(sentence) if word in small)
    known = frozenset(word for word, count in counts.most_common(most) if count > 1)
    firsts = Counter(word for sentence in sentences if sentence[:1].isupper() for word in words(sentence)[:1])
    return Truecaser(
        lowercase_words=known, sentence_starters=known & {word for word, count in firsts.items() if count >= _OFTEN}
    )
