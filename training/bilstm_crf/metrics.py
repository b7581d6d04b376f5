"""How right tags are: accuracy, and precision, recall and F1 by tag or by type of entity.

Entities by the CoNLL rules (Tjong Kim Sang 2002): one is found where its type and both its ends are right. Tags may be
IOB1, IOB2 or BIOES.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import Span, spans

Tags = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Score:
    """Counts of entities of a type, or of words with a tag: in the data, found, and found where they are."""

    support: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        """0 where nothing was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """0 where there is nothing to find."""
        return self.right / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.support + self.found) if self.support + self.found else 0.0

    def as_dict(self) -> dict[str, float | int]:
        """For JSON."""
        return {
            "precision": round(self.precision, 6),
            "recall": round(self.recall, 6),
            "f1": round(self.f1, 6),
            "support": self.support,
            "found": self.found,
            "right": self.right,
        }


@dataclass(frozen=True)
class Scores:
    """Scores by type of entity or by tag, in order of the alphabet."""

    by_label: dict[str, Score]

    @property
    def micro(self) -> Score:
        """Of all together: for entities the figure that CoNLL tables give, for tags the accuracy."""
        scores = self.by_label.values()
        return Score(sum(s.support for s in scores), sum(s.found for s in scores), sum(s.right for s in scores))

    @property
    def macro_f1(self) -> float:
        """The mean of the labels' F1; 0 where there are none."""
        return sum(score.f1 for score in self.by_label.values()) / len(self.by_label) if self.by_label else 0.0


def accuracy(true: Tags, found: Tags) -> float:
    """Share of the words with the right tag; 0 where there are no words."""
    pairs = [one == other for one, other in words(true, found)]
    return sum(pairs) / len(pairs) if pairs else 0.0


def words(true: Tags, found: Tags) -> Iterable[tuple[str, str]]:
    """True tag and found tag of every word.

    Raises:
        ValueError: another number of sentences or of words.
    """
    for one, other in zip(true, found, strict=True):
        yield from zip(one, other, strict=True)


def entity_scores(true: Tags, found: Tags) -> Scores:
    """Counts of entities by type, over all sentences.

    Raises:
        ValueError: another number of sentences or of words.
    """
    support, guessed, right = Counter[str](), Counter[str](), Counter[str]()
    for one, other in zip(true, found, strict=True):
        if len(one) != len(other):
            raise ValueError(f"{len(other)} tags were found for {len(one)} words")
        expected, given = spans(one), spans(other)
        support.update(_types(expected))
        guessed.update(_types(given))
        right.update(_types(set(expected) & set(given)))
    return Scores({kind: Score(support[kind], guessed[kind], right[kind]) for kind in sorted(support | guessed)})


def tag_scores(true: Tags, found: Tags) -> Scores:
    """Counts of words by tag.

    Raises:
        ValueError: another number of sentences or of words.
    """
    pairs = Counter(words(true, found))
    support, guessed = Counter[str](), Counter[str]()
    for (one, other), count in pairs.items():
        support[one] += count
        guessed[other] += count
    return Scores({tag: Score(support[tag], guessed[tag], pairs[tag, tag]) for tag in sorted(support | guessed)})


def _types(entities: Iterable[Span]) -> Iterable[str]:
    return (entity.label for entity in entities)


def headline(kind: Kind, true: Tags, found: Tags) -> float:
    """The one figure: F1 of all entities for spans, accuracy for plain tags."""
    return entity_scores(true, found).micro.f1 if kind == "spans" else accuracy(true, found)
