"""Segmentation: what is translated of a text, and what is kept as it is."""

from __future__ import annotations

from functools import partial

import pytest

from service.decoding import Hypothesis
from service.tasks.translation.subwords import Subwords
from service.tasks.translation.text import Truecaser, segment
from tests.support.timing import assert_takes_less
from tests.support.translator_bundles import pieces_model

TRUECASER = Truecaser(
    lowercase_words=frozenset({"milk", "water", "the", "and", "dog", "sleeps"}), sentence_starters=frozenset({"the"})
)
MAX_TOKENS = 40


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(pieces_model())


def annotated(subwords: Subwords, text: str, language: str = "en") -> str:
    """The text with braces around its segments."""
    result = segment(text, subwords, language, MAX_TOKENS)
    return result.join([f"{{{subwords.decode(ids)}}}" for ids in result.segments])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The dog sleeps. Is it big? No!", "{The dog sleeps.} {Is it big?} {No!}"),
        ("  The dog.\n\n The\tcat.\r\n", "  {The dog.}\n\n {The cat.}\r\n"),
        ("", ""),
        (" \n\t ", " \n\t "),
        ("...", "..."),
        ("12 - 34, 5.", "12 - 34, 5."),
        # Line by line, but for lines that were wrapped.
        ("Milk\nWater\nthe house", "{Milk}\n{Water}\n{the house}"),
        ("The dog and the cat and the\nhouse", "{The dog and the cat and the house}"),
        ("<!DOCTYPE html><?xml a?><![CDATA[ The ]]> dog", "<!DOCTYPE html><?xml a?><![CDATA[ The ]]> {dog}"),
        ("The HTTP://X.ORG and ftp://x.org/a_(b) dog", "{The} HTTP://X.ORG {and} ftp://x.org/a_(b) {dog}"),
        ("The (http://x.org) dog", "{The} (http://x.org) {dog}"),
        ("Dear Tom,\nThe dog sleeps.", "{Dear Tom,}\n{The dog sleeps.}"),
        ("The dog and the cat and the dog and the cat and Tom\nMiller sleep.", None),
        ("Milk\u2028Water\r\nHouse\x85Dog\rCat", "{Milk}\u2028{Water}\r\n{House}\x85{Dog}\r{Cat}"),
        ("- The dog and the cat and Tom and\n- the cat", "- {The dog and the cat and Tom and}\n- {the cat}"),
        ("- The dog\n- The cat\n  * milk", "- {The dog}\n- {The cat}\n  * {milk}"),
        # What the vocabulary does not know.
        ("I love 😀 you!", "{I love} 😀 {you!}"),
        ("😀", "😀"),
        ("👩🏽\u200d🚀 sleeps ❤\ufe0f", "👩🏽\u200d🚀 {sleeps} ❤\ufe0f"),
        ("The 日本 house", "{The} 日本 {house}"),
        ("Łukasz sleeps, Ada-Łucja not.", "Łukasz {sleeps, Ada-}Łucja {not.}"),
        ("Привет, мир!", "Привет, мир!"),
        ("“The dog” \u2013 the ﬁsh… ①", '{"The dog" - the fish... 1}'),
        ("cafe\u0301 nai\u0308ve", "{café naive}"),
        ("na\u0131\u0308ve!", "na\u0131\u0308ve!"),
        # Addresses and markup.
        ("See https://example.com/a?b=1, or me@example.com.", "{See} https://example.com/a?b=1, {or} me@example.com."),
        ("The <b>dog</b>, Tom?", "{The} <b>{dog}</b>, {Tom?}"),
        ("<b>The dog</b> &amp; <!-- a cat --> 1 < 2 and 3", "<b>{The dog}</b> &amp; <!-- a cat --> {1 < 2 and 3}"),
    ],
)  # fmt: skip
def test_segments(subwords: Subwords, text: str, expected: str | None) -> None:
    result = annotated(subwords, text)
    if expected is None:
        assert result.count("{") == 1
    else:
        assert result == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Am 3. Mai kam er. Er blieb.", "{Am 3. Mai kam er.} {Er blieb.}"),
        ("Das war z. B. Nr. 5. Gut!", "{Das war z. B. Nr. 5. Gut!}"),
        ("Ludwig XIV. war da.", "{Ludwig XIV. war da.}"),
        ("1. Milch\n2. Wasser", "1. {Milch}\n2. {Wasser}"),
        ("Er ist da. Sie nicht.", "{Er ist da.} {Sie nicht.}"),
    ],
)
def test_german_full_stops(subwords: Subwords, text: str, expected: str) -> None:
    assert annotated(subwords, text, "de") == expected


