"""What all formats have in common: choosing the format, limits, batches."""

from __future__ import annotations

import pytest

from service.documents import DocumentLimits, output_name, read_document, supported_formats
from service.errors import DocumentTooLarge, UnsupportedDocument

LIMITS = DocumentLimits()


@pytest.mark.parametrize("name", ["a.exe", "a", "", "a.txt.gz", ".txt", "txt", "folder.txt/a", "a.docm"])
def test_an_unknown_format_is_refused_with_the_formats_there_are(name: str) -> None:
    with pytest.raises(UnsupportedDocument) as caught:
        read_document(name, b"text", LIMITS)
    for suffix in supported_formats():
        assert suffix in str(caught.value)


@pytest.mark.parametrize("name", ["a.txt", "A.TXT", "../../a.txt", "C:\\a.b\\a.txt", "\u00e4 \u2014.x.txt"])
def test_the_suffix_decides(name: str) -> None:
    assert read_document(name, b"Good morning.", LIMITS).segments[0].text == "Good morning."


@pytest.mark.parametrize(
    ("name", "output"),
    [("a.txt", "a_de.txt"), ("../x/a.b.TXT", "a.b_de.TXT"), ("C:\\x\\letter.htm", "letter_de.htm")],
)
def test_the_output_is_named_after_file_and_language(name: str, output: str) -> None:
    assert output_name(name, "de", read_document(name, b"", LIMITS)) == output


def test_limits_are_named() -> None:
    with pytest.raises(DocumentTooLarge, match="has 11 bytes, the limit is 10"):
        read_document("a.txt", b"Good morn.\n", DocumentLimits(max_unpacked_bytes=10))
    with pytest.raises(DocumentTooLarge, match="more than 10 characters"):
        read_document("a.txt", b"Good morn.\n", DocumentLimits(max_characters=10))
    assert read_document("a.txt", b"Good morn.", DocumentLimits(max_characters=10)).characters == 10


def test_batches_hold_all_segments_in_order_within_the_limits() -> None:
    lines = [f"{number} lines are here." for number in range(50)]
    document = read_document("a.txt", "\n".join(lines).encode(), LIMITS)
    batches = list(document.batches(7, 100))
    assert [text for batch in batches for text in batch.texts] == lines
    assert [index for batch in batches for index in batch.indices] == list(range(50))
    assert all(len(batch.texts) <= 7 and sum(map(len, batch.texts)) <= 100 for batch in batches)
    assert [len(batch.texts) for batch in document.batches(7, 10_000)] == [7] * 7 + [1]
    assert list(read_document("a.txt", b"", LIMITS).batches(7, 100)) == []


def test_the_excerpt_is_the_start_of_the_text() -> None:
    document = read_document("a.txt", b"One line.\n\nTwo lines.", LIMITS)
    assert document.excerpt(100) == "One line.\nTwo lines."
    assert document.excerpt(11) == "One line.\nT"
