"""Which parts of a translation were copied, not translated: what placeholders stood for, and what stays as it is.

The text is put together once more with marks around such parts, as only then it is known where they end up.
"""

from __future__ import annotations

import re

_BEGIN, _END = "\ufdd0", "\ufdd1"
"""Noncharacters, which no text for interchange holds."""
_MARKS = re.compile(f"[{_BEGIN}{_END}]")


def mark(text: str) -> str:
    """The text with marks around what of it is not white space."""
    core = text.strip()
    if not core:
        return text
    before, _, after = text.partition(core)
    return f"{before}{_BEGIN}{core}{_END}{after}"


def unmarked(text: str) -> str:
    """The text as it is: in place of `mark`."""
    return text


def copied_ranges(marked: str, text: str) -> list[dict[str, int]] | None:
    """Start and end of each marked part, in code points of the text; None if it is not the text that was marked."""
    if _MARKS.sub("", marked) != text:
        return None
    ranges: list[dict[str, int]] = []
    start = position = 0
    for piece in re.split(f"([{_BEGIN}{_END}])", marked):
        if piece == _BEGIN:
            start = position
        elif piece == _END:
            ranges.append({"start": start, "end": position})
        else:
            position += len(piece)
    return ranges
