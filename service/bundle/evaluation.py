"""How a model was measured, in more than one figure: `evaluation.json` of a bundle, which is optional."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from service.bundle.checks import read_optional
from service.bundle.files import Bundle

EVALUATION = "evaluation.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ConfusionMatrix(_Frozen):
    """How often each label was taken for each."""

    data: str = Field(description="What it was measured on, for example 'MNIST, 10,000 test images'.")
    labels: tuple[str, ...] = Field(min_length=1)
    counts: tuple[tuple[NonNegativeInt, ...], ...] = Field(description="By true label (row) and answered one (column).")

    @model_validator(mode="after")
    def _is_square(self) -> ConfusionMatrix:
        size = len(self.labels)
        if len(self.counts) != size or any(len(row) != size for row in self.counts):
            raise ValueError(f"counts must have {size} rows of {size} numbers, as there are {size} labels")
        return self


class Series(_Frozen):
    """One curve."""

    name: str = Field(description="What was measured, for example 'held-out error rate'.")
    x: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    y: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]

    @model_validator(mode="after")
    def _is_paired(self) -> Series:
        if len(self.x) != len(self.y):
            raise ValueError("x and y must have the same length")
        return self


class LearningCurve(_Frozen):
    """What was measured in the course of training."""

    x_label: str = Field(description="The unit of x: epoch, sentences and so on.")
    series: tuple[Series, ...] = Field(min_length=1)


class Evaluation(_Frozen):
    """The content of `evaluation.json`."""

    confusion: tuple[ConfusionMatrix, ...] = ()
    learning_curve: LearningCurve | None = None


def read_evaluation(bundle: Bundle) -> Evaluation:
    """The evaluation in a bundle; empty where it has none.

    Raises:
        BundleError: `evaluation.json` is not what it should be.
    """
    return read_optional(bundle, EVALUATION, Evaluation) or Evaluation()