def test_long_sentences_are_split_at_pauses_and_spaces(subwords: Subwords) -> None:
    result = segment("the dog and " * 30 + "the cat", subwords, "en", MAX_TOKENS)
    assert all(len(ids) <= MAX_TOKENS for ids in result.segments)
    assert result.join([subwords.decode(ids) for ids in result.segments]) == "the dog and " * 30 + "the cat"
    assert len(result.segments) == 3
    assert min(map(len, result.segments)) > MAX_TOKENS // 2, "no rest of a word or two is left"

    paused = segment("the dog " * 15 + "sleeps, " + "the cat " * 9, subwords, "en", MAX_TOKENS)
    assert subwords.decode(paused.segments[0]).endswith("sleeps,")


def test_long_words_are_split_and_very_long_ones_kept(subwords: Subwords) -> None:
    text = "the " + "ab" * 45 + " dog"
    result = segment(text, subwords, "en", MAX_TOKENS)
    assert max(map(len, result.segments)) <= MAX_TOKENS
    assert result.join([subwords.decode(ids) for ids in result.segments]) == text
    assert annotated(subwords, f"the {'ab' * 2500} dog") == f"{{the}} {'ab' * 2500} {{dog}}"


@pytest.mark.parametrize(
    ("text", "read", "answer"),
    [
        ("THE DOG SLEEPS!", "The dog sleeps!", "DER HUND SCHLÄFT!"),
        ("MILK", "milk", "DER HUND SCHLÄFT!"),
        ("SLEEPS!", "Sleeps!", "DER HUND SCHLÄFT!"),
        ("THE END", "THE END", "Hund"),
        ("THE MILK", "The milk", "DER HUND SCHLÄFT!"),
        ("HANDBUCH", "Handbuch", "DER HUND SCHLÄFT!"),
        ("THE STRAßE SLEEPS", "The Straße sleeps", "DER HUND SCHLÄFT!"),
        ("DOG", "DOG", "Hund"),
        ("UNICEF", "UNICEF", "Hund"),
        ("THE-HOUSE", "THE-HOUSE", "Hund"),
        ("NATO", "NATO", "Hund"),
        ("U.S. NATO", "U.S. NATO", "Hund"),
    ],
)
def test_all_caps_are_translated_in_lower_case_and_restored(
    subwords: Subwords, text: str, read: str, answer: str
) -> None:
    result = segment(text, subwords, "en", MAX_TOKENS, truecaser=TRUECASER)
    assert [subwords.decode(ids) for ids in result.segments] == [read]
    assert result.format_words(0, "Der Hund schläft!" if result.all_caps else "Hund") == answer


@pytest.mark.parametrize(
    ("text", "read", "in_german"),
    [
        ("Milk", "milk", "milk"),
        ("Milk and water:", "milk and water:", "milk and water:"),
        # A sentence often begins so, so it is known with a capital too.
        ("The dog", "The dog", "The dog"),
        ("The", "the", "the"),
        ("Tom", "Tom", "Tom"),
        ("Milk.", "Milk.", "Milk."),
        ('"Milk"', '"Milk"', '"Milk"'),
        ("Milk (and water!)", "Milk (and water!)", "Milk (and water!)"),
        ("MILK AND WATER", "milk and water", "milk and water"),
        # All of a heading's words, but where they may be nouns, or one may be a name.
        ("The Milk, Water", "The milk, water", "The Milk, Water"),
        ("Milk And Water", "milk and water", "milk And Water"),
        ("Milk Tom", "milk Tom", "milk Tom"),
        ("Tom And Water", "Tom And Water", "Tom And Water"),
        ("Milk and Water", "milk and Water", "milk and Water"),
        ("4 Dogs", "4 Dogs", "4 Dogs"),
    ],
)
def test_headings_are_truecased(subwords: Subwords, text: str, read: str, in_german: str) -> None:
    for language, expected in (("en", read), ("de", in_german)):
        result = segment(text, subwords, language, MAX_TOKENS, truecaser=TRUECASER)
        (ids,) = result.segments
        assert ids == subwords.encode(expected)
        assert (0 in result.capitalized) == (text[0].isupper() and (language == "en" or text[0] != expected[0]))


