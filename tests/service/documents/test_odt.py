"""OpenDocument texts: what is translated, and what stays as it is."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from service.documents import DocumentLimits, read_document
from service.errors import MalformedDocument
from tests.support.documents import same, translate, upper
from tests.support.office_files import ODT_TYPE, body_of, canonical, odt, unzipped, zipped

NOTE = (
    '<text:note text:id="f1"><text:note-citation>1</text:note-citation>'
    "<text:note-body><text:p>{}</text:p></text:note-body></text:note>"
)


def bold(text: str) -> str:
    return f'<text:span text:style-name="T1">{text}</text:span>'


def paragraph(content: str) -> str:
    return f'<text:p text:style-name="P1">{content}</text:p>'


def texts(body: str) -> list[str]:
    return [segment.text for segment in read_document("a.odt", odt(body), DocumentLimits()).segments]


def written(body: str, translator: Callable[..., str] = upper) -> str:
    return body_of(translate("a.odt", odt(body), translator))


def test_a_sentence_is_one_text_whatever_its_formats() -> None:
    body = paragraph(f"This is {bold('very')} good &amp; bad.")
    assert texts(body) == ['This is <span id="1">very</span> good &amp; bad.']
    assert written(body) == paragraph(f"THIS IS {bold('VERY')} GOOD &amp; BAD.")


def test_formats_in_formats_are_kept() -> None:
    inner = '<text:span text:style-name="T2">b</text:span>'
    outer = f'<text:span text:style-name="T1">a {inner} c</text:span>'
    assert written(paragraph(f"It is {outer} here.")) == paragraph(
        'IT IS <text:span text:style-name="T1">A</text:span> '
        '<text:span text:style-name="T1"><text:span text:style-name="T2">B</text:span></text:span> '
        '<text:span text:style-name="T1">C</text:span> HERE.'
    )


def test_a_word_that_is_split_over_spans_is_one_word() -> None:
    body = paragraph(f"{bold('A')}{bold(' sec')}{bold('ond')} chance")
    assert texts(body) == ['A second <span id="1">chance</span>']


@pytest.mark.parametrize(
    "content",
    [
        '<text:bookmark-start text:name="b"/>',
        '<draw:frame xmlns:draw="urn:d"><draw:image/></draw:frame>',
        '<text:change-start text:change-id="c"/>',
        "<text:ruby><text:ruby-base>base</text:ruby-base></text:ruby>",
        "<!-- a comment -->",
    ],
    ids=["bookmark", "image", "change", "ruby", "comment"],
)
@pytest.mark.parametrize("before", ["", "One word", "One word ", "A sentence. "])
@pytest.mark.parametrize("after", ["", "and two.", " and two.", ". "])
def test_what_is_no_text_keeps_its_position(content: str, before: str, after: str) -> None:
    body = paragraph(before + content + after)
    assert written(body, same) == body
    assert written(body) == paragraph(before.upper() + content + after.upper())


def test_notes_are_translated_where_they_are() -> None:
    body = paragraph(f"The car{NOTE.format('A red one')} is new.")
    assert texts(body) == ["A red one", 'The <span id="1">car</span> is new.']
    assert written(body) == paragraph(f"THE CAR{NOTE.format('A RED ONE')} IS NEW.")


def test_links_are_kept_and_translated() -> None:
    link = '<text:a xlink:href="http://a.b" xmlns:xlink="urn:l">{}</text:a>'
    body = paragraph(f"See {link.format('this ' + bold('page'))} now.")
    assert texts(body) == ['See <a id="1">this <span id="2">page</span></a> now.']
    assert written(body) == paragraph(f"SEE {link.format('THIS ' + bold('PAGE'))} NOW.")


def test_fields_are_words_of_their_sentence() -> None:
    body = paragraph('This is page <text:page-number text:select-page="current">7</text:page-number> of it.')
    assert texts(body) == ['This is page <code id="1">7</code> of it.']
    assert written(body) == body.replace("This is page", "THIS IS PAGE").replace(" of it.", " OF IT.")


@pytest.mark.parametrize("separator", ["<text:tab/>", "<text:line-break/>"])
def test_line_breaks_and_tabs_separate_texts(separator: str) -> None:
    body = paragraph(f"One line{separator}another")
    assert texts(body) == ["One line", "another"]
    assert written(body) == paragraph(f"ONE LINE{separator}ANOTHER")


def test_white_space_is_as_opendocument_has_it() -> None:
    body = paragraph('<text:s text:c="2"/>Two<text:s/> \n words<text:s text:c="3"/>here')
    assert texts(body) == ["Two  words", "here"]
    assert written(body) == paragraph('<text:s text:c="2"/>TWO <text:s text:c="1"/>WORDS<text:s text:c="3"/>HERE')


def test_deleted_text_is_not_translated() -> None:
    deleted = "<text:tracked-changes><text:deletion><text:p>gone away</text:p></text:deletion></text:tracked-changes>"
    assert written(deleted + paragraph("Here")) == deleted + paragraph("HERE")


def test_code_is_not_translated() -> None:
    automatic = (
        '<style:style style:name="P7" style:family="paragraph" style:parent-style-name="Preformatted_20_Text"/>'
        '<style:style style:name="P8" style:family="paragraph" style:parent-style-name="Standard"/>'
    )
    code = '<text:p text:style-name="P7">some code</text:p>'
    inline = '<text:span text:style-name="Source_20_Text">print</text:span>'
    body = f'{code}<text:p text:style-name="P8">Use {inline} here.</text:p>'
    assert body_of(translate("a.odt", odt(body, automatic=automatic))) == body.replace("Use", "USE").replace(
        "here", "HERE"
    )


def test_headings_lists_tables_and_page_styles_are_translated() -> None:
    heading = '<text:h text:outline-level="1">A title</text:h>'
    items = "<text:list><text:list-item><text:p>An item</text:p></text:list-item></text:list>"
    cell = "<table:table-cell><text:p>A cell</text:p></table:table-cell>"
    table = f"<table:table><table:table-row>{cell}</table:table-row></table:table>"
    styles = "<office:master-styles><style:header><text:p>On each page</text:p></style:header></office:master-styles>"
    content = odt(heading + items + table, styles)
    after = unzipped(translate("a.odt", content))
    for name, before in unzipped(content).items():
        for text in (b"A title", b"An item", b"A cell", b"On each page"):
            before = before.replace(text, text.upper())
        assert after[name] == before


def test_the_mimetype_is_first_and_stored_and_other_files_are_copied() -> None:
    image = bytes(range(256)) * 9
    content = odt(paragraph("Hello"), others={"Pictures/a.png": image, "Basic/script.xml": b"<macro/>"})
    translated = translate("a.odt", content)
    with zipfile.ZipFile(io.BytesIO(translated)) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type, first.extra) == ("mimetype", zipfile.ZIP_STORED, b"")
        assert {member.date_time for member in archive.infolist()} == {(2024, 5, 17, 10, 30, 0)}
    assert translated[30:38] == b"mimetype"
    before, after = unzipped(content), unzipped(translated)
    assert list(before) == list(after)
    assert all(before[name] == after[name] for name in before if name != "content.xml")


def test_the_identity_gives_the_same_file_and_an_equal_translation_the_same_xml() -> None:
    content = odt(paragraph(f"One {bold('two')}{NOTE.format('Three')} four.") + paragraph("Four"))
    assert translate("a.odt", content, same) == content
    changed = translate("a.odt", content, lambda text, is_html: text.replace("four", "five"))
    assert changed != content
    back = translate("a.odt", changed, lambda text, is_html: text.replace("five", "four"))
    assert canonical(unzipped(back)) == canonical(unzipped(content))


def test_a_document_without_text_comes_back_as_it_was() -> None:
    for content in (odt(""), odt(paragraph("42")), odt("<text:p/>")):
        assert read_document("a.odt", content, DocumentLimits()).segments == []
        assert translate("a.odt", content) == content


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is no zip archive"),
        (zipped({"a.txt": "text"}), "is no OpenDocument text"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet"}), "is no OpenDocument text"),
        (zipped({"mimetype": ODT_TYPE}), "has no content.xml"),
        (zipped({"mimetype": ODT_TYPE, "content.xml": "<a"}), "content.xml is damaged"),
        (
            odt("", others={"META-INF/manifest.xml": b"<m><manifest:encryption-data/></m>"}),
            "is encrypted; remove the password",
        ),
    ],
)
def test_what_is_no_opendocument_text_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(MalformedDocument, match=text):
        read_document("a.odt", content, DocumentLimits())
