"""Which words have a capital only where a sentence begins."""

from collections import Counter
from collections.abc import Iterable


def small_words(sentences: Iterable[str]) -> set[str]:
    """Words that begin with a small letter in most places where they are not a sentence's first; in small letters."""
    capitals: Counter[str] = Counter()
    for sentence in sentences:
        for word in sentence.split()[1:]:
            word = word.strip(",;:.!?")
            capitals[word.lower()] += 1 if word[:1].isupper() else -1
    return {word for word, count in capitals.items() if count < 0}
