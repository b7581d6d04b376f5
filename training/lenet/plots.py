"""Plots of a run: learning curve, confusion matrix, misclassified images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from training.common.plots import save_figure

_MAX_IMAGES = 60
"""Misclassified images that are drawn at most."""
_MAX_LABELED_CLASSES = 26
"""Classes up to which the cells of the confusion matrix show their counts."""


def draw_learning_curve(path: Path, metrics: Sequence[dict[str, Any]], dev_images: int) -> None:
    """Plot training loss and dev errors by epoch; the axes are scaled to the curves without the first tenth."""
    epochs = [record["epoch"] for record in metrics]
    settled = metrics[len(metrics) // 10 :]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    left = figure.add_subplot()
    left.plot(epochs, [record["dev_errors"] for record in metrics], color="tab:blue", marker=".")
    left.set_xlabel("epoch")
    left.set_ylabel(f"errors on {dev_images:,} held-out images", color="tab:blue")
    left.set_ylim(0, max(record["dev_errors"] for record in settled) * 1.1 + 1)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.grid(alpha=0.3)
    right = left.twinx()
    right.plot(epochs, [record["loss"] for record in metrics], color="tab:orange")
    right.set_ylim(top=max(record["loss"] for record in settled) * 1.05)
    right.set_ylabel("training loss, on distorted images", color="tab:orange")
    save_figure(figure, path)


def draw_confusion(path: Path, confusion: NDArray[np.int64], labels: Sequence[str], title: str) -> None:
    """Plot the confusion matrix [true, predicted], colored by errors only: the diagonal would dominate the scale."""
    side = max(5.0, 0.55 * len(labels) + 1.5) if len(labels) <= _MAX_LABELED_CLASSES else 12.0
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    errors = confusion - np.diag(np.diag(confusion))
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=max(1, int(errors.max()) * 1.5))
    axes.set_xticks(range(len(labels)), labels, rotation=0 if max(map(len, labels)) < 3 else 90)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    if len(labels) <= _MAX_LABELED_CLASSES:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            correct = row == column
            axes.text(
                column, row, f"{confusion[row, column]}", ha="center", va="center",
                color="0.55" if correct else "black", fontsize=8 if correct else 10,
            )  # fmt: skip
    save_figure(figure, path)


def draw_misclassified(
    path: Path,
    images: NDArray[np.uint8],
    true: Sequence[str],
    predicted: Sequence[str],
    scores: Sequence[float],
    title: str,
) -> None:
    """Draw misclassified images [N, 28, 28] with their true and predicted labels, highest scores first."""
    order = np.argsort(-np.asarray(scores), kind="stable")[:_MAX_IMAGES]
    columns = min(10, max(1, len(order)))
    rows = max(1, -(-len(order) // columns))
    figure = Figure(figsize=(max(4.0, 1.25 * columns), 1.55 * rows + 0.6), layout="constrained")
    excerpt = f"{len(order)} of {len(images)}, " if len(order) < len(images) else ""
    figure.suptitle(
        f"{title}: {len(images)} misclassified ({excerpt}true → predicted, probability)"
        if len(images)
        else f"{title}: none misclassified"
    )
    for position, index in enumerate(order, 1):
        axes = figure.add_subplot(rows, columns, position)
        axes.imshow(images[index], cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(f"{true[index]} → {predicted[index]}  {scores[index]:.2f}", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    save_figure(figure, path)
