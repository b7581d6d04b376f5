"""The figures that an execution provider was chosen by, as they pass between processes."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.runtime.provider_options import short_name


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figures(_Frozen):
    """The times of a model on one provider."""

    one_row_seconds: float
    rows: int
    """The rows of the largest batch of samples."""
    rows_seconds: float
    """The time of that batch."""

    def describe(self) -> str:
        """As people read it."""
        return f"{_ms(self.one_row_seconds)} at batch 1, {_ms(self.rows_seconds)} at {self.rows}"


class ProviderChoice(_Frozen):
    """The provider of a model, and the figures that it was chosen by."""

    provider: str
    chosen_by: Literal["latency", "throughput"]
    """The time of one row, or of the largest batch."""
    figures: dict[str, Figures] = Field(default_factory=dict)
    """By provider."""
    unusable: dict[str, str] = Field(default_factory=dict)
    """Why other providers were not measured."""

    def describe(self) -> str:
        """The choice and both figures of each provider, as a log line and a command print them."""
        parts = [f"{short_name(provider)} {figures.describe()}" for provider, figures in self.figures.items()]
        parts += [f"{short_name(provider)} unusable: {reason}" for provider, reason in self.unusable.items()]
        return f"{short_name(self.provider)} by {self.chosen_by} ({'; '.join(parts)})"


def _ms(seconds: float) -> str:
    """Milliseconds with three digits that count."""
    return f"{float(f'{seconds * 1e3:.3g}'):g} ms"
