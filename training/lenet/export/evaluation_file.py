"""`evaluation.json` of a LeNet bundle: confusion matrices of the weights, and the learning curve of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.bundle.evaluation import EVALUATION, ConfusionMatrix, Evaluation, LearningCurve, Series

SPLITS = {"dev": "held-out training", "test": "test"}
"""What the images of a split are called."""


def measured_on(data: str, split: str, images: int) -> str:
    """What a figure was measured on, as 'MNIST, 10,000 test images'."""
    return f"{data}, {images:,} {SPLITS[split]} images"


def evaluation_file(
    data: str,
    labels: Sequence[str],
    evaluations: Mapping[str, Mapping[str, Any]],
    metrics: Sequence[Mapping[str, Any]] = (),
    dev_images: int = 0,
) -> dict[str, bytes]:
    """The file by its name.

    Args:
        data: name of the data.
        labels: the labels.
        evaluations: what `lectern-train lenet evaluate` stored, by split.
        metrics: the records of the run's epochs; empty where the run is not at hand.
        dev_images: the number of held-out images that the errors of those are of.
    """
    confusion = [
        ConfusionMatrix(
            data=measured_on(data, split, result["images"]), labels=tuple(labels), counts=result["confusion"]
        )
        for split, result in evaluations.items()
    ]
    evaluation = Evaluation(confusion=tuple(confusion), learning_curve=_curve(metrics, dev_images) if metrics else None)
    return {EVALUATION: evaluation.model_dump_json(indent=1).encode()}


def _curve(metrics: Sequence[Mapping[str, Any]], dev_images: int) -> LearningCurve:
    epochs = tuple(record["epoch"] for record in metrics)
    values = {
        "training loss": [record["loss"] for record in metrics],
        "held-out loss": [record["dev_loss"] for record in metrics],
        "held-out error rate": [round(record["dev_errors"] / dev_images, 6) for record in metrics],
    }
    return LearningCurve(
        x_label="epoch", series=tuple(Series(name=name, x=epochs, y=tuple(y)) for name, y in values.items())
    )
