"""Identification of many languages."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from service.tasks.translation import language_identification
from service.tasks.translation.language_detection import Profile, detect
from service.tasks.translation.language_identification import identify
from tests.support.translator_bundles import profile

BOTH = [Profile.read(profile("en")), Profile.read(profile("de"))]
many_languages = pytest.mark.skipif(find_spec("fasttext") is None, reason="fastText has no wheels for this Python")


@many_languages
@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sleeps on the sofa.", "en"),
        ("Die Katze schläft auf dem Sofa.", "de"),
        ("DIE KATZE SCHLÄFT", "de"),
        ("De winkel sluit\nom zes uur.", "nl"),
        ("Il gatto dorme sul divano.", "it"),
        ("Le chat dort sur le canapé.", "fr"),
        ("Где находится вокзал?", "ru"),
        ("駅はどこですか。", "ja"),
        ("أين المحطة؟", "ar"),
    ],
)
def test_the_most_likely_language(text: str, language: str) -> None:
    first = identify(text, BOTH)[0]
    assert first.language == language
    assert 50 < first.confidence <= 100


@many_languages
def test_confidences_fall_and_sum_to_at_most_100() -> None:
    confidences = [one.confidence for one in identify("Danke", BOTH)]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) <= 100.1
    assert min(confidences) >= 1


@many_languages
def test_a_language_that_fasttext_does_not_know_has_its_profile() -> None:
    own = Profile("tlh", {}, {"qapla": -1.0, "batlh": -1.0, "tlhingan": -1.0})
    assert identify("tlhingan batlh qapla tlhingan batlh qapla", [own])[0].language == "tlh"


@many_languages
@pytest.mark.parametrize("text", ["\ud800 hello", "a\0b", "a\u2028b\x0bc\x1cd", "x" * 100_000, "\n", "__label__de"])
def test_odd_texts_have_a_language(text: str) -> None:
    assert identify(text, BOTH)


@pytest.mark.parametrize("text", ["", "42", "😀 ?!"])
def test_without_letters_only_the_profiles_count(text: str) -> None:
    assert identify(text, BOTH) == detect(text, BOTH)
    assert identify(text, []) == []


def test_without_fasttext_only_the_profiles_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_identification, "_classifier", lambda: None)
    assert identify("The cat sleeps", BOTH) == detect("The cat sleeps", BOTH)
