"""Evaluation of a trained translator: BLEU and chrF2, also without near-duplicates and by length; attention plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from service.decoding import SearchSettings
from service.tasks.translation.subwords import END
from training.common.errors import DatasetError, RunError
from training.common.files import write_text
from training.common.line_faults import counted
from training.common.run import Run
from training.seq2seq.config import FAMILY, TranslatorConfig
from training.seq2seq.data.dataset import ParallelData
from training.seq2seq.data.near_duplicates import near_duplicates
from training.seq2seq.metrics import Scores, score
from training.seq2seq.plots import AttentionPlot, draw_attention, draw_by_length, draw_learning_curve
from training.seq2seq.search import Translation, translate
from training.seq2seq.translations_tsv import (
    LengthGroup,
    Row,
    by_length,
    label,
    read_translations,
    side_by_side,
    translations_path,
    write_translations,
)
from training.seq2seq.translator import Translator, load_translator

_ATTENTION_PLOTS = 4
_PLOTTED_LENGTHS = range(8, 17)  # source tokens of the sentences whose attention is plotted


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The evaluation of one split."""

    name: str
    split: str
    settings: SearchSettings
    epoch: int
    """Epoch after which the weights were saved."""
    lower_case: bool
    """Whether the main score ignores case, as is usual for Multi30k."""
    rows: tuple[Row, ...]
    scores: Scores
    scores_novel: Scores
    """Scores of the sentences without a near-duplicate in training."""
    groups: tuple[LengthGroup, ...]
    """Scores by length of the source."""
    notes: tuple[str, ...] = ()
    """Remarks on how the split was read."""

    @property
    def bleu(self) -> float:
        """The main score, in percent."""
        return self.scores.bleu_lower_case if self.lower_case else self.scores.bleu

    @property
    def bleu_novel(self) -> float:
        """The main score of the sentences without a near-duplicate in training."""
        return self.scores_novel.bleu_lower_case if self.lower_case else self.scores_novel.bleu

    @property
    def novel_sentences(self) -> int:
        """Number of sentences without a near-duplicate in training."""
        return sum(not row.near_duplicate for row in self.rows)

    @property
    def length_ratio(self) -> float:
        """Number of words of the translations, relative to the references."""
        words = sum(len(row.reference.split()) for row in self.rows)
        return sum(len(row.translation.split()) for row in self.rows) / words if words else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The results as JSON values."""
        return {
            "data": self.name,
            "epoch": self.epoch,
            "sentences": len(self.rows),
            "beam_size": self.settings.beam_size,
            "length_penalty": self.settings.length_penalty,
            "coverage_penalty": self.settings.coverage_penalty,
            **self.scores.as_dict(),
            "length_ratio": round(self.length_ratio, 4),
            "exact": sum(row.translation == row.reference for row in self.rows),
            "without_near_duplicates": {"sentences": self.novel_sentences, **self.scores_novel.as_dict()},
            "by_length": [
                {"words": group.words, "sentences": group.sentences, "bleu": group.bleu} for group in self.groups
            ],
        }

    def report(self) -> str:
        """The evaluation as text."""
        settings = self.settings
        beam = "greedy" if settings.beam_size == 1 else f"beam {settings.beam_size}"
        lines = [
            *(f"note: {note}" for note in self.notes),
            f"{self.name}, {self.split}: {counted(len(self.rows), 'sentence')}, {beam}, "
            f"length penalty {settings.length_penalty:g}, coverage penalty {settings.coverage_penalty:g}",
            *self.scores.report(),
            f"{counted(self.novel_sentences, 'sentence')} without a near-duplicate in training: "
            f"BLEU {self.bleu_novel:.2f}, chrF2 {self.scores_novel.chrf:.2f}",
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
    """Translate a split with the run's kept weights and score it.

    Writes `evaluation.json`, `translations_<split>.tsv`, `samples_<split>.txt` and the plots.

    Args:
        run: the trained run.
        config: settings of the run.
        data: with the split.
        split: its name.
        device: to translate on.
        beam_size: hypotheses; 1 is greedy.
        length_penalty: alpha of Wu et al. 2016, eq. 14.
        coverage_penalty: beta of the same.
        against: another run that was evaluated on this split; it is added to the plot by length and the samples.

    Raises:
        DatasetError: the data have no such split.
        CheckpointError: the run has no weights yet.
        RunError: the other run was not evaluated on these sentences.
    """
    if not data.splits.get(split):
        splits = " or ".join(name for name in data.splits if name != "train")
        raise DatasetError(f"{data.name}: has no split {split}; use --split {splits}")
    other = _other_run(against, data, split) if against else None
    translator = load_translator(run)
    translator.network.to(device)
    settings = SearchSettings(beam_size=beam_size, length_penalty=length_penalty, coverage_penalty=coverage_penalty)
    sources = [pair.source for pair in data.splits[split]]
    translations = translate(translator, sources, settings)
    texts = [translation.text for translation in translations]
    result = measure(data, split, texts, settings, config, epoch=translator.epoch)
    run.add_evaluation(split, result.as_dict())
    write_translations(translations_path(run, split), result.rows)
    _draw(run, config, result, translator, translations, other)
    return result


def measure(
    data: ParallelData,
    split: str,
    translations: Sequence[str],
    settings: SearchSettings,
    config: TranslatorConfig,
    *,
    epoch: int = 0,
) -> Evaluation:
    """Score translations of a split."""
    pairs = data.splits[split]
    near = near_duplicates(pairs, data.splits["train"])
    rows = tuple(
        Row(source=pair.source, reference=pair.target, translation=translation, near_duplicate=is_near)
        for pair, translation, is_near in zip(pairs, translations, near, strict=True)
    )
    return Evaluation(
        name=data.name,
        split=split,
        settings=settings,
        epoch=epoch,
        lower_case=config.data.lower_case,
        rows=rows,
        scores=_scores(rows, data.target),
        scores_novel=_scores([row for row in rows if not row.near_duplicate], data.target),
        groups=tuple(by_length(rows, lower_case=config.data.lower_case, language=data.target)),
        notes=data.split_notes.get(split, ()),
    )


def _scores(rows: Sequence[Row], language: str) -> Scores:
    return score([row.translation for row in rows], [row.reference for row in rows], language)


def _other_run(path: Path, data: ParallelData, split: str) -> tuple[str, list[Row]]:
    """The label of another run, and its translations of the same sentences."""
    run = Run.open(path, family=FAMILY)
    rows = read_translations(run, split)
    if [(row.source, row.reference) for row in rows] != data.splits[split]:
        raise RunError(f"{path}: was evaluated on other sentences than {split} of {data.name}; evaluate it on the same")
    return label(run), rows


def _draw(
    run: Run,
    config: TranslatorConfig,
    result: Evaluation,
    translator: Translator,
    translations: Sequence[Translation],
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
    if plots := _attention_plots(translator, translations):
        draw_attention(run.pictures / f"attention_{split}.png", plots, f"{result.name}, {split}: attention")
    if metrics := run.metrics():
        draw_learning_curve(run.pictures / "learning_curve.png", metrics)


def _attention_plots(translator: Translator, translations: Sequence[Translation]) -> list[AttentionPlot]:
    """The attention of the first sentences of medium length; none without attention."""
    plots = []
    for _, tokens, hypothesis in translations:
        if hypothesis.attention is None:
            return []
        source = [*tokens, END]
        if len(source) not in _PLOTTED_LENGTHS or len(hypothesis.tokens) < 2:
            continue
        target_pieces = [translator.target.piece(token) for token in [*hypothesis.tokens, END]]
        weights = hypothesis.attention[: len(target_pieces), : len(source)]
        source_pieces = [translator.source.piece(token) for token in source]
        plots.append(AttentionPlot(source_pieces, target_pieces[: len(weights)], weights))
        if len(plots) == _ATTENTION_PLOTS:
            break
    return plots
