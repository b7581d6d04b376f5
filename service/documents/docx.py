"""Word documents (.docx): Office Open XML, ECMA-376 part 1, section 17 (WordprocessingML).

Translated is the text of paragraphs in the body, in headers, footers, footnotes, endnotes, comments and text boxes.
Deleted text, instructions and results of fields are not, but for hyperlinks and tables of contents.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from urllib.parse import unquote

from service.documents.archive import Archive
from service.documents.document import Document, DocumentLimits, SegmentCollector
from service.documents.items import Item, ItemKind
from service.documents.xml_events import XmlVisitor, read_events
from service.documents.xml_grammar import Grammar, Role
from service.documents.xml_paragraphs import XmlPart
from service.documents.zipped_xml import ZippedXml
from service.errors import DocumentTooLarge, MalformedDocument

_CONTENT_TYPES = "[Content_Types].xml"
_MAX_CONTENT_TYPES = 2**20
_PART_TYPE = re.compile(
    r"application/vnd\.openxmlformats-officedocument\.wordprocessingml\."
    r"(?:document\.main|template\.main|header|footer|footnotes|endnotes|comments)\+xml"
)
_MAIN_TYPE = "wordprocessingml.document.main+xml"

_XML_SPACE = "xml:space"
_PREFIXES = {
    "http://www.w3.org/XML/1998/namespace": "xml",
    "http://schemas.openxmlformats.org/package/2006/content-types": "ct",
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main": "w",
    "http://purl.oclc.org/ooxml/wordprocessingml/main": "w",
}
_ROLES = {
    "w:p": Role.PARAGRAPH,
    "w:r": Role.FORMAT,
    "w:t": Role.TEXT,
    "w:tab": Role.BREAK,
    "w:ptab": Role.BREAK,
    "w:br": Role.BREAK,
    "w:cr": Role.BREAK,
    "w:noBreakHyphen": Role.CHARACTERS,
    "w:softHyphen": Role.IGNORED,
    "w:proofErr": Role.IGNORED,
    "w:lastRenderedPageBreak": Role.IGNORED,
    "w:del": Role.SKIPPED,
    "w:moveFrom": Role.SKIPPED,
    **dict.fromkeys(("w:pPr", "w:rPr", "w:sdtPr", "w:sdtEndPr", "w:smartTagPr", "w:customXmlPr"), Role.PROPERTIES),
    **dict.fromkeys(("w:hyperlink", "w:ins", "w:moveTo", "w:smartTag", "w:customXml"), Role.CONTAINER),
    **dict.fromkeys(("w:sdt", "w:sdtContent", "w:dir", "w:bdo"), Role.CONTAINER),
}
_IN_RUNS = frozenset((Role.TEXT, Role.BREAK, Role.CHARACTERS, Role.IGNORED, Role.PROPERTIES, Role.SKIPPED))
_BESIDE_RUNS = frozenset((Role.FORMAT, Role.IGNORED, Role.PROPERTIES, Role.CONTAINER, Role.SKIPPED))
_FIELD = "w:fldChar"
_LINK_FIELD = re.compile(rb"\s*+(?:HYPERLINK|TOC)\b", re.IGNORECASE)
"""Instructions of fields whose result is text of the document, not computed."""
_MAX_FIELDS, _MAX_KIND = 20, 100
"""Fields in each other, as in Word; bytes of an instruction that are read."""
_WORDS = (ItemKind.TEXT, ItemKind.CODE, ItemKind.BREAK)
_SAME_FORMAT = re.compile(
    rb"\s(?:\w++:)?rsid\w*+=(?:\"[^\"]*+\"|'[^']*+')|<(?:\w++:)?(?:lang|noProof|proofErr)\b[^>]*+>|<(?:\w++:)?rPr\s*+/>"
    rb"|(?<=rFonts)\s(?:\w++:)?hint=\"[^\"]*+\""
)
"""Properties by which words of one sentence differ although they look the same."""
_EMPTY_PROPERTIES = re.compile(rb"<((?:\w++:)?rPr)>\s*+</\1>")
_STYLE_NAME = re.compile(rb"<(?:\w+:)?[pr]Style\s[^<>]*?val=[\"']([^\"'<>]{1,100})[\"']")
_CODE_STYLE = re.compile(rb"\w*Code|Code\w*|HTMLCode\w*|\w*Verbatim\w*|\w*Preformatted\w*", re.IGNORECASE)
"""Names of the styles that Word, pandoc and others give to code."""
_TAGS = re.compile(rb"<[^>]*>")


class _WordGrammar(Grammar):
    prefixes = _PREFIXES
    has_text_elements = True

    def __init__(self) -> None:
        self._fields: list[_Field] = []
        """The fields that are open; they may span paragraphs."""

    def role(self, name: str, attributes: Mapping[str, str], parent: Role) -> Role:
        if name == "w:fldSimple":
            is_link = _LINK_FIELD.match(attributes.get("w:instr", "").encode())
            return Role.CONTAINER if is_link else Role.SKIPPED
        role = _ROLES.get(name, Role.OBJECT)
        if role is Role.PARAGRAPH:
            return role
        allowed = _IN_RUNS if parent is Role.FORMAT else _BESIDE_RUNS
        return role if role in allowed else Role.OBJECT

    def characters(self, name: str, attributes: Mapping[str, str]) -> str:
        return "\u2011"

    def write_text(self, text: str, tag: str, *, at_start: bool) -> str:
        name = f"{tag.removesuffix('r')}t"
        return f'<{name} xml:space="preserve">{escape(text, quote=False)}</{name}>'

    def style_key(self, markup: bytes) -> bytes:
        return _EMPTY_PROPERTIES.sub(b"", _SAME_FORMAT.sub(b"", markup))

    def detail(self, name: str, attributes: Mapping[str, str]) -> str:
        if name == "w:t":
            return attributes.get(_XML_SPACE, "")
        return attributes.get("w:fldCharType", "") if name == _FIELD else ""

    def read_text(self, text: str, detail: str) -> str:
        """Text as Word reads it; its spaces count even where `xml:space` was forgotten, which Word ignores."""
        return text if detail == "preserve" else _without_indentation(text)

    def is_code(self, markup: bytes) -> bool:
        return any(map(_CODE_STYLE.fullmatch, _STYLE_NAME.findall(markup)))

    def finish(self, items: list[Item], content: bytes) -> list[Item]:
        """The items, with the instructions of fields and the results that are computed as objects."""
        if not self._fields and not any(item.name == _FIELD for item in items):
            return items
        result: list[Item] = []
        begin: int | None = None
        for item in items:
            if item.name == _FIELD and item.detail == "begin":
                begin = len(result) if not self._fields else begin
                self._begin_field()
            elif item.name == _FIELD and item.detail == "separate" and self._fields:
                self._fields[-1].has_result = True
            elif item.name == "w:instrText" and self._fields:
                self._fields[-1].add_instruction(_TAGS.sub(b"", content[item.start : item.stop]))
            is_opaque = any(field.is_opaque for field in self._fields)
            result.append(replace(item, kind=ItemKind.OBJECT) if is_opaque and item.kind in _WORDS else item)
            if item.name == _FIELD and item.detail == "end" and self._fields:
                self._fields.pop()
                if begin is not None and not self._fields:
                    result[begin:] = _joined(result[begin:])
                    begin = None
        for field in self._fields:
            # Its result is paragraphs, such as a list of references; or its end is missing.
            field.is_in_paragraph = False
        return result

    def _begin_field(self) -> None:
        if len(self._fields) == _MAX_FIELDS:
            raise MalformedDocument(f"has fields in each other deeper than {_MAX_FIELDS}; save it again")
        self._fields.append(_Field())


def _without_indentation(text: str) -> str:
    """Text without the spaces at its start and end among which there is a line break."""
    start = len(text) - len(text.lstrip())
    text = text[start:] if "\n" in text[:start] else text
    stop = len(text.rstrip())
    return text[:stop] if "\n" in text[stop:] else text


def _joined(field: list[Item]) -> list[Item]:
    """A field as one item: a word that is not translated, if it has a result; as it is if there are words in it."""
    if any(item.kind is not ItemKind.OBJECT for item in field):
        return field
    result = "".join(item.text for item in field)
    kind = ItemKind.CODE if result.strip() else ItemKind.OBJECT
    return [Item(kind, text=result, children=tuple(field))]


class _Field:
    """A field between its `w:fldChar` elements."""

    def __init__(self) -> None:
        self._instruction = b""
        self.has_result = False
        self.is_in_paragraph = True

    @property
    def is_opaque(self) -> bool:
        """Whether what comes next in it is no text of the document."""
        return self.is_in_paragraph and not (self.has_result and _LINK_FIELD.match(self._instruction))

    def add_instruction(self, part: bytes) -> None:
        """A part of the instruction, which starts with the kind of the field."""
        if len(self._instruction) < _MAX_KIND:
            self._instruction = (self._instruction + part).lstrip()[:_MAX_KIND]


class _ContentTypes(XmlVisitor):
    """Collects the names of the parts that are translated from the list of content types."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.has_main = False
        self.has_macros = False

    def start(self, name: str, attributes: Mapping[str, str], start: int, stop: int) -> None:
        kind = attributes.get("ContentType", "")
        self.has_macros |= "macroEnabled" in kind or "vbaProject" in kind
        if name == "ct:Override" and _PART_TYPE.fullmatch(kind):
            self.has_main |= kind.endswith(_MAIN_TYPE)
            self.parts.append(unquote(attributes.get("PartName", "")).removeprefix("/"))


