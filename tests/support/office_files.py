"""Small Word and OpenDocument files, written by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from xml.etree.ElementTree import canonicalize

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_WORD = "http://purl.oclc.org/ooxml/wordprocessingml/main"
ODT_TYPE = "application/vnd.oasis.opendocument.text"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml."
_TEXT_NAMESPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "style", "table")
)


def zipped(members: Mapping[str, str | bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive; a member `mimetype` is stored."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2024, 5, 17, 10, 30, 0))
            info.compress_type = zipfile.ZIP_STORED if name == "mimetype" else method
            archive.writestr(info, content)
    return output.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """The members of a zip archive, in its order."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def word_xml(body: str, root: str = "document", namespace: str = WORD) -> str:
    """A part of a Word document."""
    inside = f"<w:body>{body}<w:sectPr/></w:body>" if root == "document" else body
    return f'{DECLARATION}<w:{root} xmlns:w="{namespace}" xmlns:x="urn:x">{inside}</w:{root}>'


def docx(body: str | bytes, parts: Mapping[str, str] | None = None, others: Mapping[str, bytes] | None = None) -> bytes:
    """A Word document.

    Args:
        body: its paragraphs, or the whole `document.xml` as bytes.
        parts: the paragraphs of `header`, `footer`, `footnotes`, `endnotes` or `comments`.
        others: further members.
    """
    parts = parts or {}
    roots = {"header": "hdr", "footer": "ftr"}
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _content_types([("document", "document.main"), *((part, part) for part in parts)]),
        "_rels/.rels": "<Relationships/>",
        "word/document.xml": body if isinstance(body, bytes) else word_xml(body),
        **{f"word/{name}.xml": word_xml(content, roots.get(name, name)) for name, content in parts.items()},
        **(others or {}),
    }
    return zipped(members)


def odt(body: str, styles: str = "", automatic: str = "", others: Mapping[str, bytes] | None = None) -> bytes:
    """An OpenDocument text.

    Args:
        body: its paragraphs.
        styles: what `styles.xml` holds.
        automatic: the automatic styles of `content.xml`.
        others: further members.
    """
    content = (
        f"{DECLARATION}<office:document-content {_TEXT_NAMESPACES}>"
        f"<office:automatic-styles>{automatic}</office:automatic-styles>"
        f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    )
    members: dict[str, str | bytes] = {
        "mimetype": ODT_TYPE,
        "content.xml": content,
        "styles.xml": f"<office:document-styles {_TEXT_NAMESPACES}>{styles}</office:document-styles>",
        "META-INF/manifest.xml": "<manifest/>",
        **(others or {}),
    }
    return zipped(members)


def body_of(content: bytes) -> str:
    """What is in the body of a document that `docx` or `odt` made."""
    members = unzipped(content)
    xml = (members.get("word/document.xml") or members["content.xml"]).decode()
    for start, stop in (("<w:body>", "<w:sectPr/></w:body>"), ("<office:text>", "</office:text>")):
        if start in xml:
            return xml.partition(start)[2].rpartition(stop)[0]
    raise AssertionError("no body")


def canonical(members: Mapping[str, bytes]) -> dict[str, str | bytes]:
    """Members with their XML in canonical form."""
    return {
        name: canonicalize(content.decode()) if name.endswith(".xml") else content for name, content in members.items()
    }


def _content_types(parts: list[tuple[str, str]]) -> str:
    overrides = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{_WORD_TYPE}{kind}+xml"/>' for name, kind in parts
    )
    namespace = "http://schemas.openxmlformats.org/package/2006/content-types"
    return f'<Types xmlns="{namespace}"><Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
