"""Unicode character classes for regular expressions."""

import unicodedata


def _ranges(category: str) -> str:
    """The characters of a general category (planes 0 and 1), as the inside of a regular expression's brackets."""
    ranges: list[list[int]] = []
    for code in range(0x20000):
        if unicodedata.category(chr(code))[0] == category:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


LETTERS = _ranges("L") + "\\U00020000-\\U000323af"
"""Letters, including the ideographs of planes 2 and 3."""

MARKS = _ranges("M")
"""Accents and vowel signs, which belong to the letter before them."""
