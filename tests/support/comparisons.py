"""Comparison of answers that may differ by the rounding of sums in another order only."""

from __future__ import annotations

from typing import Any

from service.bundle.comparison import differences
from service.bundle.manifest import Comparison

ROUNDING = Comparison(kind="scores", tolerance=1e-5)


def assert_same_answer(expected: Any, actual: Any, name: str = "answer") -> None:
    """Fail with the differences of two answers, if there are any."""
    assert list(differences(expected, actual, ROUNDING, name)) == []
