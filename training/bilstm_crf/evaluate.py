"""Evaluation of a trained tagger: accuracy, entities by type, confusions, the most frequent errors in context."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, spans
from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.error_analysis import Confusion, confusions
from training.bilstm_crf.metrics import Score, Scores, Tags, entity_scores, tag_pairs, tag_scores
from training.bilstm_crf.plots import draw_confusion, draw_learning_curve
from training.bilstm_crf.segmentation import load_segmenter
from training.bilstm_crf.segmentation_scores import SegmentationScores, score_segmentation
from training.bilstm_crf.tagger import load_tagger
from training.common.errors import DatasetError
from training.common.files import write_text
from training.common.line_faults import counted
from training.common.run import Run

_REPORTED, _WRITTEN = (10, 2), (50, 10)  # confusions, and examples of each


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The number of correct items among all."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """The fraction; 0 if there are no items."""
        return self.correct / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.value:.2%} of {self.total:,}"

    def as_dict(self) -> dict[str, Any]:
        """The results as JSON values."""
        return {"share": round(self.value, 6), "right": self.correct, "total": self.total}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The results for one split."""

    split: str
    kind: Kind
    epoch: int
    sentences: int
    words: Ratio
    unseen_words: Ratio
    """Words that do not occur in the training sentences, in this spelling."""
    unseen_entities: Ratio | None
    """Entities whose words are no entity of the same type in training; only for spans."""
    scores: Scores
    """Scores by type of entity, or by tag."""
    unseen_tags: dict[str, int]
    """Tags of the split that do not occur in training, with their numbers of words; they cannot be predicted."""
    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    """Counts of words [gold, predicted] by tag; for spans by type, without the prefix."""
    confusions: tuple[Confusion, ...]
    data_sha256: str = ""
    """Hash of the sentences of the split."""
    notes: tuple[str, ...] = ()
    """Remarks on how the data were read."""
    segmentation: SegmentationScores | None = None
    """Of the raw text, if the run has a learned tokenizer and the split has its text."""

    @property
    def accuracy(self) -> float:
        """Fraction of the words with the correct tag."""
        return self.words.value

    @property
    def headline(self) -> float:
        """F1 of the entities, or accuracy of the tags."""
        return self.scores.micro.f1 if self.kind == "spans" else self.accuracy

    def as_dict(self) -> dict[str, Any]:
        """The results as JSON values."""
        micro = {"micro": self.scores.micro.as_dict()} if self.kind == "spans" else {}
        unseen = {} if self.unseen_entities is None else {"unseen_entities": self.unseen_entities.as_dict()}
        return {
            "kind": self.kind,
            "epoch": self.epoch,
            "data_sha256": self.data_sha256,
            "sentences": self.sentences,
            "words": self.words.total,
            "accuracy": round(self.accuracy, 6),
            "unseen_words": self.unseen_words.as_dict(),
            **unseen,
            **micro,
            **({"segmentation": self.segmentation.as_dict()} if self.segmentation else {}),
            "macro_f1": round(self.scores.macro_f1, 6),
            "by_label": {label: score.as_dict() for label, score in self.scores.by_label.items()},
            "unseen_tags": self.unseen_tags,
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
        }

    def report(self) -> str:
        """The results as text, with the most frequent errors."""
        micro, words = self.scores.micro, counted(self.words.total, "word")
        summary = (
            f"F1 {micro.f1:.2%} (precision {micro.precision:.2%}, recall {micro.recall:.2%}) of "
            f"{micro.support:,} {'entity' if micro.support == 1 else 'entities'}, {self.accuracy:.2%} of {words}"
            if self.kind == "spans"
            else f"accuracy {self.accuracy:.2%} of {words}"
        )
        lines = [
            *(f"note: {note}" for note in self.notes),
            f"{self.split}: {summary} in {counted(self.sentences, 'sentence')} (weights of epoch {self.epoch})",
            f"words never seen in training: {self.unseen_words} correct",
        ]
        if self.segmentation is not None:
            lines.append(self.segmentation.report())
        if self.unseen_entities is not None:
            lines.append(f"entities never seen in training: {self.unseen_entities} found")
        for tag, count in self.unseen_tags.items():
            lines.append(
                f"note: the tag {tag} ({counted(count, 'word')}) does not occur in training, so it is always wrong"
            )
        return "\n".join([*lines, "", *self._table(), "", self.errors(*_REPORTED)])

    def _table(self) -> list[str]:
        rows = dict(self.scores.by_label)
        if self.kind == "spans":
            rows["all"] = self.scores.micro
        width = max(8, *map(len, rows)) + 2
        heading = "type" if self.kind == "spans" else "tag"
        lines = [f"{heading:{width}}precision    recall        F1   support predicted"]
        lines += [f"{label:{width}}{_figures(score)}" for label, score in rows.items()]
        return [*lines, f"{'macro F1':{width}}{self.scores.macro_f1:29.2%}"]

    def errors(self, max_confusions: int, examples: int) -> str:
        """The most frequent confusions, each with some examples."""
        if not self.confusions:
            return "no errors"
        total = sum(len(confusion.errors) for confusion in self.confusions)
        lines = [f"{total:,} errors of {len(self.confusions):,} kinds, gold -> predicted:"]
        return "\n".join([*lines, *(confusion.report(examples) for confusion in self.confusions[:max_confusions])])


