"""Metrics of tags: accuracy, and precision, recall and F1 by tag or by type of entity.

Entities follow the CoNLL rules (Tjong Kim Sang 2002): an entity is correct if its type and both its boundaries are.
Tags may be IOB1, IOB2 or BIOES.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import Span, spans

Tags = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Score:
    """Counts of the entities of a type, or of the words with a tag: in the gold data, predicted, and correct."""

    support: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """0 if nothing is predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """0 if there is nothing to predict."""
        return self.correct / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.correct / (self.support + self.predicted) if self.support + self.predicted else 0.0

    def as_dict(self) -> dict[str, float | int]:
        """The results as JSON values."""
        return {
            "precision": round(self.precision, 6),
            "recall": round(self.recall, 6),
            "f1": round(self.f1, 6),
            "support": self.support,
            "found": self.predicted,
            "right": self.correct,
        }


@dataclass(frozen=True)
class Scores:
    """Scores by type of entity or by tag, in alphabetical order."""

    by_label: dict[str, Score]

    @property
    def micro(self) -> Score:
        """The pooled counts: for entities the figure of the CoNLL tables, for tags the accuracy."""
        scores = self.by_label.values()
        return Score(sum(s.support for s in scores), sum(s.predicted for s in scores), sum(s.correct for s in scores))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels; 0 if there are none."""
        return sum(score.f1 for score in self.by_label.values()) / len(self.by_label) if self.by_label else 0.0


def accuracy(gold: Tags, predicted: Tags) -> float:
    """Fraction of the words with the correct tag; 0 if there are no words."""
    is_correct = [one == other for one, other in tag_pairs(gold, predicted)]
    return sum(is_correct) / len(is_correct) if is_correct else 0.0


def tag_pairs(gold: Tags, predicted: Tags) -> Iterable[tuple[str, str]]:
    """The gold and the predicted tag of every word.

    Raises:
        ValueError: the numbers of sentences or words differ.
    """
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        yield from zip(gold_tags, predicted_tags, strict=True)


def entity_scores(gold: Tags, predicted: Tags) -> Scores:
    """Scores of entities by type, over all sentences.

    Raises:
        ValueError: the numbers of sentences or words differ.
    """
    support, guessed, correct = Counter[str](), Counter[str](), Counter[str]()
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        if len(gold_tags) != len(predicted_tags):
            raise ValueError(f"{len(predicted_tags)} tags were predicted for {len(gold_tags)} words")
        gold_spans, predicted_spans = spans(gold_tags), spans(predicted_tags)
        support.update(_types(gold_spans))
        guessed.update(_types(predicted_spans))
        correct.update(_types(set(gold_spans) & set(predicted_spans)))
    return Scores({kind: Score(support[kind], guessed[kind], correct[kind]) for kind in sorted(support | guessed)})


def tag_scores(gold: Tags, predicted: Tags) -> Scores:
    """Scores of words by tag.

    Raises:
        ValueError: the numbers of sentences or words differ.
    """
    pairs = Counter(tag_pairs(gold, predicted))
    support, guessed = Counter[str](), Counter[str]()
    for (gold_tag, predicted_tag), count in pairs.items():
        support[gold_tag] += count
        guessed[predicted_tag] += count
    return Scores({tag: Score(support[tag], guessed[tag], pairs[tag, tag]) for tag in sorted(support | guessed)})


def _types(entities: Iterable[Span]) -> Iterable[str]:
    return (entity.label for entity in entities)


def headline(kind: Kind, gold: Tags, predicted: Tags) -> float:
    """The headline figure: F1 of all entities for spans, accuracy for plain tags."""
    return entity_scores(gold, predicted).micro.f1 if kind == "spans" else accuracy(gold, predicted)
