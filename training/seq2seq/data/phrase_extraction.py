"""Phrase extraction: words and short phrases with their translations, from word-aligned sentence pairs.

Koehn et al. 2003, section 3: runs of words whose alignment links stay within them on both sides. They teach a
translator to translate single words, which it does not learn from sentences alone.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.truecasing import lowercase_words
from training.seq2seq.data.word_alignment import Link, align

_WORD = re.compile(r"\w+(?:['\u2019.-]\w+)*|[^\w\s]")
_MAX_WORDS = 4  # on either side
_MIN_COUNT = 2
_MIN_SHARE = 0.1
"""A phrase is kept if it makes up at least this share of the translations of its source, and of its target."""
_CAPITALIZED_SHARE = 0.5
_SINGLE_WORD_SHARE = 0.5
"""Share of the sampled phrases that are a single word on the source side."""


def split_words(sentence: str) -> list[str]:
    """The words and punctuation marks of a sentence."""
    found: list[str] = _WORD.findall(sentence)
    return found


def extract_phrases(pairs: Sequence[Pair]) -> dict[Pair, int]:
    """The phrases of the pairs, with their counts, which are 2 or more.

    They are in lower case but for words that are capitalized within sentences. Takes half a minute for a hundred
    thousand pairs.
    """
    return _reliable(Counter(_all_phrases(pairs)))


def side_totals(counts: Mapping[Pair, int]) -> tuple[Counter[str], Counter[str]]:
    """The count of each source, and of each target, over all phrases."""
    totals = Counter[str](), Counter[str]()
    for phrase, count in counts.items():
        for total, text in zip(totals, phrase, strict=True):
            total[text] += count
    return totals


class PhraseSampler:
    """Samples phrases for training.

    Args:
        counts: the phrases with their counts.
    """

    def __init__(self, counts: Mapping[Pair, int]) -> None:
        self._phrases = list(counts)
        sources, _ = side_totals(counts)
        # Rare words are what sentences do not teach; of a word's translations the frequent ones are right.
        weights = np.array([counts[phrase] / sources[phrase.source] ** 0.5 for phrase in self._phrases])
        single = np.array([" " not in phrase.source for phrase in self._phrases], bool)
        self._probabilities = _normalized(weights * single) * _SINGLE_WORD_SHARE + _normalized(weights * ~single) * (
            1 - _SINGLE_WORD_SHARE
        )

    def sample(self, count: int, generator: np.random.Generator) -> list[Pair]:
        """Sample phrases with replacement, half of them capitalized like headings; none if there are no phrases."""
        if not self._phrases:
            return []
        chosen = generator.choice(len(self._phrases), count, p=_normalized(self._probabilities))
        capitalized = generator.random(count) < _CAPITALIZED_SHARE
        phrases = (self._phrases[index] for index in chosen.tolist())
        return [
            Pair(*map(_capitalize, phrase)) if capital else phrase
            for phrase, capital in zip(phrases, capitalized.tolist(), strict=True)
        ]


def _normalized(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum()
    return weights / total if total else weights


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _all_phrases(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """The phrases of all pairs, each as often as it occurs."""
    lowercase = [lowercase_words(pair[side] for pair in pairs) for side in range(2)]
    # A word at the beginning of a sentence and the same word within one are counted together.
    texts = [tuple(_truecase(text, lowercase[side]) for side, text in enumerate(pair)) for pair in pairs]
    spans = [tuple([match.span() for match in _WORD.finditer(text)] for text in pair) for pair in texts]
    words = [
        tuple([text[begin:end] for begin, end in side] for text, side in zip(*both, strict=True))
        for both in zip(texts, spans, strict=True)
    ]
    links = align([(source, target) for source, target in words])
    for pair, (source, target), (source_spans, target_spans), linked in zip(texts, words, spans, links, strict=True):
        for (first, last), (begin, end) in _consistent(linked, source, target):
            yield Pair(
                pair[0][source_spans[first][0] : source_spans[last][1]],
                pair[1][target_spans[begin][0] : target_spans[end][1]],
            )


def _truecase(sentence: str, lowercase: set[str]) -> str:
    """The sentence with its first letter in the case that it has within a sentence."""
    first = sentence.split()[0].strip(",;:.!?").lower() if sentence.split() else ""
    return sentence[:1].lower() + sentence[1:] if first in lowercase else sentence


def _consistent(
    links: Sequence[Link], source: Sequence[str], target: Sequence[str]
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """First and last word, on both sides, of phrases that are linked at their ends and have no link to the outside."""
    to_target, to_source = dict(links), {right: left for left, right in links}
    for first in to_target:
        for last in range(first, min(first + _MAX_WORDS, len(source))):
            if not _is_word(source[last]):
                break
            if last not in to_target:
                continue
            linked = [to_target[index] for index in range(first, last + 1) if index in to_target]
            begin, end = min(linked), max(linked)
            if end - begin >= _MAX_WORDS or not all(map(_is_word, target[begin : end + 1])):
                continue
            if all(first <= to_source.get(index, first) <= last for index in range(begin, end + 1)):
                yield (first, last), (begin, end)


def _is_word(word: str) -> bool:
    return word[0].isalnum()


def _reliable(counts: Counter[Pair]) -> dict[Pair, int]:
    """The phrases that are frequent enough, in all and among the translations of their sides."""
    totals = side_totals(counts)
    return {
        phrase: count
        for phrase, count in sorted(counts.items())
        if count >= _MIN_COUNT
        and all(count >= _MIN_SHARE * total[text] for total, text in zip(totals, phrase, strict=True))
    }
