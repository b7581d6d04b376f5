"""Documents that attack: archives and XML that grow, names that lead out, damaged bytes."""

from __future__ import annotations

import codecs
import io
import re
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest

from service.documents import DocumentLimits, read_document
from service.documents.archive import Archive
from service.errors import DocumentTooLarge, InvalidRequest, MalformedDocument
from tests.support.documents import same, translate
from tests.support.office_files import docx, odt, unzipped, word_xml, zipped
from tests.support.timing import assert_takes_less

LIMITS = DocumentLimits(max_unpacked_bytes=100_000, max_members=50, max_characters=10_000)
PARAGRAPH = "<w:p><w:r><w:t>Hello</w:t></w:r></w:p>"


@pytest.mark.parametrize("member", ["word/document.xml", "word/media/a.png", "word/embeddings/nested.zip"])
def test_an_archive_that_grows_is_refused(member: str) -> None:
    with pytest.raises(DocumentTooLarge, match="larger than 100000 bytes when unpacked, the limit; send it in parts"):
        read_document("a.docx", docx(PARAGRAPH, others={member: bytes(200_000)}), LIMITS)


def test_an_archive_that_grows_more_than_it_says_is_refused() -> None:
    content = docx(PARAGRAPH, others={"a.bin": bytes(200_000)})
    lying = content.replace(struct.pack("<L", 200_000), struct.pack("<L", 200))
    assert lying != content
    with pytest.raises(InvalidRequest):
        read_document("a.docx", lying, LIMITS)


def test_an_archive_that_grows_more_than_documents_do_is_refused() -> None:
    with pytest.raises(DocumentTooLarge, match="more than 200 times as large when unpacked"):
        read_document("a.docx", docx(PARAGRAPH, others={"a.bin": bytes(5_000_000)}), DocumentLimits())
    assert read_document("a.docx", docx(PARAGRAPH, others={"a.bin": bytes(4_000_000)}), DocumentLimits()).segments


def test_many_elements_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.documents.document._MAX_ELEMENTS", 1_000)
    with pytest.raises(DocumentTooLarge, match="more than 1000 elements of XML"):
        read_document("a.docx", docx("<w:p/>" * 1_000), LIMITS)


MANY = {
    "entities": ("a.html", b"&a" * 500_001, "more than 500000 entities"),
    "tags": ("a.html", b"<b title=x>" * 250_001, "more than 250000 tags"),
    "lines": ("a.txt", b"a\n\n" * 50_001, "more than 50000 paragraphs and other texts"),
    "captions": ("a.srt", b"00:01,0 --> 00:02,0\na\n\n" * 50_001, "more than 50000 paragraphs and other texts"),
}


@pytest.mark.parametrize("kind", MANY)
def test_many_small_parts_are_refused(kind: str) -> None:
    name, content, error = MANY[kind]
    with pytest.raises(DocumentTooLarge, match=error):
        read_document(name, content, DocumentLimits())


def test_a_long_list_of_content_types_is_refused() -> None:
    content = zipped({"[Content_Types].xml": "<T>" + "<O/>" * 300_000 + "</T>"})
    with pytest.raises(DocumentTooLarge, match="list of content types of more than 1048576 bytes"):
        read_document("a.docx", content, DocumentLimits())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", b"\n" * 1_001),
        ("a.po", b"#\n" * 501),
    ],
)
def test_files_with_much_beside_their_text_are_refused(name: str, content: bytes) -> None:
    with pytest.raises(DocumentTooLarge, match="the limit is 1000 for a file of which at most 100 are translated"):
        read_document(name, content, DocumentLimits(max_characters=100))


def test_many_members_are_refused() -> None:
    with pytest.raises(DocumentTooLarge, match="holds more than 50 files, the limit"):
        read_document("a.docx", docx(PARAGRAPH, others={f"{number}.xml": b"" for number in range(61)}), LIMITS)


