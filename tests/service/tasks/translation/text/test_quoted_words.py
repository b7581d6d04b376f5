"""Quoted words within a sentence are copied, in the quotation marks of the target language; speech is translated."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text.names import NameFinder
from service.tasks.translation.text.quoted_words import QuotedWords

MODELS = Path(__file__).resolve().parents[5] / "models"


@cache
def finder(source: str, target: str) -> QuotedWords:
    (bundle,) = (MODELS / "translate-en-de").iterdir()
    return QuotedWords(NameFinder(source, target, Subwords.read(bundle / "pieces.model")), source, target)


def copied(text: str, source: str = "en", target: str = "de") -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.translation) for one in finder(source, target).find(text, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Press "OK" to continue.', [('"OK"', "„OK“")]),
        ('"Love" is a short word.', [('"Love"', "„Love“")]),
        ("Press 'Save as' to continue.", [("'Save as'", "„Save as“")]),
        ("The word \u201cdog\u201d is short.", [("\u201cdog\u201d", "„dog“")]),
        ('I have read "War and Peace" twice.', [('"War and Peace"', "„War and Peace“")]),
        ('The nickname is "Itch."', [('"Itch."', "„Itch“.")]),
        ('Do not write "etc." here.', [('"etc."', "„etc.“")]),
        ('She cried "help!" and ran.', [('"help!"', "„help!“")]),
        ('"Love", "hate" and "fear" are words.', [('"Love"', "„Love“"), ('"hate"', "„hate“"), ('"fear"', "„fear“")]),
        ('In Nuremberg they say "yes".', [("Nuremberg", "Nürnberg"), ('"yes"', "„yes“")]),
    ],
)
def test_words_in_a_sentence_are_copied(text: str, expected: list[tuple[str, str]]) -> None:
    assert copied(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"Save"',
        '"Open", "Save", "Close"',
        '"yes," she said.',
        '"yes", she said.',
        '"no!" he cried.',
        'he said, "yes."',
        'she said "I love you" and left.',
        'she said "do come to our house" and left.',
        "the boys' room and the girls' room",
        "rock 'n' roll",
        'a screen of 5" or 6" is too small',
        'the "window is open',
    ],
)
def test_other_quotation_marks_are_left_to_the_translator(text: str) -> None:
    assert copied(text) == []


@pytest.mark.parametrize(
    "quoted",
    ["„Feierabend“", '„Feierabend"', "»Feierabend«", "\u201aFeierabend\u2018", "\u203aFeierabend\u2039"],
)
def test_german_quotation_marks(quoted: str) -> None:
    assert copied(f"was heißt {quoted} auf Englisch?", "de", "en") == [(quoted, '"Feierabend"')]


def test_a_target_language_without_known_quotation_marks_keeps_those_of_the_source() -> None:
    assert copied("Press «OK» to continue.", "en", "fr") == [("«OK»", "«OK»")]


def test_only_the_part_that_is_asked_for_is_searched() -> None:
    text = 'Press "OK" or "Cancel" now.'
    assert [text[one.start : one.end] for one in finder("en", "de").find(text, 11, len(text))] == ['"Cancel"']
