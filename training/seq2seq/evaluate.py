"""How well a trained translator translates: BLEU, chrF2, without near-duplicates, by length, and what it looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from service.decoding import Hypothesis, SearchSettings
from service.tasks.translation.subwords import END
from training.common.errors import DatasetError, RunError
from training.common.run import Run, write_text
from training.seq2seq.config import FAMILY, TranslatorConfig
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.near_duplicates import near_duplicates
from training.seq2seq.metrics import Scores, score
from training.seq2seq.plots import Aligned, draw_attention, draw_by_length, draw_learning_curve
from training.seq2seq.search import translate
from training.seq2seq.translations_tsv import (
    Group,
    Row,
    by_length,
    label,
    read_table,
    side_by_side,
    table_path,
    write_table,
)
from training.seq2seq.translator import Translator, load_translator

_ATTENTION_SHOWN = 4
_SEEN_WELL = range(8, 17)  # source pieces of sentences whose attention is drawn


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was found in one split."""

    name: str
    split: str
    settings: SearchSettings
    epoch: int
    """After which the weights were kept."""
    lower_case: bool
    """Whether the score that counts is the one without case, as with Multi30k."""
    rows: tuple[Row, ...]
    scores: Scores
    scores_new: Scores
    """Of the sentences that training has no near-duplicate of."""
    groups: tuple[Group, ...]
    """By length of the source."""

    @property
    def bleu(self) -> float:
        """The score that counts, in percent."""
        return self.scores.bleu_lower_case if self.lower_case else self.scores.bleu

    @property
    def bleu_new(self) -> float:
        """The same of the sentences that training has no near-duplicate of."""
        return self.scores_new.bleu_lower_case if self.lower_case else self.scores_new.bleu

    @property
    def new(self) -> int:
        """How many those are."""
        return sum(not row.near for row in self.rows)

    @property
    def length_ratio(self) -> float:
        """Words of the translations to words of the references."""
        wanted = sum(len(row.reference.split()) for row in self.rows)
        return sum(len(row.found.split()) for row in self.rows) / wanted if wanted else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "data": self.name,
            "epoch": self.epoch,
            "sentences": len(self.rows),
            "beam_size": self.settings.beam_size,
            "length_penalty": self.settings.length_penalty,
            "coverage_penalty": self.settings.coverage_penalty,
            **self.scores.as_dict(),
            "length_ratio": round(self.length_ratio, 4),
            "exact": sum(row.found == row.reference for row in self.rows),
            "without_near_duplicates": {"sentences": self.new, **self.scores_new.as_dict()},
            "by_length": [
                {"words": group.words, "sentences": group.sentences, "bleu": group.bleu} for group in self.groups
            ],
        }

    def report(self) -> str:
        """The same as text."""
        settings = self.settings
        beam = "greedy" if settings.beam_size == 1 else f"beam {settings.beam_size}"
        lines = [
            f"{self.name}, {self.split}: {len(self.rows):,} sentences, {beam}, "
            f"length penalty {settings.length_penalty:g}, coverage penalty {settings.coverage_penalty:g}",
            *self.scores.report(),
            f"{self.new:,} sentences without a near-duplicate in training: BLEU {self.bleu_new:.2f}, "
            f"chrF2 {self.scores_new.chrf:.2f}",
            f"words to those of the references: {self.length_ratio:.3f}",
            "",
            "words of the source  sentences   BLEU",
            *(f"{group.words:20} {group.sentences:9,} {group.bleu:6.2f}" for group in self.groups),
        ]
        return "\n".join(lines)


