"""Texts and words in capitals, as the shipped translators read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import NO_TRUECASING, Truecaser
from service.tasks.translation.text.capitals import CapitalsReader

MODELS = Path(__file__).resolve().parents[5] / "models"


@pytest.fixture(scope="module")
def readers() -> dict[str, CapitalsReader]:
    readers = {}
    for source, target in (("en", "de"), ("de", "en")):
        bundle = max((MODELS / f"translate-{source}-{target}").iterdir(), key=lambda path: int(path.name))
        truecaser = Truecaser.read((bundle / "capitals.json").read_bytes())
        readers[source] = CapitalsReader(truecaser, Subwords.read(bundle / "pieces.model"), source)
    return readers


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "THE END", "The end"),
        ("en", "NO ENTRY", "No entry"),
        ("en", "WHERE AM I?", "Where am I?"),
        ("en", "I'M IN BERLIN", "I'm in Berlin"),
        ("en", "DON\u2019T TOUCH TOM\u2019S DOG", "Don't touch Tom's dog"),
        ("en", "THE CIA AND THE BBC", "The CIA and the BBC"),
        ("en", "LOUIS XIV WAS A KING", "Louis XIV was a king"),
        ("en", "CHAPTER IV", "Chapter IV"),
        ("de", "DAS ENDE", "Das Ende"),
        ("de", "DER HUND SCHLÄFT", "Der Hund schläft"),
        ("de", "DIE STRASSE IST GESPERRT", "Die Straße ist gesperrt"),
        ("de", "STRAßE GESPERRT", "Straße gesperrt"),
        ("de", "DIE CDU UND DIE SPD", "Die CDU und die SPD"),
        ("de", "NOTAUSGANG", "Notausgang"),
        ("de", "HUND", "Hund"),
    ],
)
def test_texts_in_capitals_are_read_as_sentences(
    readers: dict[str, CapitalsReader], language: str, text: str, expected: str
) -> None:
    assert readers[language].is_all_caps(text)
    assert readers[language].sentence_case(text) == expected


@pytest.mark.parametrize("text", ["THE FBI", "NASA", "UNICEF", "U.S. NATO", "USA", "LH 440", "iPhone", "", "!", "A-B"])
def test_abbreviations_are_not_texts_in_capitals(readers: dict[str, CapitalsReader], text: str) -> None:
    assert not readers["en"].is_all_caps(text)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Please read the MANUAL first.", "Please read the manual first."),
        ("en", "NEVER do that!", "Never do that!"),
        ("en", "I do NOT know.", "I do NOT know."),
        ("de", "Bitte lesen Sie das HANDBUCH.", "Bitte lesen Sie das Handbuch."),
        *(
            ("en", text, text)
            for text in (
                "My name is Sarah YOUNG.",
                "SARAH YOUNG is here.",
                "Press ENTER.",
                "It is TRUE or FALSE.",
                "NASA says",
            )
        ),
    ],
)
def test_a_word_in_capitals_for_emphasis_is_read_as_others(
    readers: dict[str, CapitalsReader], language: str, text: str, expected: str
) -> None:
    assert readers[language].without_emphasis(text) == expected


def test_without_case_statistics_all_is_in_lower_case(readers: dict[str, CapitalsReader]) -> None:
    reader = CapitalsReader(NO_TRUECASING, readers["en"].subwords, "en")
    assert reader.sentence_case("THE DOG OF TOM SLEEPS") == "The dog of tom sleeps"
