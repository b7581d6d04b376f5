"""Unicode character classes for regular expressions."""

import re
import unicodedata

_CATEGORIES = "".join([unicodedata.category(chr(code))[0] for code in range(0x20000)])
"""The first letter of the general category of every character of planes 0 and 1."""


def _ranges(category: str) -> str:
    """The characters of a category, as the inside of a regular expression's brackets."""
    runs = re.finditer(f"{category}+", _CATEGORIES)
    return "".join([f"\\U{run.start():08x}-\\U{run.end() - 1:08x}" for run in runs])


LETTERS = _ranges("L") + "\\U00020000-\\U000323af"
"""Letters, including the ideographs of planes 2 and 3."""

MARKS = _ranges("M")
"""Accents and vowel signs, which belong to the letter before them."""