def test_archives_in_archives_are_copied_and_not_opened() -> None:
    nested = zipped({"../../evil": b"x"})
    content = docx(PARAGRAPH, others={"word/embeddings/table.xlsx": nested})
    assert unzipped(translate("a.docx", content))["word/embeddings/table.xlsx"] == nested


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "C:evil", "..\\evil", "a\\b"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(MalformedDocument, match="name leads out of the document"):
        read_document("a.docx", docx(PARAGRAPH, others={name: b"x"}), LIMITS)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused() -> None:
    content = docx(PARAGRAPH, others={"word/document.xmx": b"x"})
    with pytest.raises(MalformedDocument, match="two files of one name"):
        read_document("a.docx", content.replace(b"word/document.xmx", b"word/document.xml"), LIMITS)


def test_encrypted_members_are_refused() -> None:
    content = bytearray(docx(PARAGRAPH))
    position = content.index(b"PK\x01\x02")
    content[position + 8] |= 1
    with pytest.raises(MalformedDocument, match="is encrypted; remove the password"):
        read_document("a.docx", bytes(content), LIMITS)


def test_other_methods_of_compression_are_refused() -> None:
    content = zipped({"[Content_Types].xml": "x", "b": bytes(100)}, method=zipfile.ZIP_LZMA)
    with pytest.raises(MalformedDocument, match="compressed in a way"):
        read_document("a.docx", content, LIMITS)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">',
        '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1/b"> %b;]>',
    ],
    ids=["expanding", "file", "external type", "parameter"],
)
def test_document_type_declarations_are_refused(declaration: str) -> None:
    xml = word_xml(PARAGRAPH).replace("<w:document", f"{declaration}<w:document", 1)
    with pytest.raises(MalformedDocument, match=r"word/document.xml has a document type declaration; remove it"):
        read_document("a.docx", docx(xml.encode()), LIMITS)


@pytest.mark.parametrize("element", ["w:p", "w:r", "w:hyperlink", "w:tbl", "w:t", "x:a", "w:del"])
def test_deep_nesting_is_refused(element: str) -> None:
    with pytest.raises(MalformedDocument, match="deeper than 256"):
        read_document("a.docx", docx(f"<{element}>" * 300 + f"</{element}>" * 300), LIMITS)
    shallow = f"<{element}>" * 200 + f"</{element}>" * 200
    result = unzipped(translate("a.docx", docx(shallow + PARAGRAPH)))["word/document.xml"].decode()
    assert result.count("HELLO") == 1
    assert result.count(f"<{element}>") >= 200


def test_paragraphs_in_paragraphs_are_translated_once_each() -> None:
    box = "<w:p><w:r><w:t>Hello</w:t><x:box>{}</x:box></w:r></w:p>"
    body = ""
    for _ in range(60):
        body = box.format(body)
    document = read_document("a.docx", docx(body), LIMITS)
    assert len(document.segments) == 60
    assert translate("a.docx", docx(body)).count(b"PK\x01\x02") == 3
    assert unzipped(translate("a.docx", docx(body)))["word/document.xml"].count(b">HELLO<") == 60


def test_characters_are_counted_before_translation() -> None:
    with pytest.raises(
        DocumentTooLarge, match=r"more than 10000 characters, the limit \(LECTERN_MAX_FILE_CHARACTERS\)"
    ):
        read_document("a.docx", docx(PARAGRAPH * 2_001), LIMITS)
    assert read_document("a.docx", docx(PARAGRAPH * 2_000), LIMITS).characters == 10_000


@pytest.mark.parametrize("name", ["a.docx", "a.odt"])
def test_damaged_bytes_are_one_clear_error(name: str) -> None:
    content = docx(PARAGRAPH) if name == "a.docx" else odt("<text:p>Hello</text:p>")
    for position in range(0, len(content), 7):
        for damaged in (content[:position], content[:position] + b"\xff" + content[position + 1 :]):
            with suppress(
                InvalidRequest
            ):  # Any other error fails the test; and where the byte says nothing, all is well.
                translate(name, damaged, limits=LIMITS)


