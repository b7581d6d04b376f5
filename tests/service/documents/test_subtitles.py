"""Subtitles: times, numbers, speakers, tags, line breaks."""

from __future__ import annotations

import codecs

import pytest

from service.documents import DocumentLimits, read_document
from service.errors import MalformedDocument
from tests.support.documents import same, translate

TIMES = "00:00:01,000 --> 00:00:02,500"


def caption(text: str, number: int = 1, times: str = TIMES) -> str:
    return f"{number}\n{times}\n{text}\n"


def texts(content: str, name: str = "a.srt") -> list[str]:
    return [segment.text for segment in read_document(name, content.encode(), DocumentLimits()).segments]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there.", ["Hello there."]),
        ("I have never seen\nsuch a house.", ["I have never seen such a house."]),
        (
            "Over a century ago, beings that\nprey on humans suddenly appeared.",
            ["Over a century ago, beings that prey on humans suddenly appeared."],
        ),
        ("One sentence.\nAnother one.", ["One sentence.", "Another one."]),
        ("- Where are you?\n- Here.", ["Where are you?", "Here."]),
        ("\u2013 Where are\nyou?\n\u2014 Here.", ["Where are you?", "Here."]),
        (">> Hello\n>> Hi", ["Hello", "Hi"]),
        ("-Hello", ["Hello"]),
        ("{\\an8}Hello", ["Hello"]),
        ("{\\an8}<i>- Hello</i>\n- Hi", ["Hello</i>", "Hi"]),
        ("<i>Tom has a dog\nand a cat.</i>", ["<i>Tom has a dog and a cat.</i>"]),
        ("Now {\\i1}really{\\i0} good", ["Now", "really", "good"]),
        ("[MUSIC]\nHello", ["[MUSIC]", "Hello"]),
        ("\u266a\n12\n...", []),
        ("1 of 3", ["1 of 3"]),
        ("", []),
    ],
)
def test_what_is_one_text(text: str, expected: list[str]) -> None:
    content = caption(text) + "\n" + caption("The end.", 2)
    assert texts(content) == [*expected, "The end."]
    assert translate("a.srt", content.encode(), same) == content.encode()


def test_times_within_a_text_stay_where_they_are() -> None:
    content = "WEBVTT\n\n00:01.000 --> 00:04.000\nI have <00:03.500>a house.\n&amp; a dog &lt;3\n"
    assert texts(content, "a.vtt") == ["I have", "a house.", "&amp; a dog &lt;3"]
    assert translate("a.vtt", content.encode(), same) == content.encode()


@pytest.mark.parametrize(
    "text", ["Hello there.", "- Where are you?\n- Here.", "{\\an8}<i>Tom has a dog\nand a cat.</i>", "A.\n\n B b"]
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"], ids=["no end", "one", "three"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "mark"])
def test_everything_around_the_text_stays(text: str, line_break: str, end: str, mark: str) -> None:
    content = f"{mark}{caption(text)}\n{caption('Bye', 2)}".rstrip("\n") + end
    upper = content
    for part in ("Hello there", "Where are you", "Here", "Tom has a dog", "and a cat", "Bye", "A."):
        upper = upper.replace(part, part.upper())
    content, upper = content.replace("\n", line_break), upper.replace("\n", line_break)
    assert translate("a.srt", content.encode()) == upper.encode()


def test_lines_are_broken_again_in_about_the_same_way() -> None:
    german = "Ich habe noch nie so ein gro\u00dfes Haus gesehen."
    content = caption("I have never seen\nsuch a big house.").encode()
    written = translate("a.srt", content, lambda text, is_html: german).decode()
    assert written == caption("Ich habe noch nie so ein\ngro\u00dfes Haus gesehen.")
    three = caption("One two three four\nfive six\nseven eight nine ten").encode()
    assert translate("a.srt", three).decode() == caption("ONE TWO THREE FOUR\nFIVE SIX\nSEVEN EIGHT NINE TEN")
    assert translate("a.srt", three, lambda text, is_html: "Ja").decode() == caption("Ja")
    tagged = translate("a.srt", content, lambda text, is_html: '<font color="#ff 00">Nie gesehen</font>').decode()
    assert tagged == caption('<font color="#ff 00">Nie\ngesehen</font>')


@pytest.mark.parametrize(
    "times",
    [
        "00:00:01,000 --> 00:00:02,500  X1:201 Y1:397",
        "0:0:1.5 --> 0:0:2.5",
        " 00:01.000  -->  00:02.000",
        "100:00:01,000-->100:00:02,500",
    ],
)
def test_times_as_people_write_them(times: str) -> None:
    content = caption("Hello", times=times)
    assert translate("a.srt", content.encode()).decode() == content.replace("Hello", "HELLO")


def test_captions_without_a_blank_line_between_them() -> None:
    content = caption("Hello") + caption("12 men", 2) + f"{TIMES}\nNo number"
    assert texts(content) == ["Hello", "12 men", "No number"]
    assert translate("a.srt", content.encode(), same) == content.encode()


def test_encodings() -> None:
    content = codecs.BOM_UTF16_LE + caption("Gr\u00fc\u00dfe").encode("utf-16-le")
    assert translate("a.srt", content) == codecs.BOM_UTF16_LE + caption("GR\u00dcSSE").encode("utf-16-le")
    with pytest.raises(MalformedDocument, match="is not UTF-8 in line 3; save it as UTF-8"):
        read_document("a.srt", caption("Gr\u00fc\u00dfe").encode("latin-1"), DocumentLimits())


def test_webvtt() -> None:
    content = (
        "WEBVTT - A title\n\nNOTE a comment\nof two lines\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start\n<v Tom>Hello &amp; hi</v>\n\n00:03.000 --> 00:04.000\n- Bye\n"
    )
    assert texts(content, "a.vtt") == ["<v Tom>Hello &amp; hi</v>", "Bye"]
    assert translate("a.vtt", content.encode()).decode() == content.replace("Hello &amp; hi", "HELLO &amp; HI").replace(
        "Bye", "BYE"
    )


def test_files_without_captions_come_back_as_they_were() -> None:
    for content in (b"", b"\n\n", b"Only some words\n", b"1\n\n2\n"):
        assert read_document("a.srt", content, DocumentLimits()).segments == []
        assert translate("a.srt", content) == content


@pytest.mark.parametrize(
    "text", [" " * 30_000 + "x", "<" * 30_000, "-" * 30_000, "{" * 30_000, "a\n" * 9_000, "! " * 15_000, "<a>" * 9_000]
)
def test_strange_captions_come_back(text: str) -> None:
    content = caption(text).encode()
    limits = DocumentLimits(max_segment_characters=1_000)
    assert translate("a.srt", content, same, limits=limits) == content
