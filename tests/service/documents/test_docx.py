"""Word documents: what is translated, and what stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from service.documents import DocumentLimits, read_document
from service.errors import MalformedDocument
from tests.support.documents import same, translate, upper
from tests.support.office_files import STRICT_WORD, WORD, body_of, canonical, docx, unzipped, word_xml, zipped

BOLD = "<w:rPr><w:b/></w:rPr>"
IMAGE = '<w:drawing><x:inline name="text of an image"/></w:drawing>'


def run(text: str, properties: str = "") -> str:
    return f'<w:r>{properties}<w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*content: str) -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="Normal"/></w:pPr>{"".join(content)}</w:p>'


def field(instruction: str, result: str) -> str:
    parts = [
        '<w:fldChar w:fldCharType="begin"/>',
        f"<w:instrText> {instruction} </w:instrText>",
        '<w:fldChar w:fldCharType="separate"/>',
        f"<w:t>{result}</w:t>",
        '<w:fldChar w:fldCharType="end"/>',
    ]
    return "".join(f"<w:r>{part}</w:r>" for part in parts)


def joined(body: str) -> str:
    """The body with runs of one format that follow each other as one."""
    return body.replace("</w:r><w:r>", "")


def texts(body: str) -> list[str]:
    return [segment.text for segment in read_document("a.docx", docx(body), DocumentLimits()).segments]


def written(body: str, translator: Callable[..., str] = upper) -> str:
    return body_of(translate("a.docx", docx(body), translator))


def test_a_sentence_is_one_text_whatever_its_formats() -> None:
    body = paragraph(run("This is "), run("very", BOLD), run(" good."))
    assert texts(body) == ['This is <span id="1">very</span> good.']
    assert written(body) == paragraph(run("THIS IS "), run("VERY", BOLD), run(" GOOD."))


def test_words_move_with_their_format() -> None:
    def swapped(text: str, *, is_html: bool) -> str:
        assert is_html
        return 'Gut &amp; <span id="1">sehr</span> ist es.'

    body = paragraph(run("This is "), run("very", BOLD), run(" good &amp; bad."))
    assert written(body, swapped) == paragraph(run("Gut &amp; "), run("sehr", BOLD), run(" ist es."))


@pytest.mark.parametrize(
    "other",
    [
        run("ond"),
        '<w:r w:rsidR="00A1"><w:t>ond</w:t></w:r>',
        '<w:proofErr w:type="spellStart"/><w:r><w:rPr><w:lang w:val="en-US"/></w:rPr><w:t>ond</w:t></w:r>',
        "<w:r><w:lastRenderedPageBreak/><w:t>ond</w:t></w:r>",
        "<w:r><w:rPr><w:noProof/></w:rPr><w:t>o</w:t><w:t>nd</w:t></w:r>",
    ],
    ids=["plain", "revision", "language", "page break", "two texts"],
)
def test_a_word_that_is_split_over_runs_is_one_word(other: str) -> None:
    body = paragraph(run("A sec"), other, run(" chance."))
    assert texts(body) == ["A second chance."]
    assert written(body) == paragraph(run("A SECOND CHANCE."))


@pytest.mark.parametrize(
    "content",
    [
        '<w:bookmarkStart w:id="0" w:name="text"/>',
        '<w:r><w:footnoteReference w:id="2"/></w:r>',
        '<w:r><w:commentReference w:id="2"/></w:r>',
        f"<w:r>{BOLD}{IMAGE}</w:r>",
        "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>",
        "<w:moveFrom><w:r><w:t>moved away</w:t></w:r></w:moveFrom>",
        "<x:oMath><x:t>a formula</x:t></x:oMath>",
        "<w:r><w:sym w:char='F0E0'/></w:r>",
        "<!-- a comment --><?target a processing instruction?>",
        '<w:fldSimple w:instr=" PAGE "><w:r><w:t>7</w:t></w:r></w:fldSimple>',
    ],
    ids=["bookmark", "footnote", "comment", "image", "deleted", "moved", "formula", "symbol", "xml comment", "field"],
)
@pytest.mark.parametrize("before", ["", "One word", "One word ", "A sentence. "])
@pytest.mark.parametrize("after", ["", "and two.", " and two.", ". "])
def test_what_is_no_text_keeps_its_position(content: str, before: str, after: str) -> None:
    body = paragraph(run(before) if before else "", content, run(after) if after else "")
    assert written(body, same) == body
    expected = paragraph(run(before.upper()) if before else "", content, run(after.upper()) if after else "")
    assert joined(written(body)) == joined(expected)


def test_a_note_follows_its_word() -> None:
    def reordered(text: str, *, is_html: bool) -> str:
        assert text == 'The <span id="1">car</span> is red.'
        return 'Rot ist das <span id="1">Auto</span>.'

    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    body = paragraph(run("The car"), note, run(" is red."))
    assert joined(written(body, reordered)) == joined(paragraph(run("Rot ist das Auto"), note, run(".")))


@pytest.mark.parametrize("answer", ["No tags.", 'A <span id="1">b', 'A <span id="7">b</span>', "</span>", "</a>"])
def test_lost_tags_lose_nothing(answer: str) -> None:
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    body = paragraph(run("The car"), note, run(" is "), run("very", BOLD), run(" red."))
    result = written(body, lambda text, is_html: answer)
    assert result.count("<w:footnoteReference") == 1
    assert "<span" not in result
    assert "</" not in result.replace("</w:", "")


@pytest.mark.parametrize(
    "separator", ["<w:r><w:tab/></w:r>", "<w:r><w:br/></w:r>", '<w:r><w:br w:type="page"/></w:r>', "<w:r><w:cr/></w:r>"]
)
def test_line_breaks_and_tabs_separate_texts(separator: str) -> None:
    body = paragraph(run("One line"), separator, run("another"))
    assert texts(body) == ["One line", "another"]
    assert joined(written(body)) == joined(paragraph(run("ONE LINE"), separator, run("ANOTHER")))


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ('<w:hyperlink r="rId1">', "</w:hyperlink>"),
        ('<w:ins w:id="1">', "</w:ins>"),
        ('<w:smartTag w:element="x"><w:smartTagPr><w:attr/></w:smartTagPr>', "</w:smartTag>"),
        ("<w:sdt><w:sdtPr><w:text/></w:sdtPr><w:sdtContent>", "</w:sdtContent></w:sdt>"),
        (
            '<w:r><w:fldChar w:fldCharType="begin"/><w:instrText>HYPERLINK "http://a.b"</w:instrText>'
            '<w:fldChar w:fldCharType="separate"/></w:r>',
            '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        ),
    ],
    ids=["hyperlink", "inserted", "smart tag", "content control", "link field"],
)
def test_containers_of_text_are_kept_and_their_text_translated(opening: str, closing: str) -> None:
    body = paragraph(run("See "), opening, run("this page", BOLD), closing, run(" now."))
    expected = paragraph(run("SEE "), opening, run("THIS PAGE", BOLD), closing, run(" NOW."))
    assert joined(written(body)) == joined(expected)
    assert written(body, same) == body


def test_a_link_with_a_line_break_is_kept() -> None:
    body = paragraph(run("See "), "<w:hyperlink>", run("a"), "<w:r><w:br/></w:r>", run("b"), "</w:hyperlink>", run("."))
    expected = body.replace("See", "SEE").replace(">a<", ">A<").replace(">b<", ">B<")
    assert joined(written(body)) == joined(expected)


def test_computed_fields_are_words_of_their_sentence() -> None:
    body = paragraph(run("This is page "), field("PAGE", "1"), run(" of it."))
    assert texts(body) == ['This is page <code id="1">1</code> of it.']
    expected = body.replace("This is page", "THIS IS PAGE").replace(" of it.", " OF IT.")
    assert joined(written(body)) == joined(expected)


def test_a_table_of_contents_is_translated() -> None:
    start = '<w:r><w:fldChar w:fldCharType="begin"/><w:instrText>TOC \\o</w:instrText></w:r>'
    middle = '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
    end = '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    body = paragraph(start, middle, run("First")) + paragraph(run("Second"), field("PAGEREF x", "7")) + paragraph(end)
    assert texts(body) == ["First", "Second"]


def test_code_is_not_translated() -> None:
    style = '<w:rPr><w:rStyle w:val="VerbatimChar"/></w:rPr>'
    body = paragraph(run("Use "), run("print", style), run(" here."))
    assert texts(body) == ['Use <code id="1">print</code> here.']
    assert written(body) == paragraph(run("USE "), run("print", style), run(" HERE."))
    assert texts(f'<w:p><w:pPr><w:pStyle w:val="SourceCode"/></w:pPr>{run("x = 1 or two")}</w:p>') == []


def test_text_boxes_in_paragraphs_are_translated() -> None:
    box = "<w:r><w:pict><x:textbox><w:txbxContent>{}</w:txbxContent></x:textbox></w:pict></w:r>"
    inner = paragraph(run("In "), run("the", BOLD), run(" box"))
    body = paragraph(run("Before"), box.format(inner), run(" after")) + paragraph(box.format(paragraph(run("Alone"))))
    upper_inner = paragraph(run("IN "), run("THE", BOLD), run(" BOX"))
    expected = paragraph(run("BEFORE"), box.format(upper_inner), run(" AFTER"))
    expected += paragraph(box.format(paragraph(run("ALONE"))))
    assert joined(written(body)) == joined(expected)
    only_inner = translate("a.docx", docx(body), lambda text, is_html: "X" if text == "Alone" else text)
    assert body_of(only_inner) == body.replace("Alone", "X")


def test_tables_and_nested_content_controls_are_translated() -> None:
    cell = f"<w:tc><w:tcPr/>{paragraph(run('A cell'))}</w:tc>"
    body = (
        f"<w:tbl><w:tr>{cell}{cell}</w:tr></w:tbl><w:sdt><w:sdtContent>{paragraph(run('Hello'))}</w:sdtContent></w:sdt>"
    )
    assert written(body) == body.replace("A cell", "A CELL").replace("Hello", "HELLO")


def test_all_parts_with_text_are_translated_and_all_others_copied() -> None:
    parts = dict.fromkeys(("header", "footer", "footnotes", "endnotes", "comments"), paragraph(run("Some words")))
    image = bytes(range(256)) * 9
    content = docx(
        paragraph(run("The body")), parts, {"word/media/image1.png": image, "docProps/core.xml": b"<t>x</t>"}
    )
    before, after = unzipped(content), unzipped(translate("a.docx", content))
    assert list(before) == list(after)
    for name in before:
        changed = name in {"word/document.xml", *(f"word/{part}.xml" for part in parts)}
        expected = before[name].replace(b"Some words", b"SOME WORDS").replace(b"The body", b"THE BODY")
        assert after[name] == (expected if changed else before[name])


def test_the_identity_gives_the_same_file() -> None:
    content = docx(paragraph(run("One "), run("two", BOLD)), {"header": paragraph(run("three"))})
    assert translate("a.docx", content, same) == content


def test_an_equal_translation_gives_the_same_xml() -> None:
    body = paragraph(run("One "), run("two", BOLD), f"<w:r>{IMAGE}</w:r>", run(" three.")) + paragraph(run("Four"))
    content = docx(body)
    changed = translate("a.docx", content, lambda text, is_html: text.replace("Four", "Five"))
    back = translate("a.docx", changed, lambda text, is_html: text.replace("Five", "Four"))
    assert canonical(unzipped(back)) == canonical(unzipped(content))


@pytest.mark.parametrize("namespace", [WORD, STRICT_WORD], ids=["transitional", "strict"])
@pytest.mark.parametrize("prefix", ["w", "ns0", ""], ids=["w", "ns0", "default"])
def test_prefixes_of_namespaces_do_not_matter(namespace: str, prefix: str) -> None:
    xml = word_xml(paragraph(run("Hello "), run("world", BOLD)), namespace=namespace)
    xml = xml.replace("xmlns:w", f"xmlns:{prefix}".rstrip(":")).replace("w:val", f"{prefix}:val".lstrip(":"))
    xml = xml.replace("<w:", f"<{prefix}:".replace("<:", "<")).replace("</w:", f"</{prefix}:".replace("/:", "/"))
    after = unzipped(translate("a.docx", docx(xml.encode())))["word/document.xml"].decode()
    assert after == xml.replace("Hello", "HELLO").replace("world", "WORLD")


@pytest.mark.parametrize(
    ("encoding", "declared"), [("utf-16", "UTF-16"), ("utf-8-sig", "UTF-8"), ("latin-1", "ISO-8859-1")]
)
def test_encodings_of_xml(encoding: str, declared: str) -> None:
    xml = word_xml(paragraph(run("Gr\u00fc\u00dfe"), f"<w:r>{IMAGE}</w:r>")).replace('"UTF-8"', f'"{declared}"')
    content = docx(xml.encode(encoding))
    translated = translate("a.docx", content, lambda text, is_html: "\u00c4 \u4f60")
    document = read_document("a.docx", translated, DocumentLimits())
    assert [segment.text for segment in document.segments] == ["\u00c4 \u4f60"]
    assert translate("a.docx", content, same) == content


def test_characters_that_xml_does_not_have_are_left_out() -> None:
    body = paragraph(run("Hello"))
    assert written(body, lambda text, is_html: "a\x00b\x0b&lt;c&gt;\ud800") == paragraph(run("ab&lt;c&gt;"))


def test_spaces_count_but_for_those_of_indented_xml() -> None:
    assert texts("<w:p><w:r><w:t>Hello </w:t></w:r>\n <w:r> <w:t>world</w:t></w:r></w:p>") == ["Hello world"]
    assert texts("<w:p>\n<w:r>\n <w:t>\n  Hello\n </w:t>\n</w:r>\n</w:p>") == ["Hello"]


def test_text_with_elements_in_it_is_kept_whole() -> None:
    body = paragraph(run("Hello "), "<w:r><w:t>a <x:o/> b</w:t></w:r>", run(" there"))
    assert joined(written(body)) == joined(body).replace("Hello", "HELLO").replace("there", "THERE")


def test_a_long_paragraph_becomes_several_segments() -> None:
    sentences = [run(f"This is sentence {index} &amp; more. ", BOLD if index % 3 else "") for index in range(60)]
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    body = paragraph("<w:hyperlink>", *sentences, note, run("x" * 500 + " end"), "</w:hyperlink>")
    limits = DocumentLimits(max_segment_characters=300)
    segments = read_document("a.docx", docx(body), limits).segments
    assert all(len(segment.text) <= 300 for segment in segments)
    result = body_of(translate("a.docx", docx(body), limits=limits))
    plain = result.replace(run("")[:40], "")
    assert result.count("<w:footnoteReference") == 1
    assert result.count("<w:hyperlink>") == 1
    assert "THIS IS SENTENCE 59 &amp; MORE. " in plain
    assert plain.count("X") == 500


def test_a_document_without_text_comes_back_as_it_was() -> None:
    for content in (docx(""), docx(paragraph(run("42 \u2013 43"))), docx("<w:p/>")):
        assert read_document("a.docx", content, DocumentLimits()).segments == []
        assert translate("a.docx", content) == content


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is no zip archive"),
        (b"plain text", "is no zip archive"),
        (zipped({"a.txt": "text"}), "has no list of content types"),
        (zipped({"[Content_Types].xml": "<Types/>"}), "is no Word document"),
        (zipped({"[Content_Types].xml": "<Types"}), r"\[Content_Types\].xml is damaged"),
        (zipped({"[Content_Types].xml": '<T ContentType="x.macroEnabled.main+xml"/>'}), "with macros"),
        (docx(b"<w:document"), "word/document.xml is damaged: .* in line 1"),
        (docx(b""), "word/document.xml is damaged"),
        (docx(b"\xff\xfe<"), "is damaged"),
        (docx(word_xml("").replace("UTF-8", "utf-7").encode()), "encoding"),
        (docx(word_xml("").encode("utf-16-le")), "byte order mark"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "encrypted or an old Office file"),
    ],
)
def test_what_is_no_word_document_is_refused(content: bytes, text: str) -> None:
    with pytest.raises(MalformedDocument, match=text):
        read_document("a.docx", content, DocumentLimits())
