"""First names that are common in English, German and their neighbors, spelled the same in all of them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def first_names() -> frozenset[str]:
    """The names in `first_names.txt`."""
    return frozenset(files(__package__).joinpath("first_names.txt").read_text(encoding="utf-8").split())
