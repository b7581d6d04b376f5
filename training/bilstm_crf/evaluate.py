"""How well a trained tagger tags: accuracy, entities by type, confusions, the commonest errors in context."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from service.tasks.token_classification.features import Kind
from service.tasks.token_classification.tag_schemes import OUTSIDE, spans
from training.bilstm_crf.config import TaggerConfig
from training.bilstm_crf.data.dataset import Sentence, TaggedData
from training.bilstm_crf.error_analysis import Confusion, confusions
from training.bilstm_crf.metrics import Score, Scores, Tags, entity_scores, tag_scores, words
from training.bilstm_crf.plots import draw_confusion, draw_learning_curve
from training.bilstm_crf.tagger import load_tagger
from training.common.errors import DatasetError
from training.common.run import Run, write_text

_REPORTED, _WRITTEN = (10, 2), (50, 10)  # confusions, and examples of each


@dataclass(frozen=True, kw_only=True)
class Share:
    """So many are right of a whole."""

    right: int
    total: int

    @property
    def share(self) -> float:
        """0 of nothing."""
        return self.right / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.share:.2%} of {self.total:,}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"share": round(self.share, 6), "right": self.right, "total": self.total}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was found in one split."""

    split: str
    kind: Kind
    epoch: int
    sentences: int
    words: Share
    unseen_words: Share
    """Words that do not occur in the training sentences, in this spelling."""
    unseen_entities: Share | None
    """Entities of which no training sentence has the words as an entity; of spans only."""
    scores: Scores
    """By type of entity, or by tag."""
    unseen_tags: dict[str, int]
    """Tags of the split that no training sentence has, with the number of words: they cannot be found."""
    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    """Words [true, found] by tag; of spans by the type alone."""
    confusions: tuple[Confusion, ...]

    @property
    def accuracy(self) -> float:
        """Share of the words with the right tag."""
        return self.words.share

    @property
    def headline(self) -> float:
        """F1 of the entities, or accuracy of the tags."""
        return self.scores.micro.f1 if self.kind == "spans" else self.accuracy

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        micro = {"micro": self.scores.micro.as_dict()} if self.kind == "spans" else {}
        unseen = {} if self.unseen_entities is None else {"unseen_entities": self.unseen_entities.as_dict()}
        return {
            "kind": self.kind,
            "epoch": self.epoch,
            "sentences": self.sentences,
            "words": self.words.total,
            "accuracy": round(self.accuracy, 6),
            "unseen_words": self.unseen_words.as_dict(),
            **unseen,
            **micro,
            "macro_f1": round(self.scores.macro_f1, 6),
            "by_label": {label: score.as_dict() for label, score in self.scores.by_label.items()},
            "unseen_tags": self.unseen_tags,
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
        }

    def report(self) -> str:
        """The same as text, with the commonest errors."""
        micro = self.scores.micro
        found = (
            f"F1 {micro.f1:.2%} (precision {micro.precision:.2%}, recall {micro.recall:.2%}) of {micro.support:,} "
            f"entities, {self.accuracy:.2%} of {self.words.total:,} words"
            if self.kind == "spans"
            else f"accuracy {self.accuracy:.2%} of {self.words.total:,} words"
        )
        lines = [
            f"{self.split}: {found} in {self.sentences:,} sentences (weights of epoch {self.epoch})",
            f"words never seen in training: {self.unseen_words} right",
        ]
        if self.unseen_entities is not None:
            lines.append(f"entities never seen in training: {self.unseen_entities} found")
        for tag, count in self.unseen_tags.items():
            number = f"{count:,} word{'s' if count > 1 else ''}"
            lines.append(f"note: the tag {tag} ({number}) does not occur in training, so it is always wrong")
        return "\n".join([*lines, "", *self._table(), "", self.errors(*_REPORTED)])

    def _table(self) -> list[str]:
        rows = dict(self.scores.by_label)
        if self.kind == "spans":
            rows["all"] = self.scores.micro
        width = max(8, *map(len, rows)) + 2
        heading = "type" if self.kind == "spans" else "tag"
        lines = [f"{heading:{width}}precision    recall        F1   support     found"]
        lines += [f"{label:{width}}{_figures(score)}" for label, score in rows.items()]
        return [*lines, f"{'macro F1':{width}}{self.scores.macro_f1:29.2%}"]

    def errors(self, most: int, examples: int) -> str:
        """The commonest confusions, each with some examples."""
        if not self.confusions:
            return "no errors"
        total = sum(len(confusion.errors) for confusion in self.confusions)
        lines = [f"{total:,} errors of {len(self.confusions):,} sorts, is -> found:"]
        return "\n".join([*lines, *(confusion.report(examples) for confusion in self.confusions[:most])])


