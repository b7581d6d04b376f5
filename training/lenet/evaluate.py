"""Evaluation of a trained LeNet: accuracy, errors by class, confusion matrix, plots."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from training.common.checkpoint import load_checkpoint
from training.common.errors import DatasetError
from training.common.run import Run
from training.lenet.config import LenetConfig
from training.lenet.data.dataset import ImageData, Split
from training.lenet.network.model import LeNet5
from training.lenet.plots import draw_confusion, draw_learning_curve, draw_misclassified
from training.lenet.train import checkpoint_fingerprint, predict
from training.lenet.weights import BEST, build_model

SplitName = Literal["dev", "test"]


@dataclass(frozen=True)
class Evaluation:
    """Results on one split."""

    split: SplitName
    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    """Number of images by [true, predicted] label."""
    epoch: int
    """Epoch of the evaluated weights."""

    @property
    def images(self) -> int:
        return int(self.confusion.sum())

    @property
    def errors(self) -> int:
        return self.images - int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        return 1 - self.errors / self.images

    def as_dict(self) -> dict[str, Any]:
        """The results as JSON: counts in total and by class, and the confusion matrix."""
        totals, correct = self.confusion.sum(1), np.diag(self.confusion)
        return {
            "images": self.images,
            "errors": self.errors,
            "accuracy": round(self.accuracy, 6),
            "epoch": self.epoch,
            "by_class": {
                label: {"images": int(total), "errors": int(total - hits)}
                for label, total, hits in zip(self.labels, totals, correct, strict=True)
            },
            "confusion": self.confusion.tolist(),
        }

    def report(self) -> str:
        """The results as text: errors by class, then the confusion matrix."""
        width = max(5, *(len(label) + 1 for label in self.labels))
        lines = [
            f"{self.split}: {self.errors} errors of {self.images} images, "
            f"accuracy {self.accuracy:.2%} (weights of epoch {self.epoch})",
            "",
            "class".ljust(width + 2) + "images  errors",
        ]
        for label, row in zip(self.labels, self.as_dict()["by_class"].values(), strict=True):
            lines.append(f"{label.ljust(width + 2)}{row['images']:6}  {row['errors']:6}")
        lines += ["", "true \\ predicted".ljust(width + 2) + "".join(label.rjust(width) for label in self.labels)]
        for label, counts in zip(self.labels, self.confusion, strict=True):
            lines.append(label.ljust(width + 2) + "".join((str(n) if n else ".").rjust(width) for n in counts))
        return "\n".join(lines)


def load_best(run: Run, config: LenetConfig, data: ImageData) -> tuple[LeNet5, int]:
    """Load the weights that a run kept.

    Returns:
        The network in evaluation mode, and the epoch of its weights.
    """
    state = load_checkpoint(run.checkpoints / BEST, config=checkpoint_fingerprint(config, data))
    model = build_model(config, len(data.labels))
    model.load_state_dict(state["model"])
    return model.eval(), int(state["epoch"])


def evaluate(run: Run, config: LenetConfig, data: ImageData, split_name: SplitName, device: torch.device) -> Evaluation:
    """Classify a split with the weights that a run kept, and write `evaluation.json` and the plots.

    Raises:
        DatasetError: the data has no test images.
        CheckpointError: the run has no weights yet, or they were trained with other settings or data.
    """
    split = data.dev if split_name == "dev" else data.test
    if split is None:
        raise DatasetError(f"{config.data}: has no test images; use --split dev")
    model, epoch = load_best(run, config, data)
    probabilities = predict(model.to(device), split, device).softmax(1).numpy()
    predicted = probabilities.argmax(1)
    confusion = np.zeros((len(data.labels), len(data.labels)), np.int64)
    np.add.at(confusion, (split.labels, predicted), 1)
    result = Evaluation(split_name, data.labels, confusion, epoch)
    run.add_evaluation(split_name, result.as_dict())
    _draw(run, data, split, result, predicted, probabilities.max(1))
    return result


def _draw(
    run: Run,
    data: ImageData,
    split: Split,
    result: Evaluation,
    predicted: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> None:
    """Write the learning curve, the confusion matrix and the misclassified images."""
    wrong = np.flatnonzero(predicted != split.labels)
    title = f"{data.name}, {result.split}"
    draw_learning_curve(run.pictures / "learning_curve.png", run.metrics(), len(data.dev))
    draw_confusion(
        run.pictures / f"confusion_{result.split}.png",
        result.confusion,
        data.labels,
        f"{title}: {result.errors} errors of {result.images:,}",
    )
    draw_misclassified(
        run.pictures / f"misread_{result.split}.png",
        split.images[wrong],
        [data.labels[index] for index in split.labels[wrong]],
        [data.labels[index] for index in predicted[wrong]],
        scores[wrong].tolist(),
        title,
    )