def _figures(score: Score) -> str:
    return f"{score.precision:9.2%} {score.recall:9.2%} {score.f1:9.2%} {score.support:9,} {score.predicted:9,}"


def evaluate(run: Run, config: TaggerConfig, data: TaggedData, split: str, device: torch.device) -> Evaluation:
    """Tag a split with the run's best weights; writes `evaluation.json`, `errors_<split>.txt` and the pictures.

    Raises:
        DatasetError: the data have no such split.
        CheckpointError: the run has no weights yet, or its tokenizer is not trained to its end.
    """
    if split not in data.splits:
        raise DatasetError(f"{data.name}: has no split {split}; use --split {' or '.join(_evaluation_splits(data))}")
    tagger, segmenter = load_tagger(run), load_segmenter(run, config, data)
    tagger.network.to(device)
    predicted = tagger.tag([sentence.words for sentence in data.splits[split]])
    result = measure(data, split, predicted, tagger.epoch)
    if segmenter is not None:
        scores = score_segmentation(data.splits[split], segmenter.segmenter().segment, tagger.tag)
        result = replace(result, segmentation=scores)
    run.add_evaluation(split, result.as_dict())
    write_text(run.path / f"errors_{split}.txt", result.errors(*_WRITTEN) + "\n")
    _draw(run, data, result)
    return result


def _evaluation_splits(data: TaggedData) -> list[str]:
    return [split for split in data.splits if split != "train"]


def measure(data: TaggedData, split: str, predicted: Tags, epoch: int) -> Evaluation:
    """Compare predicted tags, IOB2 for spans, with the gold tags of the split."""
    sentences = data.splits[split]
    gold = [sentence.tags for sentence in sentences]
    labels, confusion = _confusion(data.kind, gold, predicted)
    known_words = {word for sentence in data.splits["train"] for word in sentence.words}
    known_tags = data.tags("train")
    is_known = [word in known_words for sentence in sentences for word in sentence.words]
    is_correct = [one == other for one, other in tag_pairs(gold, predicted)]
    unseen = [correct for correct, known in zip(is_correct, is_known, strict=True) if not known]
    unseen_tags = Counter(tag for tags in gold for tag in tags if tag not in known_tags)
    return Evaluation(
        split=split,
        kind=data.kind,
        epoch=epoch,
        sentences=len(sentences),
        words=Ratio(correct=sum(is_correct), total=len(is_correct)),
        unseen_words=Ratio(correct=sum(unseen), total=len(unseen)),
        unseen_entities=_unseen_entities(data, sentences, predicted) if data.kind == "spans" else None,
        scores=entity_scores(gold, predicted) if data.kind == "spans" else tag_scores(gold, predicted),
        unseen_tags=dict(sorted(unseen_tags.items())),
        labels=labels,
        confusion=confusion,
        confusions=tuple(confusions(data.kind, sentences, predicted)),
        data_sha256=data.sha256(split),
        notes=data.notes,
    )


def _confusion(kind: Kind, gold: Tags, predicted: Tags) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Labels, and counts of words [gold, predicted]; for spans by type, without the prefix."""
    pairs = Counter(tag_pairs(gold, predicted))
    names = {tag: tag[2:] or tag if kind == "spans" else tag for pair in pairs for tag in pair}
    labels = sorted(set(names.values()), key=lambda label: (label == OUTSIDE and kind == "spans", label))
    rows = {tag: labels.index(name) for tag, name in names.items()}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for (gold_tag, predicted_tag), count in pairs.items():
        counts[rows[gold_tag], rows[predicted_tag]] += count
    return tuple(labels), counts


def _unseen_entities(data: TaggedData, sentences: list[Sentence], predicted: Tags) -> Ratio:
    """Recall of the entities that do not occur in training."""
    known = {
        (label, *sentence.words[start:end])
        for sentence in data.splits["train"]
        for label, start, end in spans(sentence.tags)
    }
    correct = total = 0
    for sentence, tags in zip(sentences, predicted, strict=True):
        predicted_spans = set(spans(tags))
        unseen = [span for span in spans(sentence.tags) if (span[0], *sentence.words[span[1] : span[2]]) not in known]
        total += len(unseen)
        correct += sum(span in predicted_spans for span in unseen)
    return Ratio(correct=correct, total=total)


def _draw(run: Run, data: TaggedData, result: Evaluation) -> None:
    score = "F1" if result.kind == "spans" else "accuracy"
    if metrics := run.metrics():
        draw_learning_curve(run.pictures / "learning_curve.png", metrics, score)
    draw_confusion(
        run.pictures / f"confusion_{result.split}.png",
        result.confusion,
        result.labels,
        f"{data.name}, {result.split}: {score} {result.headline:.2%}",
    )