HUGE = {
    "attribute": '<w:p a="{}"><w:r><w:t>Hello</w:t></w:r></w:p>'.format("x" * 1_000_000),
    "attributes": "<w:p {}/>".format(" ".join(f'a{number}="x"' for number in range(256))),
    "empty runs": "<w:p>" + "<w:r/>" * 20_000 + "<w:r><w:t>Hello</w:t></w:r></w:p>",
    "formats": "<w:p>"
    + "".join(f'<w:r><w:rPr><w:sz w:val="{number}"/></w:rPr><w:t>a </w:t></w:r>' for number in range(2_000))
    + "</w:p>",
    "links": "<w:p>" + "<w:hyperlink><w:r><w:t>a </w:t></w:r></w:hyperlink>" * 2_000 + "</w:p>",
    "tabs": "<w:p><w:r>" + "<w:t>a</w:t><w:tab/>" * 5_000 + "</w:r></w:p>",
    "notes": "<w:p>" + "<w:r><w:t>a</w:t><x:note/></w:r>" * 5_000 + "</w:p>",
    "entities": "<w:p><w:r><w:t>" + "&amp;" * 100_000 + "a</w:t></w:r></w:p>",
}


@pytest.mark.parametrize("kind", HUGE)
def test_documents_with_much_of_a_kind_are_translated(kind: str) -> None:
    result = unzipped(translate("a.docx", docx(HUGE[kind]), limits=DocumentLimits(max_unpacked_bytes=2**24)))
    expected = HUGE[kind].replace(">a", ">A").replace(";a", ";A").replace("Hello", "HELLO")
    assert len(_without_tags(result["word/document.xml"])) == len(_without_tags(word_xml(expected).encode()))


LONG = {
    "word": ("a.docx", docx("<w:p><w:r><w:t>{} y</w:t><x:o/></w:r></w:p>".format("x" * 300_000))),
    "style": ("a.docx", docx("<w:p><w:pPr><w:pStyle w:val='{}!'/></w:pPr></w:p>".format("Verbatim" * 60_000))),
    "full stops": ("a.txt", b"." * 300_000 + b" a"),
    "lines": ("a.txt", (b"word " * 30_000 + b"\n") * 2 + b"end"),
    "brackets": ("a.html", b"a < " * 60_000),
    "quote marks": ("a.txt", b"> " * 100_000 + b"a"),
    "marks": ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\n" + b"!a\n" * 30_000),
}
"""What takes the square of its length if it is read carelessly; then this test does not end."""


@pytest.mark.parametrize("kind", LONG)
def test_long_documents_are_read_and_come_back(kind: str) -> None:
    name, content = LONG[kind]
    assert translate(name, content, same) == content
    assert len(translate(name, content)) > 100


def _paragraph(inside: str) -> bytes:
    return docx(f"<w:p>{inside}</w:p>")


def _caption(text: str) -> bytes:
    return f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{text}\n".encode()


def _catalog(header: str, message: str = "Hello", flags: str = "") -> bytes:
    return f'msgid ""\nmsgstr ""\n"{header}\\n"\n\n{flags}msgid "{message}"\nmsgstr ""\n'.encode()


_FIELD = (
    '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>{}</w:instrText></w:r>'
    '<w:r><w:fldChar w:fldCharType="separate"/></w:r>{}'
)
_RUN = "<w:r>{}<w:t>a</w:t></w:r>"
_UTF16_SPACES = codecs.BOM_UTF16_LE + (" " * 60_000 + "<a/>").encode("utf-16-le")


def _in_span(inside: str) -> bytes:
    return odt("<text:p><text:span>" + "<text:a>" * 240 + inside + "</text:a>" * 240 + "</text:span></text:p>")


def _in_links(inside: str) -> bytes:
    return _paragraph("<w:hyperlink>" * 240 + inside + "</w:hyperlink>" * 240)


