"""Pairs with a stand-in for a word and its translation: what teaches a translator to copy what it does not know.

The copyable model of Luong, Sutskever, Le, Vinyals and Zaremba 2015, section 3.1: the stand-in is unknown to the
vocabulary, and the network learns to write it where it belongs in the translation. The server then puts there the
name, the address or the code that stood in the source.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from service.tasks.translation.subwords import PLACEHOLDER
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import side_totals
from training.seq2seq.data.truecasing import small_words

_WORD = re.compile(r"\w+(?:[.:,-]\w+)*")
_ANOTHER = 0.3
"""How often a further word of a pair is taken too."""
_OFTEN = 100
"""Words that stand in more pairs are taken less often, so that not every stand-in is Tom, nor an article."""
_MEANS = 0.5
"""Share of a word's translations that another must be to be its translation: inflected verbs have none."""


class Copies:
    """Puts stand-ins in pairs.

    Args:
        pairs: to train on; they tell which words have a capital within sentences, as names have.
        phrases: that were found in them, with how often.
    """

    def __init__(self, pairs: Sequence[Pair], phrases: Mapping[Pair, int]) -> None:
        self._small = small_words(pair[side] for side in range(2) for pair in pairs)
        self._meaning = _meanings(phrases)
        self._count = Counter(word for pair in pairs for word in _places(pair.source))

    def of(self, pair: Pair, draw: np.random.Generator) -> Pair | None:
        """The pair with one or more stand-ins on each side; None where no word is found or drawn."""
        source, target = (_places(text) for text in pair)
        shared = [
            (one, other)
            for word, one in source.items()
            if one and (other := target.get(self._translation(word, target)))
        ]
        chances = [self._chance(pair.source[slice(*one)], pair.target[slice(*other)]) for one, other in shared]
        taken: list[tuple[_Place, _Place]] = []
        for number in draw.permutation(len(shared)).tolist():
            if draw.random() < chances[number] * (_ANOTHER if taken else 1):
                taken.append(shared[number])
        if not taken:
            return None
        return Pair(*(_replaced(text, [one[side] for one in taken]) for side, text in enumerate(pair)))

    def drawn(self, pairs: Sequence[Pair], share: float, draw: np.random.Generator) -> dict[int, Pair]:
        """About so many of the pairs with stand-ins, by their places."""
        chosen = np.nonzero(draw.random(len(pairs)) < share)[0].tolist()
        found = {place: self.of(pairs[place], draw) for place in chosen}
        return {place: pair for place, pair in found.items() if pair is not None}

    def _chance(self, word: str, translation: str) -> float:
        """Of being taken, where it stands: names are what is copied most."""
        return float((_OFTEN / max(_OFTEN, self._count[word])) ** (0.5 if word == translation else 1))

    def _translation(self, word: str, target: Mapping[str, object]) -> str:
        """A name or a number itself, of another word the one of the target that means it; "" where there is none."""
        if word in target and (word[0].isdigit() or (word[0].isupper() and len(word) > 1 and not self._is_small(word))):
            return word
        return self._meaning.get(word.lower() if self._is_small(word) else word, "")

    def _is_small(self, word: str) -> bool:
        return word.lower() in self._small


_Place = tuple[int, int]


def _places(text: str) -> dict[str, _Place | None]:
    """Where each word begins and ends; None of those that stand there twice."""
    found: dict[str, _Place | None] = {}
    for match in _WORD.finditer(text):
        found[match.group()] = None if match.group() in found else match.span()
    return found


def _meanings(phrases: Mapping[Pair, int]) -> dict[str, str]:
    """Words that nearly always translate each other, by the source's."""
    totals = side_totals(phrases)
    return {
        phrase.source: phrase.target
        for phrase, count in phrases.items()
        if all(
            _WORD.fullmatch(text) and count > _MEANS * total[text] for total, text in zip(totals, phrase, strict=True)
        )
    }


def _replaced(text: str, places: Sequence[_Place]) -> str:
    for begin, end in sorted(places, reverse=True):
        text = text[:begin] + PLACEHOLDER + text[end:]
    return text
