"""How well familiarity tells the classes from everything else, on images that nothing was trained on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.lenet.familiarity.calibration import Bin, expected_calibration_error, reliability
from training.lenet.familiarity.fit import Familiarity, logits_of
from training.lenet.network.model import LeNet5


@dataclass(frozen=True)
class Kind:
    """The figures of one kind of images."""

    name: str
    is_member: bool
    images: int
    decided_right: float
    """Share of the classes' images that are recognized, or of the outliers that are not."""


@dataclass(frozen=True, kw_only=True)
class FamiliarityReport:
    """Figures of familiarity at 0.5, and of the probabilities of the labels."""

    kinds: tuple[Kind, ...]
    diagram: tuple[Bin, ...]
    """Reliability of familiarity; every kind counts the same, and members as much as outliers."""
    score_diagram: tuple[Bin, ...]
    """Reliability of the probability of the best label, of held-out images."""
    score_error: float
    """Expected calibration error of the best label's probability."""
    score_error_before: float
    """The same before temperature scaling."""

    @property
    def flagged(self) -> float:
        """Mean over the kinds of outliers of the share that is not recognized."""
        return float(np.mean([kind.decided_right for kind in self.kinds if not kind.is_member]))

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "kinds": {kind.name: round(kind.decided_right, 4) for kind in self.kinds},
            "score_error": round(self.score_error, 5),
            "score_error_before": round(self.score_error_before, 5),
        }


def evaluate_familiarity(model: LeNet5, fitted: Familiarity) -> FamiliarityReport:
    """Measure a fitted head on its evaluation images."""
    held_out = fitted.evaluation
    kinds, values, members, weights = [], [], [], []
    groups = [(name, True, images) for name, (images, _) in held_out.members.items()]
    groups += [(name, False, images) for name, images in held_out.outliers.items()]
    for name, is_member, images in groups:
        familiarity = logits_of(model, fitted.head, images)[1].sigmoid().numpy()
        kinds.append(Kind(name, is_member, len(images), float(np.mean((familiarity >= 0.5) == is_member))))
        values.append(familiarity)
        members.append(np.full(len(images), is_member))
        sides = len(held_out.members) if is_member else len(held_out.outliers)
        weights.append(np.full(len(images), 1 / (len(images) * sides)))
    images, labels = held_out.members["held-out images"]
    scores = logits_of(model, fitted.head, images)[0]
    before, after = (
        _score_diagram((scores / temperature).softmax(1).numpy(), labels) for temperature in (1.0, fitted.temperature)
    )
    return FamiliarityReport(
        kinds=tuple(kinds),
        diagram=tuple(reliability(np.concatenate(values), np.concatenate(members), np.concatenate(weights))),
        score_diagram=tuple(after),
        score_error=expected_calibration_error(after),
        score_error_before=expected_calibration_error(before),
    )


def _score_diagram(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> list[Bin]:
    return reliability(probabilities.max(1), probabilities.argmax(1) == labels, np.ones(len(labels)))
