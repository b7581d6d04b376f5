"""Quoted words within a sentence are copied, in the quotation marks of the target language; speech is translated."""

from __future__ import annotations

import pytest

from service.tasks.translation.text.html import find_markup
from service.tasks.translation.text.quoted_words import add_quoted_words, find_whole_quotation


def copied(text: str, source: str = "en", target: str = "de") -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.name) for one in add_quoted_words(text, [], (source, target))]


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
        ('I use "Windows 10" at home.', [('"Windows 10"', "„Windows 10“")]),
        ('Press "Ctrl+C", then "R&D".', [('"Ctrl+C"', "„Ctrl+C“"), ('"R&D"', "„R&D“")]),
        ('I like "Mr. Robot" best.', [('"Mr. Robot"', "„Mr. Robot“")]),
        ('What does "e.g." mean?', [('"e.g."', "„e.g.“")]),
        ('He read "The Lord of the Rings" twice.', [('"The Lord of the Rings"', "„The Lord of the Rings“")]),
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
        'the value "%s" or "{name}" or "49.99" is wrong',
        "the name {user['name']} is here",
        'he shouted "stop the car at once" and ran.',
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


def test_what_overlaps_markup_is_left() -> None:
    text = 'Press <b title="OK now">"Save"</b> or "a <i>b</i>" here.'
    spans = add_quoted_words(text, find_markup(text), ("en", "de"))
    assert [one.name for one in spans if one.name not in "bi"] == ["„Save“"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"Save"', "Save"),
        ("'Save as'", "Save as"),
        (" \u201cWhere is it? I cannot see it.\u201d\n", "Where is it? I cannot see it."),
        ("\u00abWhy not?\u00bb", "Why not?"),
        ('"Stop!".', "Stop!"),
        ('"Save" and "Exit"', None),
        ('"Save" this', None),
        ('"Save', None),
        ('""', None),
        ('"12"', None),
        ("'the boys' room'", None),
        ("", None),
    ],
)
def test_a_text_that_is_one_quotation(text: str, words: str | None) -> None:
    quotation = find_whole_quotation(text, "de")
    assert (quotation and text[quotation.opening.end : quotation.closing.start]) == words
    assert quotation is None or quotation.marks == ("„", "“")


def test_languages_without_known_marks_keep_those_of_the_text() -> None:
    quotation = find_whole_quotation("\u201cSave\u201d", "nl")
    assert quotation is not None
    assert quotation.marks == ("\u201c", "\u201d")
