"""How answers to `samples.json` are compared when they are replayed."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import JsonValue

from service.bundle.manifest import Comparison


def differences(expected: JsonValue, found: JsonValue, comparison: Comparison, at: str = "results") -> Iterator[str]:
    """Name every place where `found` differs from `expected` by more than `comparison` allows.

    Yields:
        Lines such as `results[0].predictions[0].label: expected '7', found '1'`; none where the two agree.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            if key not in expected or key not in found:
                yield f"{at}.{key}: only in {'the stored answer' if key in expected else 'the new answer'}"
            else:
                yield from differences(expected[key], found[key], comparison, f"{at}.{key}")
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{at}: expected {len(expected)} items, found {len(found)}"
            return
        for index, (left, right) in enumerate(zip(expected, found, strict=True)):
            yield from differences(left, right, comparison, f"{at}[{index}]")
    elif _is_number(expected) and _is_number(found):
        if comparison.kind != "labels" and not _close(expected, found, comparison.tolerance):
            yield f"{at}: expected {expected}, found {found} (tolerance {comparison.tolerance})"
    elif expected != found:
        yield f"{at}: expected {expected!r}, found {found!r}"


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _close(expected: JsonValue, found: JsonValue, tolerance: float) -> bool:
    assert isinstance(expected, int | float)
    assert isinstance(found, int | float)
    return math.isclose(expected, found, rel_tol=0.0, abs_tol=tolerance)
