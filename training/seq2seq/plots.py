"""Plots of a translator's run: learning curve, BLEU by length, attention."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from training.common.plots import save_figure
from training.seq2seq.translations_tsv import LengthGroup

_COLORS = ("tab:blue", "tab:orange")


class AttentionPlot(NamedTuple):
    """The attention weights of one translation."""

    source: Sequence[str]
    """[S]: pieces with END."""
    target: Sequence[str]
    """[T]: pieces with END."""
    attention: NDArray[np.float32]
    """[T, S]: each row sums to 1."""


def draw_learning_curve(path: Path, metrics: Sequence[dict[str, Any]]) -> None:
    """Training loss and BLEU on dev by epoch."""
    epochs = [record["epoch"] for record in metrics]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.add_subplot()
    left.plot(epochs, [record["dev_score"] for record in metrics], color="tab:blue", marker=".")
    left.set_xlabel("epoch")
    left.set_ylabel("BLEU on dev, greedy", color="tab:blue")
    left.set_ylim(bottom=0)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.grid(alpha=0.3)
    right = left.twinx()
    right.plot(epochs, [record["loss"] for record in metrics], color="tab:orange")
    right.set_ylabel("training loss, with dropout", color="tab:orange")
    save_figure(figure, path)


def draw_by_length(path: Path, runs: Mapping[str, Sequence[LengthGroup]], title: str) -> None:
    """BLEU by words of the source, of one run or of two on the same sentences."""
    groups = list(next(iter(runs.values())))
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    positions, width = np.arange(len(groups)), 0.8 / len(runs)
    for number, (name, own_groups) in enumerate(runs.items()):
        centers = positions + (number - (len(runs) - 1) / 2) * width
        bars = axes.bar(centers, [group.bleu for group in own_groups], width, label=name, color=_COLORS[number % 2])
        axes.bar_label(bars, fmt="%.0f", fontsize=8)
    axes.set_xticks(positions, [f"{group.words}\n({group.sentences:,})" for group in groups])
    axes.set_xlabel("words of the source (sentences)")
    axes.set_ylabel("BLEU")
    axes.set_title(_escape(title))
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=2)
    save_figure(figure, path)


def draw_attention(path: Path, sentences: Sequence[AttentionPlot], title: str) -> None:
    """Attention weights of some sentences: target pieces (rows) by source pieces (columns)."""
    columns = min(2, len(sentences))
    rows = -(-len(sentences) // columns)
    figure = Figure(figsize=(6.2 * columns, 5.6 * rows), layout="constrained")
    figure.suptitle(_escape(title))
    for number, sentence in enumerate(sentences, 1):
        _draw_one(figure.add_subplot(rows, columns, number), sentence)
    save_figure(figure, path)


def _draw_one(axes: Axes, sentence: AttentionPlot) -> None:
    axes.imshow(sentence.attention, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(sentence.source)), [_escape(piece) for piece in sentence.source], rotation=90, fontsize=8)
    axes.set_yticks(range(len(sentence.target)), [_escape(piece) for piece in sentence.target], fontsize=8)


def _escape(text: str) -> str:
    """Text with dollar signs, which matplotlib would take for mathematics, escaped."""
    return text.replace("$", r"\$")