def read_docx(content: bytes, limits: DocumentLimits) -> Document:
    """Read a Word document.

    Raises:
        MalformedDocument: it is none, or damaged, encrypted or one with macros.
        DocumentTooLarge: it is larger than a limit allows.
    """
    archive = Archive(content, limits)
    names = _part_names(archive)
    collector = SegmentCollector(limits)
    parts = {name: XmlPart(archive.read(name), _WordGrammar(), collector, limits, name) for name in names}
    return ZippedXml(archive, parts, collector.segments)


def _part_names(archive: Archive) -> list[str]:
    """The members with text, the body first."""
    if _CONTENT_TYPES not in archive.names:
        raise MalformedDocument("is no Word document: it has no list of content types; give it the right suffix")
    types = _ContentTypes()
    listed = archive.read(_CONTENT_TYPES)
    if len(listed) > _MAX_CONTENT_TYPES:
        raise DocumentTooLarge(f"has a list of content types of more than {_MAX_CONTENT_TYPES} bytes; save it again")
    read_events(listed, _PREFIXES, types, _CONTENT_TYPES)
    if types.has_macros:
        raise MalformedDocument("is a document with macros; save it as a .docx without macros")
    if not types.has_main:
        raise MalformedDocument("is no Word document, although its suffix is .docx; give it the right suffix")
    names = {name.lower(): name for name in archive.names}
    return sorted({names[part.lower()] for part in types.parts if part.lower() in names}, key=_is_not_body)


def _is_not_body(name: str) -> tuple[bool, str]:
    return "document" not in name, name
