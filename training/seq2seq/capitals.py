"""Which words have a capital only where a sentence begins."""

from collections import Counter
from collections.abc import Iterable, Sequence

from service.artifacts.languages import words


def small_words(sentences: Iterable[str]) -> set[str]:
    """Words that begin with a small letter in most places where they are not a sentence's first; in small letters."""
    capitals: Counter[str] = Counter()
    for sentence in sentences:
        for word in sentence.split()[1:]:
            word = word.strip(",;:.!?")
            capitals[word.lower()] += 1 if word[:1].isupper() else -1
    return {word for word, count in capitals.items() if count < 0}


def frequent_small_words(sentences: Sequence[str], most: int = 20_000) -> list[str]:
    """The most frequent of them that are seen twice or more often, in the order of the alphabet."""
    small = small_words(sentences)
    counts = Counter(word for sentence in sentences for word in words(sentence) if word in small)
    return sorted(word for word, count in counts.most_common(most) if count > 1)