BACKTRACKING: dict[str, Callable[[], tuple[str, bytes]]] = {
    "indentation": lambda: ("a.docx", _paragraph("<w:r><w:t>x" + "\n" * 20_000 + "x</w:t></w:r>")),
    "indentation before": lambda: ("a.docx", _paragraph("<w:r><w:t>" + " \n" * 20_000 + "x</w:t></w:r>")),
    "spaces before the declaration": lambda: ("a.docx", docx(_UTF16_SPACES)),
    "paragraph style": lambda: ("a.docx", _paragraph(f"<w:pPr><!--{'<pStyle ' * 12_500}--></w:pPr>{PARAGRAPH}")),
    "run style": lambda: ("a.docx", _paragraph(_RUN.format(f"<w:rPr><!--{'<rStyle ' * 7_000}--></w:rPr>"))),
    "values": lambda: ("a.docx", _paragraph(_RUN.format(f"<w:rPr><!--<rStyle {'val=' * 14_000}--></w:rPr>"))),
    "languages": lambda: ("a.docx", _paragraph(_RUN.format(f"<w:rPr><!--{'<lang ' * 9_000}--></w:rPr>"))),
    "revisions": lambda: ("a.docx", _paragraph(_RUN.format(f"<w:rPr><!--{' rsid' * 9_000}--></w:rPr>"))),
    "properties": lambda: ("a.docx", _paragraph(_RUN.format(f"<w:rPr><!--<rPr>{' ' * 50_000}--></w:rPr>"))),
    "tabs in links": lambda: ("a.docx", _in_links("<w:r><w:t>a</w:t><w:tab/></w:r>" * 8_000)),
    "runs in links": lambda: ("a.docx", _in_links("<w:r><w:t>a</w:t></w:r>" * 10_000)),
    "links in a span": lambda: (
        "a.odt",
        _in_span("<text:bookmark/>a" * 8_000),
    ),
    "instruction": lambda: ("a.docx", _paragraph(_FIELD.format(" " * 200_000, _RUN.format("") * 8_000))),
    "style of a span": lambda: (
        "a.odt",
        odt(f'<text:p><text:span text:class-names="{"a:style-name=" * 4_500}">a</text:span></text:p>'),
    ),
    "charset": lambda: ("a.html", b"<meta" * 270 + b" charset=" + b" " * 2_730),
    "charsets": lambda: ("a.html", b"<meta" * 400 + b" charset  =  " * 160),
    "encoding": lambda: ("a.html", b"<?xml" + b" encoding  =  " * 290),
    "sentence end": lambda: ("a.docx", _paragraph("<w:r><w:t>" + ".')" * 60_000 + "x</w:t><x:o/></w:r>")),
    "spaces after a sentence": lambda: ("a.docx", _paragraph("<w:r><w:t>." + " " * 90_000 + "x</w:t><x:o/></w:r>")),
    "open tags": lambda: ("a.vtt", _caption("a <" * 20_000)),
    "tags after a sentence": lambda: ("a.vtt", _caption("." + "<b> <b>" * 30_000 + "x\ny")),
    "braces": lambda: ("a.vtt", _caption("{" * 100_000 + "x")),
    "spaces of a caption": lambda: ("a.srt", b"1" + b" " * 200_000 + b"x\n" + b"1" * 200_000 + b":x"),
    "quote marks": lambda: ("a.txt", b" " * 100_000 + b"> " * 100_000 + b"a"),
    "charset of a catalog": lambda: ("a.po", _catalog("Content-Type: " + "charset= " * 4_000)),
    "plural forms": lambda: (
        "a.po",
        _catalog("Plural-Forms: " + "nplurals = " * 4_000) + b'\nmsgid "A"\nmsgid_plural "B"\nmsgstr[0] ""\n' * 500,
    ),
    "flags": lambda: ("a.po", _catalog("X: y", flags="#, " + "a-" * 20_000 + "\n")),
    "zeros": lambda: ("a.po", _catalog("X: y", "a %" + "0" * 40_000, flags="#, c-format\n")),
    "keyword": lambda: ("a.po", _catalog("X: y") + b"msg" + b"a" * 200_000),
    "entities": lambda: ("a.vtt", _caption("&#" * 100_000)),
}
"""What takes the square or the cube: patterns that try every way to match, elements that look at all around them."""


@pytest.mark.parametrize("kind", BACKTRACKING)
def test_no_step_takes_the_square_of_a_length(kind: str) -> None:
    name, content = BACKTRACKING[kind]()

    def read() -> None:
        with suppress(InvalidRequest):
            translate(name, content)

    assert_takes_less(read, 1)


