"""What a tagger confuses: the commonest errors, with examples in context."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, Span, spans
from training.bilstm_crf.data.dataset import Sentence
from training.bilstm_crf.metrics import Tags

_AROUND = 5  # words of context to each side
OTHER_ENDS = ", other ends"


@dataclass(frozen=True)
class Error:
    """Words `start` to `end` of a sentence, for which something else was found."""

    sentence: Sentence
    start: int
    end: int
    true: str
    found: str
    instead: str = ""
    """The words that were found, where the ends are wrong."""

    def __str__(self) -> str:
        """As `file:line: words before [words] words after`; a word that cannot be shown is written with escapes."""
        words = self.sentence.words
        before, after = words[max(0, self.start - _AROUND) : self.start], words[self.end : self.end + _AROUND]
        pieces = (
            "… " if self.start > _AROUND else "", *(f"{_shown(word)} " for word in before),
            f"[{' '.join(map(_shown, words[self.start : self.end]))}]", *(f" {_shown(word)}" for word in after),
            " …" if self.end + _AROUND < len(words) else "", f"  (found: {self.instead})" if self.instead else "",
        )  # fmt: skip
        return f"{self.sentence.place}: {''.join(pieces)}"


@dataclass(frozen=True)
class Confusion:
    """All errors with the same true and found label, in order of the data."""

    true: str
    found: str
    errors: tuple[Error, ...]

    def report(self, examples: int) -> str:
        """A line with the count, and some of the errors, evenly from all of them."""
        step = max(1, -(-len(self.errors) // examples)) if examples else 1
        shown = self.errors[::step][:examples]
        return "\n".join([f"{len(self.errors):6,}  {self.true} -> {self.found}", *(f"          {e}" for e in shown)])


def confusions(kind: Kind, sentences: Sequence[Sentence], found: Tags) -> list[Confusion]:
    """Errors by what was confused with what, the commonest first.

    Of spans an error is an entity: `PER -> O` is one that was missed, `O -> PER` one that is none, `PER -> ORG` one of
    another type, and `PER -> PER, other ends` one with a word too many or too few.
    """
    groups: defaultdict[tuple[str, str], list[Error]] = defaultdict(list)
    for sentence, tags in zip(sentences, found, strict=True):
        for error in _span_errors(sentence, tags) if kind == "spans" else _tag_errors(sentence, tags):
            groups[error.true, error.found].append(error)
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [Confusion(true, wrong, tuple(errors)) for (true, wrong), errors in ranked]


def _tag_errors(sentence: Sentence, tags: Sequence[str]) -> Iterator[Error]:
    for place, (true, found) in enumerate(zip(sentence.tags, tags, strict=True)):
        if true != found:
            yield Error(sentence, place, place + 1, true, found)


def _span_errors(sentence: Sentence, tags: Sequence[str]) -> Iterator[Error]:
    true, found = spans(sentence.tags), spans(tags)
    missed = [span for span in true if span not in found]
    extra = [span for span in found if span not in true]
    for span in missed:
        other = max(extra, key=lambda other: (_common(span, other), other.start == span.start), default=None)
        if other is None or not _common(span, other):
            yield Error(sentence, span.start, span.end, span.label, OUTSIDE)
        elif span[1:] == other[1:]:
            yield Error(sentence, span.start, span.end, span.label, other.label)
        else:
            instead = " ".join(map(_shown, sentence.words[other.start : other.end]))
            yield Error(sentence, span.start, span.end, span.label, other.label + OTHER_ENDS, instead)
    for span in extra:
        if not any(_common(span, other) for other in true):
            yield Error(sentence, span.start, span.end, OUTSIDE, span.label)


def _common(one: Span, other: Span) -> int:
    """How many words two spans share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _shown(word: str) -> str:
    return word if word.isprintable() else word.encode("unicode_escape").decode("ascii")
