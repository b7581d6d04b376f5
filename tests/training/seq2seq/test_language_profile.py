"""Language profiles from texts."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from service.tasks.translation.language_detection import Profile, detect
from training.seq2seq.data.language_profile import language_profile


def test_texts_without_letters_make_no_profile() -> None:
    with pytest.raises(ValueError, match="no words in the texts of 'en'"):
        language_profile("en", ["123", "", "?!"])


def test_is_the_same_whatever_the_order() -> None:
    texts = ["one two three", "two three", "Three!"]
    assert language_profile("en", texts).write() == language_profile("en", texts[::-1]).write()


def test_probabilities_of_what_follows_a_letter() -> None:
    # After "a" of the two equally frequent words comes "b" as often as "c".
    profile = language_profile("en", ["ab ac"])
    assert profile.score(["ab"]) == profile.score(["ac"]) == pytest.approx(-0.75)
    assert profile.score(["ab"]) > profile.score(["ad"])


def test_english_and_german(data_dir: Path) -> None:
    """The language of 99.8% of the held-out sentences is detected, and that of single everyday words."""
    with ZipFile(data_dir / "tatoeba_manythings" / "deu-eng.zip") as archive:
        name = next(name for name in archive.namelist() if not name.startswith("_"))
        rows = [line.split("\t")[:2] for line in archive.read(name).decode().splitlines()[::4]]
    held_out, train = rows[::20], [row for number, row in enumerate(rows) if number % 20]
    profiles = []
    for language, texts in zip(("en", "de"), zip(*train, strict=True), strict=True):
        content = language_profile(language, texts).write()
        assert len(content) < 62_000
        profiles.append(Profile.read(content))
    for side, language in enumerate(("en", "de")):
        right = sum(detect(row[side], profiles)[0].language == language for row in held_out)
        assert right / len(held_out) >= 0.995
    words = {"en": "hello dog house yes no good morning thanks", "de": "hallo Hund Haus ja nein gut Morgen danke"}
    for language, text in words.items():
        assert {word: detect(word, profiles)[0].language for word in text.split()} == dict.fromkeys(
            text.split(), language
        )
