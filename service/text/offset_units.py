"""Offsets in the units in which programming languages count the characters of a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

OffsetUnit = Literal["unicode", "utf16", "utf8"]
"""Code points (Python), code units of UTF-16 (Java, JavaScript, C#) or bytes of UTF-8 (Go, Rust)."""


def convert_offsets(text: str, unit: OffsetUnit, *ranges: Sequence[dict[str, Any]]) -> None:
    """Replace each `start` and `end` in code points by that in a unit, in place.

    Args:
        text: a text without halves of surrogate pairs.
        unit: the unit to count in.
        ranges: parts of the text, as they are in an answer.
    """
    if unit == "unicode" or text.isascii() or not any(ranges):
        return
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    sizes = 1 + (codes > 0xFFFF)
    if unit == "utf8":
        sizes = sizes + (codes > 0x7F) + (codes > 0x7FF)
    offsets: list[int] = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    for part in ranges:
        for one in part:
            one["start"], one["end"] = offsets[one["start"]], offsets[one["end"]]
