"""From the bytes of a file to lines of text: compression, encodings, byte order marks."""

import codecs
import gzip
import zlib
from collections.abc import Sequence

from training.common.errors import ConfigError, DatasetError

NOT_DECODABLE = "is not in the encoding of the file (UTF-8, or that of --encoding)"
"""What is wrong with the lines for which `decodable_lines` has None."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_WIDE = ("utf-16", "utf-32")
"""Encodings whose line feeds are several bytes."""


def unpacked(content: bytes, name: str) -> bytes:
    """The content of a file that may be compressed with gzip.

    Raises:
        DatasetError: it is compressed and damaged.
    """
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{name}: cannot be unpacked ({error}); get the file again") from error


def check_encoding(encoding: str) -> None:
    """Refuse an encoding that Python does not know.

    Raises:
        ConfigError: naming the option.
    """
    try:
        "".encode(encoding or "utf-8")
    except (LookupError, ValueError) as error:
        raise ConfigError(f"--encoding {encoding}: is no known encoding; common ones are latin-1 and cp1252") from error


def lines(content: bytes, name: str, encoding: str = "") -> list[str]:
    """The lines of a text. Only line feeds end a line; carriage returns do in a text without line feeds.

    So parallel files have the same line numbers, whatever other separators are in them.

    Args:
        content: UTF-8, or what a byte order mark or `encoding` says.
        name: name of the file, for error messages.
        encoding: that of contents that are no UTF-8 and have no byte order mark; empty for none.

    Raises:
        DatasetError: naming the line that is not in the encoding.
    """
    rows = decodable_lines(content, name, encoding)
    for number, row in enumerate(rows, 1):
        if row is None:
            raise DatasetError(_undecodable(name, number, content, encoding))
    return [row for row in rows if row is not None]


def decodable_lines(content: bytes, name: str, encoding: str = "") -> list[str | None]:
    """As `lines`, but None instead of a line that is not in the encoding."""
    mark, actual = byte_order_mark(content)
    body = content[len(mark) :]
    actual = actual or _encoding(body, encoding)
    if not mark and not encoding and looks_like_utf_16(body):
        raise DatasetError(
            f"{name}: looks like UTF-16 without a byte order mark; save it as UTF-8, or add --encoding utf-16-le"
        )
    try:
        return list(_split(body.decode(actual)))
    except UnicodeDecodeError:
        if actual.startswith(_WIDE):  # Their lines are known only once they are decoded.
            raise DatasetError(f"{name}: is no valid {actual.upper()}; save it as UTF-8") from None
    rows: list[str | None] = []
    for line in body.split(b"\n"):
        try:
            rows.append(line.decode(actual).removesuffix("\r"))
        except UnicodeDecodeError:
            rows.append(None)
    return rows[:-1] if body.endswith(b"\n") else rows


def utf_8_lines(content: bytes, name: str) -> list[str]:
    """As `lines`, for commands without options on how files are read.

    Raises:
        DatasetError: naming the line that is not UTF-8.
    """
    rows = decodable_lines(content, name)
    if None in rows:
        raise DatasetError(f"{name}:{rows.index(None) + 1}: is not UTF-8; save the file as UTF-8")
    return [row for row in rows if row is not None]


def byte_order_mark(content: bytes) -> tuple[bytes, str]:
    """The byte order mark with which a content begins, and the encoding that it says; both empty for none."""
    return next(((mark, code) for mark, code in _BYTE_ORDER_MARKS if content.startswith(mark)), (b"", ""))


def looks_like_utf_16(content: bytes) -> bool:
    """Whether a content without a byte order mark holds as many zero bytes as UTF-16 has."""
    return content[:4096].count(0) > len(content[:4096]) // 4


def _encoding(body: bytes, named: str) -> str:
    """The encoding of a content without a byte order mark: the named one, unless the content is plainly UTF-8.

    So files of both encodings can be read together. Text beyond ASCII in another encoding is hardly ever valid UTF-8.
    """
    if not named:
        return "utf-8"
    codec = codecs.lookup(named).name
    if body.isascii() or codec.startswith(_WIDE):
        return codec
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return codec
    return "utf-8"


def _split(text: str) -> Sequence[str]:
    rows = text.split("\n" if "\n" in text else "\r")  # carriage returns alone: files of old Macs and of some tables
    if not rows[-1]:
        rows.pop()
    return [row.removesuffix("\r") for row in rows]


def has_another_encoding(content: bytes) -> bool:
    """Whether no character beyond ASCII is UTF-8, as in a file of another encoding; in a damaged one most are."""
    return all(ord(char) < 128 for char in content.decode("utf-8", "ignore"))


def _undecodable(name: str, number: int, content: bytes, encoding: str) -> str:
    if encoding:
        return f"{name}:{number}: is not {encoding}; name the encoding that the file has with --encoding"
    if has_another_encoding(content):
        remedy = "it looks like Latin-1 or Windows-1252: add --encoding cp1252, or save the file as UTF-8"
    else:
        remedy = "the line is damaged: correct it, or leave such lines out with --skip-bad"
    return f"{name}:{number}: is not UTF-8; {remedy}"
