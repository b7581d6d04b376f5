"""OpenDocument texts (.odt): OASIS OpenDocument 1.3, part 3.

Translated is the text of paragraphs and headings in the body, notes, comments and text boxes, and in the headers and
footers of its page styles. Deleted text and fields are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from service.documents.archive import Archive
from service.documents.document import Document, DocumentLimits, SegmentCollector
from service.documents.xml_grammar import Grammar, Role
from service.documents.xml_paragraphs import XmlPart
from service.documents.zipped_xml import ZippedXml
from service.errors import MalformedDocument

_MIMETYPE, _MANIFEST = "mimetype", "META-INF/manifest.xml"
_TYPES = (
    b"application/vnd.oasis.opendocument.text",
    b"application/vnd.oasis.opendocument.text-template",
)
_PARTS = ("content.xml", "styles.xml")
_PREFIXES = {
    "urn:oasis:names:tc:opendocument:xmlns:text:1.0": "text",
    "urn:oasis:names:tc:opendocument:xmlns:style:1.0": "style",
}
_ROLES = {
    "text:p": Role.PARAGRAPH,
    "text:h": Role.PARAGRAPH,
    "text:span": Role.FORMAT,
    "text:tab": Role.BREAK,
    "text:line-break": Role.BREAK,
    "text:s": Role.CHARACTERS,
    "text:soft-page-break": Role.IGNORED,
    "text:tracked-changes": Role.SKIPPED,
    **dict.fromkeys(("text:a", "text:meta"), Role.CONTAINER),
}
_MAX_STYLE_NAME = 100
_STYLE_NAME = re.compile(rb"(?<=\w):style-name=[\"']([^\"']{1,100})[\"']")
_CODE_STYLE = re.compile(
    rb"\w*Code|Code\w*|Source_20_Text\w*|Source_Text\w*|Preformatted_20_Text\w*|\w*Verbatim\w*", re.IGNORECASE
)
"""Names of the styles that LibreOffice, pandoc and others give to code."""
_SPACES = re.compile(r"[ \t\r\n]+")
_MAX_SPACES, _MAX_COUNT_DIGITS = 1_000, 9
_SPACE_RUN = re.compile("^ +| {2,}")
_INNER_SPACE_RUN = re.compile(" {2,}")


class _TextGrammar(Grammar):
    prefixes = _PREFIXES
    has_text_elements = False

    def __init__(self) -> None:
        self._code_styles: set[bytes] = set()
        """Automatic styles that are derived from those of code."""

    def role(self, name: str, attributes: Mapping[str, str], parent: Role) -> Role:
        parent_style = attributes.get("style:parent-style-name", "")[:_MAX_STYLE_NAME].encode()
        if name == "style:style" and _CODE_STYLE.fullmatch(parent_style):
            self._code_styles.add(attributes.get("style:name", "").encode())
        if name == "text:s" and _count(attributes) > 1:
            return Role.BREAK  # Several spaces align words, as a tab does.
        return _ROLES.get(name, Role.OBJECT)

    def characters(self, name: str, attributes: Mapping[str, str]) -> str:
        return " " * min(_count(attributes), _MAX_SPACES)

    def read_text(self, text: str, detail: str) -> str:
        return _SPACES.sub(" ", text)

    def is_code(self, markup: bytes) -> bool:
        names = _STYLE_NAME.findall(markup)
        return any(name in self._code_styles or _CODE_STYLE.fullmatch(name) for name in names)

    def write_text(self, text: str, tag: str, *, at_start: bool) -> str:
        prefix = tag.rpartition(":")[0]
        name = f"{prefix}:s" if prefix else "s"

        def spaces(run: re.Match[str]) -> str:
            count = len(run.group())
            if at_start and not run.start():
                return f'<{name} {prefix}:c="{count}"/>'
            return f' <{name} {prefix}:c="{count - 1}"/>'

        return (_SPACE_RUN if at_start else _INNER_SPACE_RUN).sub(spaces, escape(text, quote=False))


def _count(attributes: Mapping[str, str]) -> int:
    """How many spaces an element stands for."""
    count = attributes.get("text:c", "1")[:_MAX_COUNT_DIGITS]
    return int(count) if count.isdecimal() else 1


def read_odt(content: bytes, limits: DocumentLimits) -> Document:
    """Read an OpenDocument text.

    Raises:
        MalformedDocument: it is none, or damaged or encrypted.
        DocumentTooLarge: it is larger than a limit allows.
    """
    archive = Archive(content, limits)
    if _MIMETYPE not in archive.names or archive.read(_MIMETYPE).strip() not in _TYPES:
        raise MalformedDocument("is no OpenDocument text, although its suffix is .odt; give it the right suffix")
    if _MANIFEST in archive.names and b"encryption-data" in archive.read(_MANIFEST):
        raise MalformedDocument("is encrypted; remove the password")
    collector = SegmentCollector(limits)
    names = [name for name in _PARTS if name in archive.names]
    if not names:
        raise MalformedDocument("has no content.xml; save it again as a document")
    parts = {name: XmlPart(archive.read(name), _TextGrammar(), collector, limits, name) for name in names}
    return ZippedXml(archive, parts, collector.segments)
