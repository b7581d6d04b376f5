"""Comparison of replayed answers with those stored in `samples.json`."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import JsonValue

from service.bundle.manifest import Comparison


def differences(expected: JsonValue, actual: JsonValue, comparison: Comparison, at: str = "results") -> Iterator[str]:
    """Yield every place where `actual` differs from `expected` by more than `comparison` allows.

    Yields:
        Lines such as `results[0].predictions[0].label: expected '7', found '1'`; none where the two agree.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            if key not in expected or key not in actual:
                yield f"{at}.{key}: only in {'the stored answer' if key in expected else 'the new answer'}"
            else:
                yield from differences(expected[key], actual[key], comparison, f"{at}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{at}: expected {len(expected)} items, found {len(actual)}"
            return
        for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(left, right, comparison, f"{at}[{index}]")
    elif _is_number(expected) and _is_number(actual):
        if comparison.kind != "labels" and not _close(expected, actual, comparison.tolerance):
            yield f"{at}: expected {expected}, found {actual} (tolerance {comparison.tolerance})"
    elif expected != actual:
        yield f"{at}: expected {expected!r}, found {actual!r}"


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _close(expected: JsonValue, actual: JsonValue, tolerance: float) -> bool:
    assert isinstance(expected, int | float)
    assert isinstance(actual, int | float)
    return math.isclose(expected, actual, rel_tol=0.0, abs_tol=tolerance)
