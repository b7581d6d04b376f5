"""Tells names from nouns in a language that capitalizes both: a logistic regression over spelling and neighbors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_ORDERS = range(2, 5)
"""Lengths, in characters, of the n-grams of a word."""
_MAX_WORD = 40
_NEIGHBORHOOD = 60
"""Characters on either side of a word in which its neighbors are searched."""
_BEFORE, _AFTER = re.compile(r"([^\W\d_]+) \Z"), re.compile(r" ([^\W\d_]+)")

_Weight = Annotated[float, Field(allow_inf_nan=False)]


class NameClassifier(BaseModel):
    """The weights of one language, see `training.seq2seq.data.name_classifier`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: _Weight
    weights: dict[str, _Weight]
    """By feature."""

    def score(self, text: str, start: int, end: int) -> float:
        """The log-odds that the capitalized word `text[start:end]` is a name."""
        weights = self.weights
        return self.bias + sum(weights.get(feature, 0.0) for feature in features(text, start, end))


def features(text: str, start: int, end: int) -> Iterator[str]:
    """The features of a word: its character n-grams, the word before and the word after it."""
    word = f"_{text[start : min(end, start + _MAX_WORD)].lower()}_"
    yield from {word[index : index + order] for order in _ORDERS for index in range(len(word) - order + 1)}
    before = text[max(0, start - _NEIGHBORHOOD) : start]
    previous = _BEFORE.search(before)
    if not before.strip(" \"'\u201e\u201c\u00bb\u00ab(-"):
        yield "<start"
    elif previous:
        yield f"<{previous[1].lower()}"
        yield f"<~{previous[1][-2:].lower()}"
        if previous[1][0].isupper():
            yield "<capital"
    else:
        yield f"<{before.rstrip()[-1:] or ' '}"
    after = text[end : end + _NEIGHBORHOOD]
    following = _AFTER.match(after)
    if following:
        yield f">{following[1].lower()}"
        if following[1][0].isupper():
            yield ">capital"
    else:
        yield f">{after.strip()[:1] or 'end'}"


@lru_cache(maxsize=8)
def name_classifier(language: str) -> NameClassifier | None:
    """The classifier of a language; None if there is none."""
    file = files(__package__).joinpath(f"name_classifier_{language}.json")
    return NameClassifier.model_validate_json(file.read_bytes()) if file.is_file() else None


def write_classifier(bias: float, weights: Mapping[str, float]) -> str:
    """The contents of a classifier's file: JSON, features in alphabetical order."""
    classifier = NameClassifier(bias=bias, weights=dict(sorted(weights.items())))
    return classifier.model_dump_json() + "\n"
