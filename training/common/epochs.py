"""How many epochs suit an amount of data, and what is said about too few before a run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from training.common.config import merge

if TYPE_CHECKING:
    from training.common.family import Experiment, Family

C = TypeVar("C")
D = TypeVar("D")

_MOST = 100
_FEW = 0.5
"""Fewer epochs than this share of the usual number are noted."""


def epochs_for(examples: int, *, usual: int, enough: int) -> int:
    """The number of epochs for a number of training examples.

    A small data set is passed over more often, by the square root of what it lacks: it has fewer steps in an epoch, but
    repeats itself the sooner.

    Args:
        examples: sentences, pairs or images to train on.
        usual: epochs for `enough` examples and more.
        enough: examples from which on the number stays the same.
    """
    if examples >= enough:
        return usual
    return max(usual, min(_MOST, round(usual * math.sqrt(enough / max(1, examples)))))


def settle_epochs(
    family: Family[C, D], experiment: Experiment[C, D], preset: C, chosen: Iterable[str]
) -> tuple[Experiment[C, D], list[str]]:
    """Choose the number of epochs of a new run by the amount of data, if neither an option nor a preset chose it.

    Args:
        family: the family.
        experiment: settings and data of the run.
        preset: the settings that it started from.
        chosen: names of the settings that options chose.

    Returns:
        The experiment with the number, and a line for the log if it differs from the preset's or is too small.
    """
    if family.usual_epochs is None:
        return experiment, []
    usual, epochs = family.usual_epochs(experiment), int(getattr(experiment.config, "epochs", 0))
    of_default = getattr(preset, "epochs", None) == getattr(family.presets["default"], "epochs", None)
    if "epochs" not in chosen and of_default:
        if usual == epochs:
            return experiment, []
        note = f"{usual} epochs, as suits this amount of data; --epochs sets another number"
        return experiment.with_config(merge(experiment.config, {"epochs": usual})), [note]
    if epochs <= usual * _FEW:
        number = "1 epoch is" if epochs == 1 else f"{epochs} epochs are"
        return experiment, [f"note: {number} few for this amount of data; about --epochs {usual} would do"]
    return experiment, []
