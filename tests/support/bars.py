"""Figures with their bars, one line each: what `make chaos`, `make fuzz` and the benchmarks print."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FIGURES_FILE = "LECTERN_FIGURES"
"""Environment variable that names a file to which every figure is added as a line of JSON."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What was measured, and within which bounds it has to be."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the value is within its bounds; not a number never is."""
        low = float("-inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return low <= self.value <= high

    @property
    def bar(self) -> str:
        """The bounds as words; empty for a figure without a bar."""
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "FAILED"
        bar = f"   (bar: {self.bar})" if self.bar else ""
        return f"{verdict:6} {self.name}: {self.value:.4g} {self.unit}{bar}"


class Report:
    """Prints figures as they are measured, and remembers whether one missed its bar."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def add(
        self, name: str, value: float, unit: str = "", *, at_most: float | None = None, at_least: float | None = None
    ) -> bool:
        """Print a figure, and add it to the file that `LECTERN_FIGURES` names.

        Args:
            name: what was measured, unique within the program.
            value: the figure.
            unit: its unit.
            at_most: the bar, if the figure must not be larger.
            at_least: the bar, if the figure must not be smaller.

        Returns:
            Whether the figure is within its bar.
        """
        figure = Figure(name=name, value=float(value), unit=unit, at_most=at_most, at_least=at_least)
        self.figures.append(figure)
        print(figure, flush=True)
        if path := os.environ.get(FIGURES_FILE):
            with Path(path).open("a") as file:
                file.write(json.dumps(asdict(figure)) + "\n")
        return figure.passed

    @property
    def exit_code(self) -> int:
        """0 if at least one figure was measured and every one is within its bar, else 1."""
        return 0 if self.figures and all(figure.passed for figure in self.figures) else 1
