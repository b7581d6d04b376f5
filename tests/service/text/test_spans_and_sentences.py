"""Spans of words and sentences in the text as it was sent."""

import random
import unicodedata
from itertools import pairwise

import pytest

from service.text import sentence_spans, tokenize, word_spans
from tests.support.timing import assert_scales

PIECES = (
    *"aAé1.,-@/_\u0301😀🏽:()!?…im$#^~=><|*\u00ad日ß\ud800\u200bİ'\u2019\u200d",
    *("e\u0301", "n't", "nt", "s", "12", "www.", "http://", "can", "not", "US", "e-", "Mr", "etc", "p.m", "हि", "com"),
)


@pytest.mark.parametrize("seed", range(4))
def test_spans_are_the_words_of_any_text(seed: int) -> None:
    """Spans hold all of the text but its white space, in order, and are what `tokenize` finds in either spelling."""
    source = random.Random(seed)
    for _ in range(1_000):
        text = "".join(source.choice((*PIECES, " ", "\n", "\n\n", "\u00a0")) for _ in range(source.randrange(14)))
        spans = word_spans(text)
        words = [unicodedata.normalize("NFC", text[start:end]) for start, end in spans]
        assert "".join(text[start:end] for start, end in spans) == "".join(text.split())
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        assert words == tokenize(text, "words") == tokenize(unicodedata.normalize("NFC", text), "words")


def test_offsets_are_code_points_of_the_text_as_sent() -> None:
    text = "  Cafe\u0301 😀 don't\n"
    assert [(start, end, text[start:end]) for start, end in word_spans(text)] == [
        (2, 7, "Cafe\u0301"),
        (8, 9, "😀"),
        (10, 12, "do"),
        (12, 15, "n't"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("at 5 p.m. The", ["at", "5", "p.m", ".", "The"]),
        ("at 5 p.m. on", ["at", "5", "p.m.", "on"]),
        ("cats, dogs, etc. In", ["cats", ",", "dogs", ",", "etc", ".", "In"]),
        ("dogs etc. in", ["dogs", "etc.", "in"]),
        ("the U.S. Army", ["the", "U.S.", "Army"]),
        ("in the U.S.", ["in", "the", "U.S", "."]),
        ("the U.S.\n\nArmy", ["the", "U.S", ".", "Army"]),
        ("No. 5. No. Never", ["No.", "5", ".", "No", ".", "Never"]),
        ("George W. Bush and I. Then", ["George", "W.", "Bush", "and", "I", ".", "Then"]),
    ],
)
def test_a_full_stop_is_a_word_where_a_sentence_ends(text: str, words: list[str]) -> None:
    assert tokenize(text, "words") == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\n ", []),
        ("One", ["One"]),
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "no." She (Ann.) left.', ['He said "no."', "She (Ann.)", "left."]),
        ("Mr. Smith of the U.S. Army came at 5 p.m. on time.", ["Mr. Smith of the U.S. Army came at 5 p.m. on time."]),
        ("A title\n \nand a text\nof two lines", ["A title", "and a text\nof two lines"]),
        ("Well ... maybe. Well ... No", ["Well ... maybe.", "Well ...", "No"]),
        ("Great! :) Thanks.\n\n:) yes", ["Great! :)", "Thanks.", ":) yes"]),
        ("It costs 3.50 at a.com, ok?Yes", ["It costs 3.50 at a.com, ok?Yes"]),
        ("What?! No!!! (Yes.)", ["What?!", "No!!!", "(Yes.)"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text, "en")] == expected


@pytest.mark.parametrize(
    "piece", [".", ". ", '."', ".)", "!:", ". :) ", "\n", ".\n\n", "-.", "._", "'=", "a. ", "\ud800"]
)
def test_sentences_of_hostile_text_take_linear_time(piece: str) -> None:
    """Eight times the text, at most twenty-four times as long (a square law would take 64)."""
    assert_scales(lambda size: sentence_spans(piece * (size // len(piece)), "en"), 4_000, 32_000, factor=24, floor=0.25)