@pytest.mark.parametrize("reference", [f"&#{'9' * 5_000};", f"&#{'9' * 5_000}", f"&#x{'f' * 5_000};"], ids=len)
def test_references_to_no_character_stay(reference: str) -> None:
    page = f'<p title="Hello {reference}">Hello {reference}</p>'.encode()
    assert translate("a.html", page, same) == page
    caption = _caption(f"Hello {reference}")
    assert translate("a.vtt", caption, same) == caption


@pytest.mark.parametrize("encoding", ["idna", "punycode", "rot13", "unicode_escape", "utf-7", "undefined", "cp037"])
def test_encodings_that_are_none_of_text_are_refused(encoding: str) -> None:
    header = f"Content-Type: text/plain; charset={encoding}"
    with pytest.raises(MalformedDocument, match=f"declares the encoding {encoding}, which is not read; save it as UTF"):
        read_document("a.po", _catalog(header), LIMITS)
    with pytest.raises(MalformedDocument, match=f"declares the encoding {encoding}, which is not read; save it as UTF"):
        read_document("a.html", f"<meta charset={encoding}><p>Hello".encode(), LIMITS)


def _numbered(template: str, number: int) -> str:
    return " ".join(template.format(index) for index in range(number))


_LONG_URI, _LONG_NAME = "u" * 400_000, "a" * 1_025
_EMPTY, _PREFIXED, _BRACKET = "a{}=''", "q:a{}=''", "a{}='>'"
_DECLARED_A, _DECLARED_B = "xmlns:a{}='u'", "xmlns:b{}='u'"
NAMES = {
    "namespace": (f"<x:a xmlns:q='{_LONG_URI}'/>", "a namespace of more than 1024 characters"),
    "prefixed attributes": (f"<x:a xmlns:q='{_LONG_URI}' {_numbered(_PREFIXED, 5_000)}/>", "more than 256 attributes"),
    "attributes": (f"<x:a {_numbered(_EMPTY, 257)}/>", "an element with more than 256 attributes"),
    "attributes with brackets": (f"<x:a {_numbered(_BRACKET, 9_000)}/>", "more than 256 attributes"),
    "element": (f"<{_LONG_NAME}/>", "a name of more than 1024 characters"),
    "attribute": (f"<a {_LONG_NAME}=''/>", "a name of more than 1024 characters"),
    "namespaces": (
        f"<a {_numbered(_DECLARED_A, 200)}><a {_numbered(_DECLARED_B, 200)}/></a>",
        "more than 256 namespaces at one place",
    ),
}


@pytest.mark.parametrize("kind", NAMES)
def test_long_names_and_many_attributes_are_refused(kind: str) -> None:
    body, error = NAMES[kind]
    with pytest.raises(DocumentTooLarge, match=f"word/document.xml has .*{error}"):
        read_document("a.docx", docx(body), DocumentLimits())


def test_long_values_of_attributes_are_kept() -> None:
    picture, path = "x" * 300_000, "'" * 1_000
    body = f'<x:a a="{picture}" b="&lt;{path}"/>'
    assert body.encode() in unzipped(translate("a.docx", docx(body + PARAGRAPH)))["word/document.xml"]


def test_prefixes_are_those_of_the_scope() -> None:
    word = 'xmlns:y="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    paragraph = PARAGRAPH.replace("w:", "y:")
    default = PARAGRAPH.replace("w:", "").replace("<p>", f"<p {word.replace(':y', '', 1)}>")
    body = f'<x:a {word}>{paragraph}<x:a xmlns:y="urn:y">{paragraph}</x:a>{paragraph}</x:a>{default}<p/>'
    assert len(read_document("a.docx", docx(body), LIMITS).segments) == 3
    with pytest.raises(MalformedDocument, match=r"word/document.xml is damaged: the prefix z is not declared"):
        read_document("a.docx", docx("<z:a/>"), LIMITS)


def _span(inside: str, size: int = 60_000) -> bytes:
    return odt(f"<text:p><text:span a='{'x' * size}'>{inside}</text:span></text:p>")


