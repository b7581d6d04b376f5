"""The sentences of the everyday test, `everyday.tsv`.

Its columns: half (`dev` or `test`), kind, English, German, and what has to come through, separated by semicolons: a
number, date, time, price, name or code, as `Munich=München` where the languages write it in different ways and
`2|two=2|zwei` where several are right. `!` marks a negation, `?` a question, `^` a text in capitals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

LANGUAGES = ("en", "de")


@dataclass(frozen=True)
class Sentence:
    """A sentence in both languages."""

    half: str
    kind: str
    texts: Mapping[str, str]
    """By language."""
    kept: tuple[Mapping[str, tuple[str, ...]], ...]
    """What has to come through: by language, the ways to write it."""
    is_negation: bool
    is_question: bool
    is_capitals: bool


@lru_cache(maxsize=1)
def read_sentences() -> tuple[Sentence, ...]:
    """All sentences, of both halves."""
    content = files(__package__).joinpath("everyday.tsv").read_text(encoding="utf-8")
    return tuple(_sentence(line) for line in content.split("\n") if line and not line.startswith("#"))


def _sentence(line: str) -> Sentence:
    half, kind, english, german, items = line.split("\t")
    listed = [item.strip() for item in items.split(";") if item.strip()]
    return Sentence(
        half=half,
        kind=kind,
        texts={"en": english, "de": german},
        kept=tuple(_alternatives(item) for item in listed if item not in ("!", "?", "^")),
        is_negation="!" in listed,
        is_question="?" in listed,
        is_capitals="^" in listed,
    )


def _alternatives(item: str) -> Mapping[str, tuple[str, ...]]:
    english, equals, german = item.partition("=")
    return {"en": tuple(english.split("|")), "de": tuple((german if equals else english).split("|"))}
