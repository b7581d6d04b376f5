"""Error analysis of a tagger: the most frequent confusions, with examples in context."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, Span, spans
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.metrics import Tags

_CONTEXT_WORDS = 5  # on each side
WRONG_BOUNDARIES = ", wrong boundaries"


@dataclass(frozen=True)
class Error:
    """The words [start, end) of a sentence, whose predicted label is wrong."""

    sentence: Sentence
    start: int
    end: int
    gold: str
    predicted: str
    predicted_words: str = ""
    """The words of the predicted entity, if its boundaries are wrong."""

    def __str__(self) -> str:
        """`file:line: words before [words] words after`; words that are not printable are escaped."""
        words = self.sentence.words
        before, after = (
            words[max(0, self.start - _CONTEXT_WORDS) : self.start],
            words[self.end : self.end + _CONTEXT_WORDS],
        )
        pieces = (
            "… " if self.start > _CONTEXT_WORDS else "", *(f"{_printable(word)} " for word in before),
            f"[{' '.join(map(_printable, words[self.start : self.end]))}]", *(f" {_printable(word)}" for word in after),
            " …" if self.end + _CONTEXT_WORDS < len(words) else "",
            f"  (predicted: {self.predicted_words})" if self.predicted_words else "",
        )  # fmt: skip
        return f"{self.sentence.location}: {''.join(pieces)}"


@dataclass(frozen=True)
class Confusion:
    """All errors with the same gold and predicted label, in order of the data."""

    gold: str
    predicted: str
    errors: tuple[Error, ...]

    def report(self, examples: int) -> str:
        """A line with the count, and some of the errors, evenly spaced."""
        step = max(1, -(-len(self.errors) // examples)) if examples else 1
        selected = self.errors[::step][:examples]
        return "\n".join(
            [f"{len(self.errors):6,}  {self.gold} -> {self.predicted}", *(f"          {e}" for e in selected)]
        )


def confusions(kind: Kind, sentences: Sequence[Sentence], predicted: Tags) -> list[Confusion]:
    """Errors grouped by gold and predicted label, the most frequent first.

    For spans an error is an entity: `PER -> O` is a missed entity, `O -> PER` a spurious one, `PER -> ORG` a wrong
    type, and `PER -> PER, wrong boundaries` has a word too many or too few.
    """
    groups: defaultdict[tuple[str, str], list[Error]] = defaultdict(list)
    for sentence, tags in zip(sentences, predicted, strict=True):
        for error in _span_errors(sentence, tags) if kind == "spans" else _tag_errors(sentence, tags):
            groups[error.gold, error.predicted].append(error)
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [Confusion(gold, wrong, tuple(errors)) for (gold, wrong), errors in ranked]


def _tag_errors(sentence: Sentence, tags: Sequence[str]) -> Iterator[Error]:
    for index, (gold, predicted) in enumerate(zip(sentence.tags, tags, strict=True)):
        if gold != predicted:
            yield Error(sentence, index, index + 1, gold, predicted)


def _span_errors(sentence: Sentence, tags: Sequence[str]) -> Iterator[Error]:
    gold, predicted = spans(sentence.tags), spans(tags)
    missed = [span for span in gold if span not in predicted]
    spurious = [span for span in predicted if span not in gold]
    for span in missed:
        other = max(spurious, key=lambda other: (_overlap(span, other), other.start == span.start), default=None)
        if other is None or not _overlap(span, other):
            yield Error(sentence, span.start, span.end, span.label, OUTSIDE)
        elif span[1:] == other[1:]:
            yield Error(sentence, span.start, span.end, span.label, other.label)
        else:
            predicted_words = " ".join(map(_printable, sentence.words[other.start : other.end]))
            yield Error(sentence, span.start, span.end, span.label, other.label + WRONG_BOUNDARIES, predicted_words)
    for span in spurious:
        if not any(_overlap(span, other) for other in gold):
            yield Error(sentence, span.start, span.end, OUTSIDE, span.label)


def _overlap(one: Span, other: Span) -> int:
    """The number of words that two spans share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _printable(word: str) -> str:
    return word if word.isprintable() else word.encode("unicode_escape").decode("ascii")
