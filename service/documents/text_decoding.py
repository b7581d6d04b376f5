"""The encoding of a text file."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from service.errors import MalformedDocument

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_BINARY_FORMATS = {
    b"PK\x03\x04": "a zip archive, such as .docx and .odt are",
    b"%PDF-": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Office file; save it in a current format",
    b"{\\rtf": "an RTF file",
}

_READ_ENCODINGS = re.compile(
    r"iso8859-\d+|cp125\d|cp437|cp85[0258]|cp86[26]|cp874|cp932|cp949|cp950|koi8-[rtu]|mac-\w+|gb2312|gbk|gb18030|big5"
    r"|big5hkscs|euc_\w+|shift_jis\w*|iso2022_jp|johab|tis-620"
)
"""Names of Python's codecs for encodings of text in which ASCII is as it is."""
_MAX_LABEL = 40


class DecodedText(NamedTuple):
    """The text of a file, and how it was encoded."""

    text: str
    encoding: str
    byte_order_mark: bytes = b""
    errors: str = "replace"
    """What becomes of characters that the encoding does not have."""

    def encode(self, text: str) -> bytes:
        """Another text in the same encoding, with the same byte order mark."""
        return self.byte_order_mark + text.encode(self.encoding, self.errors)


def decode(content: bytes) -> DecodedText:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark.

    Other encodings are not guessed: a wrong guess changes letters without a word.

    Raises:
        MalformedDocument: it is in another encoding, or is no text.
    """
    refuse_binary(content)
    mark = next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    encoding = _BYTE_ORDER_MARKS.get(mark, "utf-8")
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, len(mark) + error.start) + 1
        raise MalformedDocument(f"is not {encoding.upper()} in line {line}; save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise MalformedDocument(f"has a NUL character in line {line}, so it is no text; save it as UTF-8")
    return DecodedText(text, encoding, mark)


def encoding_name(label: str) -> str:
    """Python's name of the encoding that a document declares; empty if there is none."""
    try:
        return codecs.lookup(label).name
    except LookupError:
        return ""


def refuse_unread_encoding(name: str, label: str) -> None:
    """Raise MalformedDocument for an encoding, by Python's name of it, that is none of text.

    Python also has codecs for host names (`idna`), source code and the like, some of which take the square of the time.
    """
    if not _READ_ENCODINGS.fullmatch(name):
        raise MalformedDocument(f"declares the encoding {label[:_MAX_LABEL]}, which is not read; save it as UTF-8")


def has_byte_order_mark(content: bytes) -> bool:
    """Whether a file starts with a byte order mark."""
    return content.startswith(tuple(_BYTE_ORDER_MARKS))


def refuse_binary(content: bytes) -> None:
    """Raise MalformedDocument for a file of a well-known format that is no text."""
    for start, name in _BINARY_FORMATS.items():
        if content.startswith(start):
            raise MalformedDocument(f"is {name}, not the text that its suffix says; give it the right suffix")
