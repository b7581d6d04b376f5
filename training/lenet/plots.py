"""Pictures of a run: learning curve, confusion matrix, misread digits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from training.common.plots import save_figure

_MOST_DIGITS = 60
_MOST_NUMBERED = 26  # classes up to which cells of the confusion matrix show their count


def draw_learning_curve(path: Path, metrics: Sequence[dict[str, Any]], dev_images: int) -> None:
    """Training loss and errors on the held-out images, by epoch; the first tenth may leave the picture at the top."""
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
    """The confusion matrix [true, read]. The colour is of the errors only: the diagonal would drown them."""
    side = max(5.0, 0.55 * len(labels) + 1.5) if len(labels) <= _MOST_NUMBERED else 12.0
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    errors = confusion - np.diag(np.diag(confusion))
    axes.imshow(errors, cmap="Oranges", vmin=0, vmax=max(1, int(errors.max()) * 1.5))
    axes.set_xticks(range(len(labels)), labels, rotation=0 if max(map(len, labels)) < 3 else 90)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("read as")
    axes.set_ylabel("is")
    axes.set_title(title)
    if len(labels) <= _MOST_NUMBERED:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            right = row == column
            axes.text(
                column, row, f"{confusion[row, column]}", ha="center", va="center",
                color="0.55" if right else "black", fontsize=8 if right else 10,
            )  # fmt: skip
    save_figure(figure, path)


def draw_misread(
    path: Path, images: NDArray[np.uint8], true: Sequence[str], read: Sequence[str], scores: Sequence[float], title: str
) -> None:
    """Misread images [N, 28, 28] with what they are and were read as, the surest errors first."""
    order = np.argsort(-np.asarray(scores), kind="stable")[:_MOST_DIGITS]
    columns = min(10, max(1, len(order)))
    rows = max(1, -(-len(order) // columns))
    figure = Figure(figsize=(max(4.0, 1.25 * columns), 1.55 * rows + 0.6), layout="constrained")
    shown = f"{len(order)} of {len(images)}, " if len(order) < len(images) else ""
    figure.suptitle(
        f"{title}: {len(images)} misread ({shown}true → read, probability)" if len(images) else f"{title}: none misread"
    )
    for place, index in enumerate(order):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(images[index], cmap="gray_r", vmin=0, vmax=255)
        axes.set_title(f"{true[index]} → {read[index]}  {scores[index]:.2f}", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    save_figure(figure, path)
