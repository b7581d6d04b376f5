"""Case statistics: the words that are capitalized only at the beginning of a sentence."""

from collections import Counter
from collections.abc import Iterable, Sequence

from service.tasks.translation.language_detection import words
from service.tasks.translation.text import Truecaser

_MIN_SENTENCE_STARTS = 20
"""Sentences that must begin with a word before a translator is taken to know it with a capital."""


def lowercase_words(sentences: Iterable[str], share: float = 0.5) -> set[str]:
    """Words, in lower case, that are mostly written in lower case where they are not a sentence's first word.

    Args:
        sentences: the sentences to count in.
        share: the share of its occurrences that must be in lower case, above it.
    """
    counts, lowercase = Counter[str](), Counter[str]()
    for sentence in sentences:
        for word in sentence.split()[1:]:
            word = word.strip(",;:.!?")
            counts[word.lower()] += 1
            lowercase[word.lower()] += not word[:1].isupper()
    return {word for word, count in counts.items() if lowercase[word] > share * count}


def learn_truecaser(sentences: Sequence[str], max_words: int = 20_000) -> Truecaser:
    """The truecaser of a language, with the most frequent lower-case words that occur at least twice.

    Args:
        sentences: the training sentences.
        max_words: size of its list of words.
    """
    lowercase = lowercase_words(sentences)
    counts = Counter(word for sentence in sentences for word in words(sentence) if word in lowercase)
    frequent = frozenset(word for word, count in counts.most_common(max_words) if count > 1)
    starts = Counter(word for sentence in sentences if sentence[:1].isupper() for word in words(sentence)[:1])
    starters = {word for word, count in starts.items() if count >= _MIN_SENTENCE_STARTS}
    return Truecaser(lowercase_words=frequent, sentence_starters=frequent & starters)
