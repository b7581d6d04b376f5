"""The everyday test: every reference passes its own checks, and each kind of mistake is named."""

from __future__ import annotations

import pytest

from service.tasks.translation.everyday import LANGUAGES, failures, read_sentences, run


@pytest.mark.parametrize(("source", "target"), [LANGUAGES, LANGUAGES[::-1]])
def test_the_references_pass(source: str, target: str) -> None:
    references = {sentence.texts[source]: sentence.texts[target] for sentence in read_sentences()}
    report = run(lambda texts: [references[text] for text in texts], source, target)
    assert [(line.answer, line.failures) for line in report.lines if line.failures] == []
    assert len(report.lines) == 320
    assert report.kept == (140, 140)


def test_both_halves_have_every_kind() -> None:
    kinds = {half: [one.kind for one in read_sentences() if one.half == half] for half in ("dev", "test")}
    assert len(kinds["dev"]) == len(kinds["test"]) == 160
    assert set(kinds["dev"]) == set(kinds["test"])


@pytest.mark.parametrize(
    ("english", "answer", "expected"),
    [
        ("The ticket costs 49.99 euros.", "Die Fahrkarte kostet 499 Euro.", ["lost: 49,99", "invented: 499"]),
        ("The ticket costs 49.99 euros.", "Die Fahrkarte kostet 49.99 Euro.", ["lost: 49,99"]),
        ("My name is Peter.", "Mein Name ist packen.", ["lost: Peter"]),
        ("My name is Peter.", "Mein Name ist Peter?", ["became a question"]),
        ("I live in Munich.", "Ich wohne in Munich.", ["lost: München", "not translated: Munich"]),
        ("I don't understand you.", "Ich verstehe dich.", ["negation lost"]),
        ("The soup is too salty.", "Die Suppe ist nicht salzig.", ["negation added"]),
        ("Do you speak English?", "Sie sprechen Englisch.", ["no question any more"]),
        ("THE END", "TokEA-ND", ["no capitals any more", "misspelled: TokEA"]),
        ("The soup is too salty.", "Die Soup ist zu salzig.", ["not translated: Soup"]),
        ("The soup is too salty.", "Suppe.", ["length: 0.2 times the reference's"]),
        ("The answer is 42.", "Die Antwort ist 42.", []),
    ],
)
def test_mistakes_are_named(english: str, answer: str, expected: list[str]) -> None:
    (sentence,) = (one for one in read_sentences() if one.texts["en"] == english)
    assert failures(sentence, "en", "de", answer) == expected


def test_a_name_that_nobody_wrote_is_invented() -> None:
    (sentence,) = (one for one in read_sentences() if one.texts["de"] == "Die Suppe ist zu salzig.")
    assert failures(sentence, "de", "en", "The soup is too Kevin.") == ["invented: Kevin"]