def _figures(score: Score) -> str:
    return f"{score.precision:9.2%} {score.recall:9.2%} {score.f1:9.2%} {score.support:9,} {score.found:9,}"


def evaluate(run: Run, config: TaggerConfig, data: TaggedData, split: str, device: torch.device) -> Evaluation:
    """Tag the split with the run's kept weights; writes `evaluation.json`, `errors_<split>.txt` and the pictures.

    Raises:
        DatasetError: the data have no such split.
        CheckpointError: the run has no weights yet.
    """
    if split not in data.splits:
        raise DatasetError(f"{data.name}: has no split {split}; use --split {' or '.join(_to_measure(data))}")
    tagger = load_tagger(run)
    tagger.network.to(device)
    found = tagger.tag([sentence.words for sentence in data.splits[split]])
    result = measure(data, split, found, tagger.epoch)
    run.add_evaluation(split, result.as_dict())
    write_text(run.path / f"errors_{split}.txt", result.errors(*_WRITTEN) + "\n")
    _draw(run, data, result)
    return result


def _to_measure(data: TaggedData) -> list[str]:
    return [split for split in data.splits if split != "train"]


def measure(data: TaggedData, split: str, found: Tags, epoch: int) -> Evaluation:
    """Hold tags that were found, IOB2 for spans, against those of the split."""
    sentences = data.splits[split]
    true = [sentence.tags for sentence in sentences]
    labels, confusion = _confusion(data.kind, true, found)
    known_words = {word for sentence in data.splits["train"] for word in sentence.words}
    known_tags = data.tags("train")
    seen = [word in known_words for sentence in sentences for word in sentence.words]
    right = [one == other for one, other in words(true, found)]
    fresh = [good for good, known in zip(right, seen, strict=True) if not known]
    unseen_tags = Counter(tag for tags in true for tag in tags if tag not in known_tags)
    return Evaluation(
        split=split,
        kind=data.kind,
        epoch=epoch,
        sentences=len(sentences),
        words=Share(right=sum(right), total=len(right)),
        unseen_words=Share(right=sum(fresh), total=len(fresh)),
        unseen_entities=_unseen_entities(data, sentences, found) if data.kind == "spans" else None,
        scores=entity_scores(true, found) if data.kind == "spans" else tag_scores(true, found),
        unseen_tags=dict(sorted(unseen_tags.items())),
        labels=labels,
        confusion=confusion,
        confusions=tuple(confusions(data.kind, sentences, found)),
    )


def _confusion(kind: Kind, true: Tags, found: Tags) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Labels, and counts of words [true, found]; of spans by the type, without the prefix."""
    pairs = Counter(words(true, found))
    names = {tag: tag[2:] or tag if kind == "spans" else tag for pair in pairs for tag in pair}
    labels = sorted(set(names.values()), key=lambda label: (label == OUTSIDE and kind == "spans", label))
    rows = {tag: labels.index(name) for tag, name in names.items()}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for (one, other), count in pairs.items():
        counts[rows[one], rows[other]] += count
    return tuple(labels), counts


def _unseen_entities(data: TaggedData, sentences: list[Sentence], found: Tags) -> Share:
    """Recall of the entities that training has no like of."""
    known = {
        (label, *sentence.words[start:end])
        for sentence in data.splits["train"]
        for label, start, end in spans(sentence.tags)
    }
    right = total = 0
    for sentence, tags in zip(sentences, found, strict=True):
        given = set(spans(tags))
        fresh = [span for span in spans(sentence.tags) if (span[0], *sentence.words[span[1] : span[2]]) not in known]
        total += len(fresh)
        right += sum(span in given for span in fresh)
    return Share(right=right, total=total)


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