def evaluate(
    run: Run,
    config: TranslatorConfig,
    data: ParallelData,
    split: str,
    device: torch.device,
    *,
    beam_size: int = 5,
    length_penalty: float = 1.0,
    coverage_penalty: float = 0.0,
    against: Path | None = None,
) -> Evaluation:
    """Translate the split with the run's kept weights.

    Writes `evaluation.json`, `translations_<split>.tsv`, `samples_<split>.txt` and the pictures.

    Args:
        against: another run of which the same split was evaluated, for the picture by length and the samples.

    Raises:
        DatasetError: the data have no such split.
        CheckpointError: the run has no weights yet.
        RunError: the other run was not evaluated on these sentences.
    """
    if not data.splits.get(split):
        there = " or ".join(one for one in data.splits if one != "train")
        raise DatasetError(f"{data.name}: has no split {split}; use --split {there}")
    other = _other(against, data, split) if against else None
    translator = load_translator(run)
    translator.network.to(device)
    settings = SearchSettings(beam_size=beam_size, length_penalty=length_penalty, coverage_penalty=coverage_penalty)
    sources = [pair.source for pair in data.splits[split]]
    found = [best[0] for best in translate(translator, sources, settings, wants_attention=True)]
    texts = [translator.target.decode(one.tokens) for one in found]
    result = measure(data, split, texts, settings, config, epoch=translator.epoch)
    run.add_evaluation(split, result.as_dict())
    write_table(table_path(run, split), result.rows)
    _draw(run, config, result, translator, found, other)
    return result


def measure(
    data: ParallelData,
    split: str,
    found: Sequence[str],
    settings: SearchSettings,
    config: TranslatorConfig,
    *,
    epoch: int = 0,
) -> Evaluation:
    """Hold translations that were found against those of the split."""
    pairs = data.splits[split]
    near = near_duplicates(pairs, data.splits["train"])
    rows = tuple(
        Row(source=pair.source, reference=pair.target, found=text, near=known)
        for pair, text, known in zip(pairs, found, near, strict=True)
    )
    return Evaluation(
        name=data.name,
        split=split,
        settings=settings,
        epoch=epoch,
        lower_case=config.data.lower_case,
        rows=rows,
        scores=_scores(rows, data.target),
        scores_new=_scores([row for row in rows if not row.near], data.target),
        groups=tuple(by_length(rows, lower_case=config.data.lower_case, language=data.target)),
    )


def _scores(rows: Sequence[Row], language: str) -> Scores:
    return score([row.found for row in rows], [row.reference for row in rows], language)


def _other(path: Path, data: ParallelData, split: str) -> tuple[str, list[Row]]:
    """What another run found in the same sentences, and what it is called."""
    run = Run.open(path, family=FAMILY)
    rows = read_table(run, split)
    if [(row.source, row.reference) for row in rows] != data.splits[split]:
        raise RunError(f"{path}: was evaluated on other sentences than {split} of {data.name}; evaluate it on the same")
    return label(run), rows


def _draw(
    run: Run,
    config: TranslatorConfig,
    result: Evaluation,
    translator: Translator,
    found: Sequence[Hypothesis],
    other: tuple[str, list[Row]] | None,
) -> None:
    split, title = result.split, f"{result.name}, {result.split}: BLEU {result.bleu:.1f}"
    columns: dict[str, Sequence[Row]] = {label(run): result.rows}
    if other:
        name, rows = other
        columns[name if name not in columns else f"{name}, the other run"] = rows
    write_text(run.path / f"samples_{split}.txt", side_by_side(columns))
    lengths = {
        name: by_length(rows, lower_case=config.data.lower_case, language=translator.target_language)
        for name, rows in columns.items()
    }
    if result.groups:
        draw_by_length(run.pictures / f"by_length_{split}.png", lengths, title)
    if aligned := _aligned(translator, result.rows, found):
        draw_attention(run.pictures / f"attention_{split}.png", aligned, f"{result.name}, {split}: attention")
    if metrics := run.metrics():
        draw_learning_curve(run.pictures / "learning_curve.png", metrics)


def _aligned(translator: Translator, rows: Sequence[Row], found: Sequence[Hypothesis]) -> list[Aligned]:
    """The attention of the first sentences that are neither short nor long; none without attention."""
    aligned = []
    for row, best in zip(rows, found, strict=True):
        if best.attention is None:
            return []
        source = [*translator.encode(row.source), END]
        if len(source) not in _SEEN_WELL or len(best.tokens) < 2:
            continue
        pieces = [translator.target.piece(token) for token in [*best.tokens, END]]
        weights = best.attention[: len(pieces), : len(source)]
        sources = [translator.source.piece(token) for token in source]
        aligned.append(Aligned(sources, pieces[: len(weights)], weights))
        if len(aligned) == _ATTENTION_SHOWN:
            break
    return aligned