def _language(size: int, number: int) -> bytes:
    """A Word document in which the first of so many runs of one format has a long language."""
    first = _RUN.format(f"<w:rPr><w:lang w:val='{'x' * size}'/></w:rPr>")
    other = "<w:r><w:rPr><w:b/></w:rPr><w:t> b </w:t></w:r>"
    return _paragraph(first + (other + _RUN.format("")) * number)


_ALL_FORMATS = "formats of more than 134217728 bytes for all its words"
_SPANS = "".join(f"<text:span b='{number}'>a</text:span>" for number in range(3_000))
FORMATS = {
    "properties of a run": ("a.docx", _language(70_000, 1), "a format of more than 65536 bytes"),
    "attributes of a span": ("a.odt", _span("a", 70_000), "a format of more than 65536 bytes"),
    "spans in spans": ("a.odt", _span(_SPANS), _ALL_FORMATS),
    "equal spans in spans": ("a.odt", _span("<text:span>a</text:span>" * 3_000), _ALL_FORMATS),
    "runs that take the format of the first": ("a.docx", _language(60_000, 3_000), _ALL_FORMATS),
    "links in a span": ("a.odt", _span("<text:a>a</text:a>" * 3_000), _ALL_FORMATS),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_formats_that_would_be_multiplied_are_refused(kind: str) -> None:
    name, content, error = FORMATS[kind]
    with pytest.raises(DocumentTooLarge, match=error):
        read_document(name, content, DocumentLimits())


def test_the_translated_document_is_no_larger_than_the_limit() -> None:
    content = _language(20_000, 5)
    assert len(unzipped(translate("a.docx", content))["word/document.xml"]) > 120_000
    with pytest.raises(DocumentTooLarge, match="becomes larger than 100000 bytes, the limit"):
        translate("a.docx", content, limits=LIMITS)


def _with_extra_fields(extra: bytes, comment: bytes = b"") -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.comment = comment
        for number in range(20):
            info = zipfile.ZipInfo(f"{number}.xml", (2024, 5, 17, 10, 30, 0))
            info.extra = extra
            archive.writestr(info, b"")
    return output.getvalue()


@pytest.mark.parametrize("comment", [b"", b"PK", bytes(2)], ids=["none", "text", "zeros"])
def test_many_extra_fields_are_refused(comment: bytes) -> None:
    with pytest.raises(DocumentTooLarge, match="extra fields of more than 1024 bytes"):
        read_document("a.docx", _with_extra_fields(b"\x99\x99\0\0" * 10_000, comment), DocumentLimits())
    assert len(Archive(_with_extra_fields(b"\x99\x99\0\0" * 10, comment), DocumentLimits()).names) == 20


def test_a_long_list_of_files_is_refused() -> None:
    content = zipped({"x" * 30_000 + str(number): b"" for number in range(40)}, method=zipfile.ZIP_STORED)
    with pytest.raises(DocumentTooLarge, match="a list of files of more than 1048576 bytes"):
        read_document("a.docx", content, DocumentLimits())


def test_line_breaks_and_entities_in_xml_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.documents.document._MAX_PIECES", 1_000)
    for text in ("\n" * 1_001, "&amp;" * 1_001):
        with pytest.raises(DocumentTooLarge, match="more than 1000 line breaks and entities in XML"):
            read_document("a.docx", docx(f"<x:a>{text}</x:a>"), LIMITS)


def test_fields_in_fields_are_limited() -> None:
    begin = '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
    with pytest.raises(MalformedDocument, match="fields in each other"):
        read_document("a.docx", docx(f"<w:p>{begin * 30}</w:p>"), LIMITS)
    unclosed = f"<w:p>{begin}<w:r><w:t>Page</w:t></w:r></w:p>{PARAGRAPH}"
    assert [segment.text for segment in read_document("a.docx", docx(unclosed), LIMITS).segments] == ["Hello"]
    assert b">HELLO<" in unzipped(translate("a.docx", docx(unclosed)))["word/document.xml"]


def _without_tags(xml: bytes) -> bytes:
    return re.sub(rb"<[^>]*>", b"", xml)
