"""Plots of a tagger's run: learning curve and confusion matrix."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from training.common.plots import save_figure

_MAX_ANNOTATED = 26
"""Labels up to which the cells of the confusion matrix show their counts."""
_MAX_NAMED = 80
"""Labels up to which its axes name them."""


def draw_learning_curve(path: Path, metrics: Sequence[dict[str, Any]], score: str) -> None:
    """Training loss and dev score by epoch; the axes are scaled without the first tenth of the epochs.

    Args:
        path: the PNG file.
        metrics: one record per epoch.
        score: the name of the dev score.
    """
    epochs = [record["epoch"] for record in metrics]
    settled = metrics[len(metrics) // 10 :]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.add_subplot()
    left.plot(epochs, [record["dev_score"] for record in metrics], color="tab:blue", marker=".")
    left.set_xlabel("epoch")
    left.set_ylabel(f"{score} on dev", color="tab:blue")
    lowest = min(record["dev_score"] for record in settled)
    highest = max(record["dev_score"] for record in metrics)
    margin = max(0.005, (highest - lowest) / 10)
    left.set_ylim(lowest - margin, highest + margin)
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.grid(alpha=0.3)
    right = left.twinx()
    right.plot(epochs, [record["loss"] for record in metrics], color="tab:orange")
    right.set_ylim(bottom=0, top=max(record["loss"] for record in settled) * 1.05 or 1.0)
    right.set_ylabel("training loss, with dropout", color="tab:orange")
    save_figure(figure, path)


def draw_confusion(path: Path, confusion: NDArray[np.int64], labels: Sequence[str], title: str) -> None:
    """The confusion matrix [gold, predicted]; colors are the square root of row shares, to show rare errors."""
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    side = max(5.0, 0.55 * len(labels) + 1.5) if len(labels) <= _MAX_ANNOTATED else 13.0
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    figure.colorbar(picture, ax=axes, format=PercentFormatter(1.0), shrink=0.75, label="of the words in the row")
    size = 9 if len(labels) <= _MAX_ANNOTATED else 6
    names = [_escape(label) for label in labels] if len(labels) <= _MAX_NAMED else [""] * len(labels)
    axes.set_xticks(range(len(labels)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(labels)), names, fontsize=size)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    axes.set_title(_escape(title))
    if len(labels) <= _MAX_ANNOTATED:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            axes.text(
                column, row, f"{confusion[row, column]}", ha="center", va="center", fontsize=7,
                color="white" if shares[row, column] > 0.4 else "black",
            )  # fmt: skip
    save_figure(figure, path)


def _escape(text: str) -> str:
    """Escape dollar signs, which are tags here and not math."""
    return text.replace("$", r"\$")
