"""Offsets in the units in which programming languages count the characters of a text."""

from __future__ import annotations

from typing import Literal

import numpy as np

OffsetUnit = Literal["unicode", "utf16", "utf8"]
"""Code points (Python), code units of UTF-16 (Java, JavaScript, C#) or bytes of UTF-8 (Go, Rust)."""


def offsets_in_unit(text: str, unit: OffsetUnit) -> list[int] | None:
    """The offset in a unit of each code point of a text, and of its end; None if it is the offset in code points.

    Args:
        text: a text without halves of surrogate pairs.
        unit: the unit to count in.
    """
    if unit == "unicode" or text.isascii():
        return None
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    sizes = 1 + (codes > 0xFFFF)
    if unit == "utf8":
        sizes = sizes + (codes > 0x7F) + (codes > 0x7FF)
    offsets: list[int] = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return offsets
