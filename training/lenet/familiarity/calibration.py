"""Calibration of probabilities: temperature scaling, reliability diagrams, expected calibration error.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_STEPS = 200
_FEWEST_IMAGES = 500
"""Images from which a temperature is fitted: fewer, and all read right, would make every probability 1."""


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram."""

    low: float
    high: float
    count: int
    weight: float
    """Its share of the weight of all bins."""
    confidence: float
    """Weighted mean of the probabilities; 0 in an empty bin."""
    accuracy: float
    """Weighted share that came true; 0 in an empty bin."""


def reliability(
    probabilities: NDArray[np.floating], came_true: NDArray[np.bool_], weights: NDArray[np.floating], bins: int = 10
) -> list[Bin]:
    """The reliability diagram of weighted probabilities [N], in bins of equal width."""
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    result = []
    for number in range(bins):
        weight = weights * (index == number)
        total = max(float(weight.sum()), 1e-12)
        confidence, accuracy = (float(weight @ values) / total for values in (probabilities, came_true))
        share = float(weight.sum() / weights.sum())
        count = int((index == number).sum())
        result.append(Bin(number / bins, (number + 1) / bins, count, share, confidence, accuracy))
    return result


def expected_calibration_error(diagram: list[Bin]) -> float:
    """Mean distance of confidence and accuracy over the bins, by their weights."""
    return sum(one.weight * abs(one.confidence - one.accuracy) for one in diagram)


def fit_temperature(scores: Tensor, labels: Tensor) -> float:
    """The temperature T that minimizes the cross-entropy of softmax(scores / T) with labels [N]; 1 for few images."""
    if len(labels) < _FEWEST_IMAGES or bool((scores.argmax(1) == labels).all()):
        return 1.0
    log_temperature = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(scores / log_temperature.exp(), labels)
        value.backward()
        return value

    optimizer.step(loss)
    return float(log_temperature.detach().exp())


def fit_logistic(logits: Tensor, targets: Tensor, weights: Tensor) -> tuple[float, float]:
    """Scale a > 0 and shift b that minimize the weighted cross-entropy of sigmoid(a logits + b) (Platt 1999), [N]."""
    log_scale, shift = torch.zeros((), requires_grad=True), torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_scale, shift], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.binary_cross_entropy_with_logits(logits * log_scale.exp() + shift, targets, weights)
        value.backward()
        return value

    optimizer.step(loss)
    return float(log_scale.detach().exp()), float(shift.detach())
