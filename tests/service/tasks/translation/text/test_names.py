"""Names are result by lists, by titles and by how a word is spelled, and are written as the target language does."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.tasks.translation.language_detection import Profile
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import Truecaser
from service.tasks.translation.text.first_names import first_names
from service.tasks.translation.text.names import NameFinder, NameList

MODELS = Path(__file__).resolve().parents[5] / "models"
LANGUAGES = {"en": "de", "de": "en"}


def finder(language: str, names: NameList | None = None) -> NameFinder:
    """The finder of the shipped translator from a language."""
    bundle = max((MODELS / f"translate-{language}-{LANGUAGES[language]}").iterdir(), key=lambda path: int(path.name))
    return NameFinder(
        language,
        LANGUAGES[language],
        Subwords.read(bundle / "pieces.model"),
        Truecaser.read((bundle / "capitals.json").read_bytes()),
        Profile.read((bundle / "language.json").read_bytes()).frequent_words,
        names or NameList(),
    )


def test_places_and_names_after_a_title_are_found_though_training_had_them() -> None:
    names = NameList(known_words=frozenset(["Munich", "Smith", "Because"]))
    text = "Because Smith saw Mr. Smith in Munich"
    assert list(finder("en", names).find(text, 0, len(text))) == [(22, 27, "Smith"), (31, 37, "München")]


@pytest.fixture(scope="module")
def finders() -> dict[str, NameFinder]:
    return {language: finder(language) for language in LANGUAGES}


def result(names: NameFinder, text: str) -> dict[str, str]:
    return {text[name.start : name.end]: name.translation for name in names.find(text, 0, len(text))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("My name is Peter.", {"Peter": "Peter"}),
        ("Yusuf and Oleksandr met Agnieszka", {one: one for one in ("Yusuf", "Oleksandr", "Agnieszka")}),
        ("From Munich to New Zealand", {"Munich": "München", "New Zealand": "Neuseeland"}),
        ("Mr. White and Professor Lindqvist", {"White": "White", "Lindqvist": "Lindqvist"}),
        ("I read Thomas Mann.", {"Thomas": "Thomas", "Mann": "Mann"}),
        ("This is Peter's and Max's car.", {"Peter's": "Peters", "Max's": "Max\u2019"}),
        # Known to the model, or no names.
        ("Tom and I were in Boston on Thursday in September.", {}),
        ("Introduction to German Catholicism", {}),
        ("Please Save The Changes", {}),
        ("Vultures circle. Preheated ovens. Greek to me", {}),
        ("PLEASE RING THE PHARMACY IN MUNICH", {"MUNICH": "MÜNCHEN"}),
    ],
)
def test_english(finders: dict[str, NameFinder], text: str, expected: dict[str, str]) -> None:
    assert result(finders["en"], text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ich heiße Peter.", {"Peter": "Peter"}),
        ("Kennst du Herrn Schneider und Frau Okafor?", {"Schneider": "Schneider", "Okafor": "Okafor"}),
        ("Ich wohne in München.", {"München": "Munich"}),
        ("Nairobi ist die größte Stadt Kenias.", {"Nairobi": "Nairobi", "Kenias": "of Kenya"}),
        ("Das ist Peters neues Auto.", {"Peters": "Peter's"}),
        ("Wo wohnt Agnieszka?", {"Agnieszka": "Agnieszka"}),
        # Nouns, however rare.
        ("Die Höchstgeschwindigkeit der Schnellstraße", {}),
        ("Er hat Kopfschmerzen und nimmt Tabletten.", {}),
        ("Ich gebe Peter Geld.", {"Peter": "Peter"}),
        ("Am Donnerstag im September kostet das zehn Franken.", {}),
    ],
)
def test_german(finders: dict[str, NameFinder], text: str, expected: dict[str, str]) -> None:
    assert result(finders["de"], text) == expected


def test_what_training_has_learned_decides() -> None:
    names = NameList(translations={"Rostock": "Rostok"}, known_words=frozenset(["Yusuf"]))
    assert result(finder("en", names), "Yusuf lives in Rostock.") == {"Rostock": "Rostok"}
    assert NameList.read(names.write()) == names
    with pytest.raises(ValueError, match="no list of names"):
        NameList.read(b'{"names": 1}')


def test_first_names_are_words_with_a_capital() -> None:
    assert all(name[0].isupper() and name[1:].islower() for name in first_names())
