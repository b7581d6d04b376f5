"""Language detection."""

from __future__ import annotations

from functools import partial

import orjson
import pytest

from service.tasks.translation.language_detection import Detected, Profile, detect, words
from tests.support.timing import assert_takes_less
from tests.support.translator_bundles import profile
from training.seq2seq.data.language_profile import language_profile

ENGLISH, GERMAN = Profile.read(profile("en")), Profile.read(profile("de"))
BOTH = [ENGLISH, GERMAN]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sleeps.", "en"),
        ("Die Katze schläft.", "de"),
        ("dog", "en"),
        ("HUND", "de"),
        ("you and not I", "en"),
        ("du und nicht ich", "de"),
        ("ß", "de"),
        ("<b>water</b> 42 😀", "en"),
    ],
)
def test_finds_the_language(text: str, language: str) -> None:
    first, second = detect(text, BOTH)
    assert first.language == language
    assert 100 >= first.confidence > second.confidence >= 0


def test_order_of_the_profiles_does_not_matter() -> None:
    assert detect("Das Haus ist klein", [GERMAN, ENGLISH]) == detect("Das Haus ist klein", BOTH)


@pytest.mark.parametrize("text", ["", "   \n", "1234 56", "😀!?", "-"])
def test_confidence_is_zero_without_letters(text: str) -> None:
    assert detect(text, BOTH) == [Detected("en", 0.0), Detected("de", 0.0)]


@pytest.mark.parametrize("text", ["Привет, как дела?", "你好 世界", "สวัสดี"])
def test_other_scripts_have_low_confidence(text: str) -> None:
    assert all(detected.confidence < 1 for detected in detect(text, BOTH))


def test_confidence_of_a_single_profile() -> None:
    (own,), (foreign,) = detect("The cat drinks milk", [ENGLISH]), detect("Die Katze trinkt Milch", [ENGLISH])
    assert own.confidence > 90
    assert foreign.confidence < 50


def test_duplicate_languages_are_listed_once() -> None:
    assert [detected.language for detected in detect("dog", [ENGLISH, GERMAN, ENGLISH])] == ["en", "de"]


def test_no_languages() -> None:
    assert detect("dog", []) == []


def test_words_are_lower_cased_and_composed() -> None:
    assert words("Mu\u0308de? It\u2019s 3rd; snake_case!") == ["müde", "it's", "rd", "snake", "case"]


def test_long_texts_take_bounded_time() -> None:
    for text in ("x" * 100_000, "Haus " * 20_000, "\u4f60" * 100_000):
        assert_takes_less(partial(detect, text, BOTH), 1)


def test_is_written_and_read() -> None:
    reread = Profile.read(GERMAN.write())
    assert reread.language == "de"
    assert reread.write() == GERMAN.write()
    assert reread.score(["schläft", "zzz"]) == GERMAN.score(["schläft", "zzz"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file: Invalid JSON"),
        (b"[]", "the file: "),
        (b'{"language": "en", "words": {}}', "grams: Field required"),
        (b'{"language": "English", "grams": {"-1": "a"}, "words": {}}', "language: "),
        (b'{"language": "en", "grams": {"1.5": "a"}, "words": {}}', "less than or equal to 0"),
        (b'{"language": "en", "grams": {"-1": "abcde"}, "words": {}}', "1 to 4 characters"),
        (b'{"language": "en", "grams": {"-1": "a"}, "words": {}, "code": "x"}', "code: "),
    ],
)
def test_other_files_than_profiles_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match="no profile of a language") as raised:
        Profile.read(content)
    assert message in str(raised.value)


def test_a_profile_is_small() -> None:
    prefixes = [chr(97 + number % 26) + chr(97 + number // 26 % 26) + str(number) for number in range(676)]
    long = [
        f"{first}{second}"[:12].translate({ord(digit): "q" for digit in "0123456789"})
        for first in prefixes
        for second in prefixes[::40]
    ]
    assert len(language_profile("en", long).write()) < 64_000


def test_the_file_is_plain_json() -> None:
    assert orjson.loads(profile("en")).keys() == {"language", "grams", "words"}
