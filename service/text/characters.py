"""Unicode's classes of characters, for regular expressions."""

import unicodedata


def _ranges(category: str) -> str:
    """The inside of a regular expression's [] for the characters of this general category (planes 0 and 1)."""
    ranges: list[list[int]] = []
    for code in range(0x20000):
        if unicodedata.category(chr(code))[0] == category:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


LETTERS = _ranges("L") + "\\U00020000-\\U000323af"
"""With the ideographs of planes 2 and 3."""

MARKS = _ranges("M")
"""Accents and vowel signs that belong to the letter before them."""
