"""The typed spans of a text."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from service.tasks.translation.subwords import Subwords, clean
from service.tasks.translation.text.html import find_markup
from service.tasks.translation.text.protected_spans import ProtectedSpans, find_folds
from service.tasks.translation.text.spans import Span, find_spans, gaps_between
from tests.support.timing import assert_takes_less
from tests.support.translator_bundles import pieces_model


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords(pieces_model())


def scan(subwords: Subwords, text: str, *, placeholders: bool = True, line_breaks: bool = True) -> list[Span]:
    """The spans of a text, with a vocabulary that knows all ASCII characters."""
    unknown = {character for character in subwords.unknown_characters(clean(text)) if not character.isascii()}
    folds = find_folds(unknown, subwords)
    languages = ("en", "de") if placeholders else None
    return find_spans(text, find_markup(text), unknown, folds, languages=languages, line_breaks=line_breaks)


def described(subwords: Subwords, text: str, **options: bool) -> list[tuple[str, str]]:
    """Kind and source of each span."""
    return [(span.kind.name, text[span.start : span.end]) for span in scan(subwords, text, **options)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The dog sleeps, twelve times. I (not you) am three!", []),
        ("See https://a.de/b_(c)?d=1#e, or www.a.de.", [("URL", "https://a.de/b_(c)?d=1#e"), ("URL", "www.a.de")]),
        ("(HTTP://A.DE) <a href='https://b.de'>", [("URL", "HTTP://A.DE"), ("START_TAG", "<a href='https://b.de'>")]),
        ("Ask me.too+1@example.co.uk.", [("EMAIL", "me.too+1@example.co.uk")]),
        ("@you_2 #dog a@b #12", [("HANDLE", "@you_2"), ("HANDLE", "#dog"), ("NUMBER", "12")]),
        ("{name} {} %s %d %x {a b}", [("FORMAT_SPECIFIER", one) for one in ("{name}", "{}", "%s", "%d", "%x")]),
        ("12345 1.2.3 1,234,567 1984 3.14 7", [
            ("NUMBER", "12345"), ("CODE", "1.2.3"), ("NUMBER", "1,234,567"), ("NUMBER", "1984"), ("NUMBER", "3.14"),
            ("NUMBER", "7"),
        ]),
        ("R &amp; D &#65; &;", [("ENTITY", "&amp;"), ("ENTITY", "&#65;")]),
        ("I 😀😀\u200d😀", [("UNKNOWN_SYMBOL", one) for one in ("😀", "😀", "\u200d", "😀")]),
        ("Ada-Łucja 日本 हिन्दी", [("UNKNOWN_WORD", one) for one in ("Łucja", "日本", "हिन्दी")]),
        ("“The” naïve ﬁsh…", []),
        ("a" * 100 + " " + "b" * 99, [("LONG_WORD", "a" * 100), ("STRETCHED_WORD", "b" * 99)]),
        ("soooo hahahaha, Noooo1 Schifffahrt 1111", [
            ("STRETCHED_WORD", "soooo"), ("STRETCHED_WORD", "hahahaha"), ("CODE", "Noooo1"), ("NUMBER", "1111"),
        ]),
        ("a\n\n b<br>\n", [("LINE_BREAK", "\n\n "), ("EMPTY_TAG", "<br>"), ("LINE_BREAK", "\n")]),
        ("<a\nb>\n<!--\n-->", [("START_TAG", "<a\nb>"), ("LINE_BREAK", "\n"), ("COMMENT", "<!--\n-->")]),
        ("<code>https://a.de 😀</code>@you", [("VERBATIM", "<code>https://a.de 😀</code>"), ("HANDLE", "@you")]),
        ("www.a.de<b>a@a.de", [("URL", "www.a.de"), ("START_TAG", "<b>"), ("EMAIL", "a@a.de")]),
    ],
)  # fmt: skip
def test_spans(subwords: Subwords, text: str, expected: list[tuple[str, str]]) -> None:
    assert described(subwords, text) == expected


def test_options(subwords: Subwords) -> None:
    text = "12345\n@you {a} 😀"
    assert described(subwords, text, placeholders=False) == [("LINE_BREAK", "\n"), ("UNKNOWN_SYMBOL", "😀")]
    assert [kind for kind, _ in described(subwords, text, line_breaks=False)] == [
        "NUMBER", "HANDLE", "FORMAT_SPECIFIER", "UNKNOWN_SYMBOL",
    ]  # fmt: skip


PARTS = (
    "the dog", " ", "\n", "\n  ", ".", "<", ">", "</", "<b>", "</b>", "<br/>", "<a title='<>\"'>", "<code>", "</code>",
    "<!--", "-->", "<script>", "</script>", "<p translate=no>", "</p>", "'", '"', "=", "/", "&", "&amp;", "a" * 120,
    "https://a.de/", "me@a.de", "@you", "{a}", "%s", "12345", "1.2.3", "😀", "Ł", "日", "\u0301", "\u200d",
    "<![CDATA[", "]]>", "<?x", "<!y",
)  # fmt: skip


def test_spans_and_the_text_between_them_are_the_text(subwords: Subwords) -> None:
    draw = random.Random(0)
    unknown = subwords.unknown_characters(clean("".join(PARTS)))
    for _ in range(5_000):
        text = "".join(draw.choice(PARTS) for _ in range(draw.randint(0, 30)))
        languages = ("en", "de") if draw.random() < 0.7 else None
        spans = find_spans(text, find_markup(text), unknown, languages=languages, line_breaks=draw.random() < 0.7)
        assert all(span.start < span.end for span in spans), text
        assert all(before.end <= after.start for before, after in pairwise(spans)), text
        gaps = [text[start:end] for start, end in gaps_between(0, len(text), spans)]
        contents = [text[span.start : span.end] for span in spans]
        assert "".join(part for pair in zip(gaps, [*contents, ""], strict=True) for part in pair) == text


def test_protected_spans_by_position(subwords: Subwords) -> None:
    text = "I <b>love</b>\nyou 😀"
    protected = ProtectedSpans(scan(subwords, text))
    assert [text[span.start : span.end] for span in protected.within(0, len(text))] == ["<b>", "</b>", "😀"]
    assert [span.start for span in protected.within(3, 10)] == [9]
    assert [span.start for span in protected.line_breaks(0, len(text))] == [13]
    assert list(protected.line_breaks(0, 13)) == []
    assert [position for position in range(len(text)) if protected.is_inside(position)] == [3, 4, 10, 11, 12]
    assert protected.is_inside(0, 3)


@pytest.mark.parametrize(
    "unit",
    [
        "<", "<a ", "<b>a</b>", "http://!", "a@", "a@a", ".a", "1.", "1.2.", "@", "{", "{a", "%", "\n", "\n ", "😀",
        "Ł", "Ła ", "a", "&a", "<b>😀", "<code>a</code>", "\u0301", "www.(", "(a",
    ],
)  # fmt: skip
def test_hostile_text_takes_linear_time(subwords: Subwords, unit: str) -> None:
    text = unit * (50_000 // len(unit))
    assert_takes_less(lambda: scan(subwords, text), 0.5)
