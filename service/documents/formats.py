"""The formats of documents, by the suffix of a file's name."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import PurePosixPath

from service.documents.document import Document, DocumentLimits
from service.documents.docx import read_docx
from service.documents.html_page import read_html
from service.documents.odt import read_odt
from service.documents.plain_text import read_plain_text
from service.documents.subtitles import read_srt, read_vtt
from service.errors import DocumentTooLarge, UnsupportedDocument


def _read_po(content: bytes, limits: DocumentLimits) -> Document:
    if importlib.util.find_spec("polib") is None:
        raise UnsupportedDocument(
            "message catalogs need polib; install the server with pip install 'lectern[documents]'"
        )
    from service.documents.po import read_po

    return read_po(content, limits)


_READERS: dict[str, Callable[[bytes, DocumentLimits], Document]] = {
    ".txt": read_plain_text,
    ".html": read_html,
    ".htm": read_html,
    ".srt": read_srt,
    ".vtt": read_vtt,
    ".po": _read_po,
    ".pot": _read_po,
    ".docx": read_docx,
    ".odt": read_odt,
}


def supported_formats() -> tuple[str, ...]:
    """The suffixes of the formats that can be read, such as `.txt`."""
    return tuple(_READERS)


def read_document(filename: str, content: bytes, limits: DocumentLimits, *, target: str | None = None) -> Document:
    """Read a document; takes time and memory linear in its unpacked size.

    Args:
        filename: its name, whose suffix says the format; folders before the name do not matter.
        content: its bytes.
        limits: what it may hold.
        target: the language that it will be translated into, if that is known yet.

    Raises:
        UnsupportedDocument: the format is not read, or needs a package that is not installed.
        MalformedDocument: the content is not of this format, or is damaged, or is of another language.
        DocumentTooLarge: it is larger than a limit allows.
    """
    reader = _READERS[_suffix(filename)]
    if len(content) > limits.max_unpacked_bytes:
        raise DocumentTooLarge(f"has {len(content)} bytes, the limit is {limits.max_unpacked_bytes}; send it in parts")
    document = reader(content, limits)
    if target is not None:
        document.check_target(target)
    return document


def output_name(filename: str, target: str, document: Document) -> str:
    """The name of the translated file, without folders: `letter_de.txt` for `letter.txt`."""
    suffix = _suffix_as_sent(filename)
    return f"{_base_name(filename).removesuffix(suffix)}_{target}{document.suffix or suffix}"


def _suffix(filename: str) -> str:
    suffix = _suffix_as_sent(filename).lower()
    if suffix not in _READERS:
        named = f"{suffix} files are not read" if suffix else "its name has no suffix, which would say its format"
        raise UnsupportedDocument(f"{named}; the formats are {', '.join(supported_formats())}")
    return suffix


def _suffix_as_sent(filename: str) -> str:
    return PurePosixPath(_base_name(filename)).suffix


def _base_name(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).name
