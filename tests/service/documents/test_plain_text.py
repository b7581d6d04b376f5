"""Plain text: lines, paragraphs, encodings."""

from __future__ import annotations

import codecs

import pytest

from service.documents import DocumentLimits, read_document
from service.errors import MalformedDocument
from tests.support.documents import same, translate

LINE_BREAKS = ["\n", "\r\n", "\r", "\u2028"]
WRAPPED = (
    "This is a long line of a paragraph that was wrapped\nby an editor, which breaks all of its lines at this\nwidth."
)
CODE = "Run this:\n\n```\nprint('hello world')\n\nx = the_end(of, it)\n```\n\nThen look.\n"


def texts(content: str) -> list[str]:
    return [segment.text for segment in read_document("a.txt", content.encode(), DocumentLimits()).segments]


@pytest.mark.parametrize("line_break", LINE_BREAKS, ids=["lf", "crlf", "cr", "ls"])
@pytest.mark.parametrize(
    "text", ["", "\n", "A title\n\n\n  An indented line.\n\tAnother.\n", "- one\n- two\n\n   \nEnd", WRAPPED, CODE]
)
def test_lines_and_white_space_stay(text: str, line_break: str) -> None:
    is_changed_only_in_case = text not in (WRAPPED, CODE)
    text = text.replace("\n", line_break)
    assert translate("a.txt", text.encode(), same) == text.encode()
    if is_changed_only_in_case:
        assert translate("a.txt", text.encode()).decode() == text.upper()


def test_wrapped_lines_are_one_text_and_are_broken_again() -> None:
    assert texts(WRAPPED) == [WRAPPED.replace("\n", " ")]
    written = translate("a.txt", WRAPPED.encode()).decode()
    assert written.split() == WRAPPED.upper().split()
    assert max(map(len, written.split("\n"))) <= 51
    assert written.count("\n") == 2


def test_quoted_lines_keep_their_marks() -> None:
    quoted = "> " + WRAPPED.replace("\n", "\r\n> ") + "\r\n\r\nYes.\r\n"
    assert texts(quoted)[0] == WRAPPED.replace("\n", " ")
    written = translate("a.txt", quoted.encode()).decode()
    assert all(line.startswith("> ") for line in written.split("\r\n")[:3])
    assert written.endswith("\r\n\r\nYES.\r\n")


def test_code_is_not_translated() -> None:
    assert texts("> He said\n\n    $ python main.py --help\n\nThen") == ["He said", "Then"]
    assert texts(CODE) == ["Run this:", "Then look."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The dog sleeps.\n    code = 1\n    print(code)\nThe end.", ["The dog sleeps.", "The end."]),
        ("Run:\n\n\tx += 2;\n\tmain();\n\nThe end.", ["Run:", "The end."]),
        ("    $ ls\n\nThe end.", ["The end."]),
        ("    if (x) {\n        go();\n    }\n\nThe end.", ["The end."]),
        ("One.\n\n    He said that he was here.\n\n    Roses are red;\n    I am here.", None),
    ],
)
def test_indented_lines_of_programs_are_not_translated(text: str, expected: list[str] | None) -> None:
    assert texts(text) == (expected or ["One.", "He said that he was here.", "Roses are red;", "I am here."])


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
    ids=["utf-8", "utf-16-le", "utf-16-be"],
)
def test_encoding_and_byte_order_mark_are_kept(mark: bytes, encoding: str) -> None:
    content = mark + "Gr\u00fc\u00dfe \U0001f600\r\n".encode(encoding)
    assert translate("a.txt", content, same) == content
    assert translate("a.txt", content) == mark + "GR\u00dcSSE \U0001f600\r\n".encode(encoding)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"one\ntwo\ncaf\xe9\n", "is not UTF-8 in line 3; save it as UTF-8"),
        (b"\xff\xfea\0b", "is not UTF-16-LE in line 1"),
        ("text".encode("utf-16-le"), "NUL character in line 1"),
        (b"\0\0", "NUL character"),
        (b"PK\x03\x04rest", "a zip archive, such as .docx and .odt"),
        (b"%PDF-1.4", "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"),
    ],
    ids=["latin-1", "odd-utf-16", "utf-16-without-mark", "binary", "zip", "pdf", "doc"],
)
def test_what_is_no_text_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(MalformedDocument, match=text):
        read_document("a.txt", content, DocumentLimits())


def test_long_lines_become_several_segments_cut_after_sentences() -> None:
    line = "This is a sentence. " * 40
    limits = DocumentLimits(max_segment_characters=100)
    for text in (line, "word " * 100, "x" * 1000):
        segments = read_document("a.txt", text.encode(), limits).segments
        assert all(len(segment.text) <= 100 for segment in segments)
        assert translate("a.txt", text.encode(), limits=limits).decode() == text.upper()
    assert {segment.text.rstrip()[-1] for segment in read_document("a.txt", line.encode(), limits).segments} == {"."}