def test_only_known_words_are_lowercased(subwords: Subwords) -> None:
    result = segment("Milk\n\nMILK", subwords, "en", MAX_TOKENS)
    assert [subwords.decode(ids) for ids in result.segments] == ["Milk", "MILK"]
    assert [
        subwords.decode(ids) for ids in segment("Milk", subwords, "en", MAX_TOKENS, truecaser=TRUECASER).segments
    ] == ["milk"]
    # A letter that has two in small: what stands where would change.
    (ids,) = segment(
        "\u0130a", subwords, "en", MAX_TOKENS, truecaser=Truecaser(lowercase_words=frozenset({"\u0130a".lower()}))
    ).segments
    assert ids == subwords.encode("\u0130a") or subwords.unknown_characters("\u0130a")


@pytest.mark.parametrize(
    ("text", "language", "answer"),
    [
        ("The dog 😀 the", "en", "Ab 😀 ab"),
        ("Das, Hund", "de", "ab"),
        ("... The", "fr", "... Ab"),
        ("42 The", "en", "ab"),
    ],
)
def test_a_capital_at_the_start_is_restored(subwords: Subwords, text: str, language: str, answer: str) -> None:
    result = segment(text, subwords, language, MAX_TOKENS)
    hypothesis = Hypothesis(tuple(subwords.encode("ab")), -1.0, None)
    answers = [result.restore(index, hypothesis, subwords, subwords) for index in range(len(result.segments))]
    assert result.join(answers) == answer


@pytest.mark.parametrize("most", [2, 3, 5])
def test_parts_of_long_sentences_are_never_empty(subwords: Subwords, most: int) -> None:
    for text in ("the dog, the cat", "abcdefgh", "a b c d e f g"):
        result = segment(text, subwords, "en", most)
        assert all(1 <= len(ids) <= most for ids in result.segments)
        assert result.join([subwords.decode(ids) for ids in result.segments]) == text


@pytest.mark.parametrize(
    "unit",
    [
        "<a", "<!--", "ab.", "a@", "a. ", "Ł", "aŁ ", "www.", "http://!", "\n- ", "a\n", "A\n", "e\u0301", "😀", "1. ",
        "<b>", "</b>", "<b>a", "a</b>", "<b>a</b> ", "<b>a</b>! ", "<b><i>a</b>",
        "<code>", "<code>a</code>", "<pre><code>", "<i translate=no>", "<a class='", " translate=",
        "<a translate=\n", "&amp;", "#<", "#<b>", "#&", "#<!--",
        "&a", "- ", "\u200d", "\x00", ".", " ", "„", "a" * 40 + "\n", "\ufe0f", "Nr. ",
    ],
)  # fmt: skip
def test_hostile_text_takes_linear_time(subwords: Subwords, unit: str) -> None:
    half = unit * (7_000 // len(unit))
    text = f"{half}a{half}"
    for is_html in {False, "<" in unit or "&" in unit}:
        work = partial(segment, text, subwords, "de", MAX_TOKENS, inline_tags=True, is_html=is_html)
        assert_takes_less(work, 0.7)


def test_text_without_known_words_is_kept(subwords: Subwords) -> None:
    text = "日本\u3000 \u00a0😀\n\n\u2028Щит  "
    assert segment(text, subwords, "en", MAX_TOKENS, inline_tags=True).separators == [text]


def test_a_truecaser_is_written_and_read() -> None:
    reread = Truecaser.read(TRUECASER.write())
    assert reread == TRUECASER
    assert TRUECASER.write() == reread.write()
    assert b'"begins":["the"]' in TRUECASER.write()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"small": 1}', b"\xff", b'{"large": []}'])
def test_other_files_than_a_truecasers_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no list of words: "):
        Truecaser.read(content)


def test_an_escaped_line_break_ends_a_sentence(subwords: Subwords) -> None:
    text = r"the dog\nthe cat\r\nI love you"
    result = segment(text, subwords, "en", MAX_TOKENS)
    assert [subwords.decode(ids) for ids in result.segments] == ["the dog", "the cat", "I love you"]
    assert result.separators == ["", r"\n", r"\r\n", ""]


def test_an_ampersand_between_words_is_read_as_the_word(subwords: Subwords) -> None:
    assert [subwords.decode(ids) for ids in segment("the dog & the cat", subwords, "en", MAX_TOKENS).segments] == [
        "the dog and the cat"
    ]
