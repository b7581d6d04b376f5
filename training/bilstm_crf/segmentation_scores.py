"""How well raw text is segmented: F1 of tokens, words, sentences and tags, as in the CoNLL 2018 shared task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from service.tasks.token_classification.segmentation import Segment, SegmentedText
from training.bilstm_crf.data.dataset import RawToken, Sentence
from training.bilstm_crf.data.raw_text import raw_document
from training.bilstm_crf.segmentation import raw_sentences

Span = tuple[int, int]
Word = tuple[Span, int, str, str]
"""A word: the offsets of its token, its number in it, its form if there are several, its tag."""


@dataclass(frozen=True, kw_only=True)
class SegmentationScores:
    """F1, of 1, on the raw text of a split."""

    tokens: float
    words: float
    sentences: float
    tags: float
    """Words that are found and have the right tag."""
    characters: int

    def as_dict(self) -> dict[str, Any]:
        """The results as JSON values."""
        return {
            **{name: round(getattr(self, name), 6) for name in ("tokens", "words", "sentences", "tags")},
            "characters": self.characters,
        }

    def report(self) -> str:
        """One line for the terminal."""
        return (
            f"raw text of {self.characters:,} characters: F1 of tokens {self.tokens:.2%}, words {self.words:.2%}, "
            f"sentences {self.sentences:.2%}, tags {self.tags:.2%}"
        )


def score_segmentation(
    sentences: Sequence[Sentence], segment: Segment, tag: Callable[[Sequence[Sequence[str]]], Sequence[Sequence[str]]]
) -> SegmentationScores | None:
    """Segment and tag the text of sentences; None if they do not have it.

    Args:
        sentences: the sentences with the treebank's tokens and tags.
        segment: splits the text.
        tag: the tags of the words of each sentence.
    """
    with_text = [sentence for sentence in sentences if sentence.raw is not None]
    if not with_text:
        return None
    text, tokens = raw_document(raw_sentences(with_text))
    (found,) = segment([text], lambda: None)
    predicted = _found_words(text, found)
    tags = tag([[form for _, form in sentence] for sentence in predicted])
    ours = [
        (span, form, tag)
        for sentence, line in zip(predicted, tags, strict=True)
        for (span, form), tag in zip(sentence, line, strict=True)
    ]
    gold = [
        (span, form, tag)
        for sentence, line in zip(with_text, tokens, strict=True)
        for (span, form), tag in zip(_gold_words(text, line), sentence.tags, strict=True)
    ]
    one, other = _words(gold), _words(ours)
    return SegmentationScores(
        tokens=_f1({span for span, _, _, _ in one}, {span for span, _, _, _ in other}),
        words=_f1({word[:3] for word in one}, {word[:3] for word in other}),
        sentences=_f1({(line[0].start, line[-1].end) for line in tokens}, set(_ends(found))),
        tags=_f1(set(one), set(other)),
        characters=len(text),
    )


def _found_words(text: str, found: SegmentedText) -> list[list[tuple[Span, str]]]:
    forms = [text[start:end] for sentence in found.sentences for start, end in sentence]
    for first, words in found.multiword or ():
        forms[first : first + len(words)] = words
    source = iter(forms)
    return [[(span, next(source)) for span in sentence] for sentence in found.sentences]


def _gold_words(text: str, tokens: Sequence[RawToken]) -> list[tuple[Span, str]]:
    return [
        ((token.start, token.end), form) for token in tokens for form in token.words or (text[token.start : token.end],)
    ]


def _words(words: Sequence[tuple[Span, str, str]]) -> list[Word]:
    result: list[Word] = []
    for span, group in groupby(words, key=lambda word: word[0]):
        together = list(group)
        result += [
            (span, number, form.lower() if len(together) > 1 else "", tag)
            for number, (_, form, tag) in enumerate(together)
        ]
    return result


def _ends(found: SegmentedText) -> list[Span]:
    return [(sentence[0][0], sentence[-1][1]) for sentence in found.sentences]


def _f1(gold: set[Any], predicted: set[Any]) -> float:
    return 2 * len(gold & predicted) / max(1, len(gold) + len(predicted))
