"""Words and phrases with their translations, found in sentence pairs: what tells a translator what a word means alone.

In sentences alone it learns to answer sentences. Phrases are found as Koehn et al. 2003, section 3, find them: runs of
words whose links stay within them on both sides.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.truecasing import small_words
from training.seq2seq.data.word_alignment import align

_WORD = re.compile(r"\w+(?:['\u2019.-]\w+)*|[^\w\s]")
_LONGEST = 4  # words on either side
_LEAST_TIMES = 2
_LEAST_SHARE = 0.1
"""Of what a side of a phrase is translated to and of what it is the translation of, so much is this phrase at least."""
_CAPITAL = 0.5
_SINGLE = 0.5
"""So many of those that are drawn are single words on the source side."""


def find_phrases(pairs: Sequence[Pair]) -> dict[Pair, int]:
    """The phrases of pairs, with how often each was seen, which is twice or more often.

    They are in small letters but for words that have a capital within sentences too. Takes half a minute for a hundred
    thousand pairs.
    """
    return _reliable(Counter(_all_phrases(pairs)))


def side_totals(counts: Mapping[Pair, int]) -> tuple[Counter[str], Counter[str]]:
    """How often each source, and each target, was seen in all phrases together."""
    totals = Counter[str](), Counter[str]()
    for phrase, count in counts.items():
        for total, text in zip(totals, phrase, strict=True):
            total[text] += count
    return totals


class Phrases:
    """Draws phrases.

    Args:
        counts: the phrases, with how often each was seen.
    """

    def __init__(self, counts: Mapping[Pair, int]) -> None:
        self._known = list(counts)
        sources, _ = side_totals(counts)
        # Rare ones are what sentences do not teach; of the translations of a word the frequent ones are right.
        weights = np.array([counts[one] / sources[one.source] ** 0.5 for one in self._known])
        single = np.array([" " not in one.source for one in self._known], bool)
        self._chance = _normed(weights * single) * _SINGLE + _normed(weights * ~single) * (1 - _SINGLE)

    def drawn(self, count: int, draw: np.random.Generator) -> list[Pair]:
        """So many of them, half of them with a capital as headings have it; none where none are known."""
        if not self._known:
            return []
        chosen = draw.choice(len(self._known), count, p=_normed(self._chance))
        capital = draw.random(count) < _CAPITAL
        found = (self._known[place] for place in chosen.tolist())
        return [Pair(*map(_capitalised, one)) if up else one for one, up in zip(found, capital.tolist(), strict=True)]


def _normed(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum()
    return weights / total if total else weights


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _all_phrases(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """All phrases of all pairs, as often as they stand there."""
    small = [small_words(pair[side] for pair in pairs) for side in range(2)]
    # As they stand within sentences; a word and the same at the beginning of a sentence are one.
    texts = [tuple(_inner(text, small[side]) for side, text in enumerate(pair)) for pair in pairs]
    spans = [tuple([match.span() for match in _WORD.finditer(text)] for text in pair) for pair in texts]
    words = [
        tuple([text[begin:end] for begin, end in found] for text, found in zip(*both, strict=True))
        for both in zip(texts, spans, strict=True)
    ]
    links = align([(source, target) for source, target in words])
    for pair, (source, target), (left, right), linked in zip(texts, words, spans, links, strict=True):
        for (first, last), (begin, end) in _consistent(linked, source, target):
            yield Pair(pair[0][left[first][0] : left[last][1]], pair[1][right[begin][0] : right[end][1]])


def _inner(sentence: str, small: set[str]) -> str:
    """The sentence with its first letter as it would be within one."""
    first = sentence.split()[0].strip(",;:.!?").lower() if sentence.split() else ""
    return sentence[:1].lower() + sentence[1:] if first in small else sentence


def _consistent(
    links: Sequence[tuple[int, int]], source: Sequence[str], target: Sequence[str]
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """First and last words of phrases on both sides: linked at their ends, with no link that leaves them."""
    there, back = dict(links), {right: left for left, right in links}
    for first in there:
        for last in range(first, min(first + _LONGEST, len(source))):
            if not _is_word(source[last]):
                break
            if last not in there:
                continue
            found = [there[place] for place in range(first, last + 1) if place in there]
            begin, end = min(found), max(found)
            if end - begin >= _LONGEST or not all(map(_is_word, target[begin : end + 1])):
                continue
            if all(first <= back.get(place, first) <= last for place in range(begin, end + 1)):
                yield (first, last), (begin, end)


def _is_word(word: str) -> bool:
    return word[0].isalnum()


def _reliable(counts: Counter[Pair]) -> dict[Pair, int]:
    """Those that are no accident: seen often enough, also among all that their sides are translated to."""
    totals = side_totals(counts)
    return {
        phrase: count
        for phrase, count in sorted(counts.items())
        if count >= _LEAST_TIMES
        and all(count >= _LEAST_SHARE * total[text] for total, text in zip(totals, phrase, strict=True))
    }
