"""Augmentation with placeholders: a word and its translation are replaced, so that the model learns to copy.

The copyable model of Luong, Sutskever, Le, Vinyals and Zaremba 2015, section 3.1: the placeholder is unknown to the
vocabulary, and the network learns to put UNKNOWN where it belongs in the translation. The server then puts the name,
the address or the code from the source in its place.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from service.tasks.translation.subwords import PLACEHOLDER
from training.seq2seq.data.dataset import Pair
from training.seq2seq.data.phrase_extraction import side_totals
from training.seq2seq.data.truecasing import lowercase_words

_WORD = re.compile(r"\w+(?:[.:,-]\w+)*")
_FURTHER_WORD_FACTOR = 0.3
"""Factor on the replacement probability of the second and later words of a pair."""
_FREQUENT = 100
"""Words in more pairs than this are replaced less often, so that not every placeholder is Tom, or an article."""
_MIN_TRANSLATION_SHARE = 0.5
"""Two words translate each other if each makes up more than this share of the other's translations. Inflected verbs
mostly have no such translation."""

_Span = tuple[int, int]


class PlaceholderAugmenter:
    """Replaces words of pairs by placeholders.

    Args:
        pairs: the training pairs; they show which words are capitalized within sentences, as names are.
        phrases: extracted from the pairs, with their counts.
        name: the placeholder of names and numbers, which have the same spelling on both sides.
    """

    def __init__(self, pairs: Sequence[Pair], phrases: Mapping[Pair, int], name: str = PLACEHOLDER) -> None:
        self._name = name
        self._lowercase_words = lowercase_words(pair[side] for side in range(2) for pair in pairs)
        self._lexicon = _lexicon(phrases)
        self._counts = Counter(word for pair in pairs for word in _word_spans(pair.source))

    def replace_words(self, pair: Pair, generator: np.random.Generator) -> Pair | None:
        """The pair with one or more placeholders on each side; None if no word can be replaced or none is drawn."""
        source, target = (_word_spans(text) for text in pair)
        linked = [
            (span, target_span)
            for word, span in source.items()
            if span and (target_span := target.get(self._translation(word, target)))
        ]
        probabilities = [
            self._probability(pair.source[slice(*one)], pair.target[slice(*other)]) for one, other in linked
        ]
        replaced: list[tuple[_Span, _Span]] = []
        for number in generator.permutation(len(linked)).tolist():
            if generator.random() < probabilities[number] * (_FURTHER_WORD_FACTOR if replaced else 1):
                replaced.append(linked[number])
        if not replaced:
            return None
        symbols = [
            self._name if pair.source[slice(*one)] == pair.target[slice(*other)] else PLACEHOLDER
            for one, other in replaced
        ]
        return Pair(
            *(_with_placeholders(text, [spans[side] for spans in replaced], symbols) for side, text in enumerate(pair))
        )

    def sample(self, pairs: Sequence[Pair], share: float, generator: np.random.Generator) -> dict[int, Pair]:
        """About this share of the pairs, with placeholders, by the index of the pair."""
        chosen = np.nonzero(generator.random(len(pairs)) < share)[0].tolist()
        replaced = {index: self.replace_words(pairs[index], generator) for index in chosen}
        return {index: pair for index, pair in replaced.items() if pair is not None}

    def _probability(self, word: str, translation: str) -> float:
        """Probability that a word is replaced; names are the most likely, as they are what is copied most."""
        return float((_FREQUENT / max(_FREQUENT, self._counts[word])) ** (0.5 if word == translation else 1))

    def _translation(self, word: str, target: Mapping[str, object]) -> str:
        """A name's or number's own spelling, or the lexicon's translation of another word; "" if there is none."""
        if word in target and (
            word[0].isdigit() or (word[0].isupper() and len(word) > 1 and not self._is_lowercase(word))
        ):
            return word
        return self._lexicon.get(word.lower() if self._is_lowercase(word) else word, "")

    def _is_lowercase(self, word: str) -> bool:
        """Whether a word is written in lower case within sentences."""
        return word.lower() in self._lowercase_words


def _word_spans(text: str) -> dict[str, _Span | None]:
    """The span of each word; None for words that occur twice."""
    spans: dict[str, _Span | None] = {}
    for match in _WORD.finditer(text):
        spans[match.group()] = None if match.group() in spans else match.span()
    return spans


def _lexicon(phrases: Mapping[Pair, int]) -> dict[str, str]:
    """Single words that nearly always translate each other: target by source."""
    totals = side_totals(phrases)
    return {
        phrase.source: phrase.target
        for phrase, count in phrases.items()
        if all(
            _WORD.fullmatch(text) and count > _MIN_TRANSLATION_SHARE * total[text]
            for total, text in zip(totals, phrase, strict=True)
        )
    }


def _with_placeholders(text: str, spans: Sequence[_Span], symbols: Sequence[str]) -> str:
    for (begin, end), symbol in sorted(zip(spans, symbols, strict=True), reverse=True):
        text = text[:begin] + symbol + text[end:]
    return text
