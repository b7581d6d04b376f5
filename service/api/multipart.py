"""Splits multipart bodies that are in memory into their parts.

Parsers of streams look at every byte of some bodies in Python, and keep a second copy of all files in memory or on disk
meanwhile. Here regular expressions find the boundaries, slice by slice, and the contents are copied once, at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.multipart import parse_options_header

from service.api.turns import Turns
from service.errors import MalformedBody

MAX_HEADER_BYTES = 1000
"""Of a header with parameters, of the request and of a part: parsing one takes time that grows with its square."""

_MAX_HEADERS_BYTES = 8 * 1024
"""Of all headers of a part."""
_SLICE_BYTES = 256 * 1024
"""Bytes that are searched before the event loop turns: less than a millisecond."""
_PARTS_PER_TURN = 32
_EXTENDED_FILENAME = re.compile(rb";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)", re.IGNORECASE)
_MAX_PADDING = 32
"""Blanks between a boundary and the end of its line."""


class TooManyFiles(Exception):
    """A multipart body holds more files than allowed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a form: a field, or a file."""

    name: str
    content: bytes
    filename: str | None = None
    """The name of the file, which may be empty; None of a field."""

    @property
    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.filename is not None

    @property
    def text(self) -> str:
        """The value of a field.

        Raises:
            MalformedBody: it is not UTF-8.
        """
        try:
            return self.content.decode()
        except UnicodeDecodeError as error:
            raise unreadable(f"{self.name[:64]!r} is not UTF-8") from error


def unreadable(problem: str) -> MalformedBody:
    """The error for a multipart body that is not valid."""
    return MalformedBody(
        f"the multipart body cannot be read: {problem}; send parts with short headers, parted by the boundary that the "
        "content-type names"
    )


async def split_multipart(body: bytes, boundary: bytes, turns: Turns, *, max_files: int, max_fields: int) -> list[Part]:
    """Split a multipart body (RFC 7578) into its parts, in order.

    Args:
        body: the body.
        boundary: as its content type names it.
        turns: of the event loop, which turns meanwhile.
        max_files: most parts that are files.
        max_fields: most other parts.

    Raises:
        TooManyFiles: more than `max_files`.
        MalformedBody: the body is not valid multipart, is truncated, or has more than `max_fields`.
    """
    line = b"--" + re.escape(boundary) + rb"(--|[ \t]{0,%d}\r\n)" % _MAX_PADDING
    delimiter = re.compile(rb"\r\n" + line)
    longest = len(boundary) + _MAX_PADDING + 6
    match = re.compile(line).match(body) or await _search(delimiter, body, 0, longest, turns)
    files = fields = 0
    parts: list[tuple[str, str | None, int, int]] = []
    while match[1] != b"--":
        if len(parts) % _PARTS_PER_TURN == _PARTS_PER_TURN - 1:
            await turns.next()
        name, filename, start = _read_headers(body, match.end())
        is_file = filename is not None
        files += is_file
        fields += not is_file
        if files > max_files and is_file:
            if max_files:
                raise TooManyFiles
            raise unreadable("it holds a file; send fields only")
        if fields > max_fields:
            raise unreadable(f"it has over {max_fields} fields")
        # The line break before a boundary belongs to it; that after the headers is also one before an empty content.
        match = await _search(delimiter, body, start - 2, longest, turns)
        parts.append((name, filename, start, max(start, match.start())))
    await turns.next()
    return [Part(name, body[start:end], filename) for name, filename, start, end in parts]


async def _search(pattern: re.Pattern[bytes], body: bytes, start: int, longest: int, turns: Turns) -> re.Match[bytes]:
    """The first match of a pattern; it is at most `longest` bytes long."""
    while start < len(body):
        end = start + _SLICE_BYTES
        if match := pattern.search(body, start, end + longest):
            return match
        start = end
        await turns.next()
    raise _cut_short()


def _cut_short() -> MalformedBody:
    return MalformedBody("the multipart body is cut short: its closing boundary is missing")


def _read_headers(body: bytes, start: int) -> tuple[str, str | None, int]:
    """The name of a part, the name of its file (None of a field), and where its content starts."""
    end = body.find(b"\r\n\r\n", start - 2, start + _MAX_HEADERS_BYTES)
    headers = body[start : end if end >= 0 else start + _MAX_HEADERS_BYTES].split(b"\r\n")
    if any(len(header) > MAX_HEADER_BYTES for header in headers):
        raise unreadable(f"a header of a part has over {MAX_HEADER_BYTES} bytes")
    if end < 0:
        if start + _MAX_HEADERS_BYTES > len(body):
            raise _cut_short()
        raise unreadable(f"the headers of a part do not end, or have over {_MAX_HEADERS_BYTES} bytes")
    for header in headers:
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"content-disposition":
            options = parse_options_header(value.strip())[1]
            if b"name" in options:
                return _decode(options[b"name"]), _filename(value, options), end + 4
    raise unreadable("a part has no content-disposition with a name")


def _filename(header: bytes, options: Mapping[bytes, bytes]) -> str | None:
    """The name of the file in a content-disposition; None where it has none.

    RFC 7578 has no `filename*`. Clients that send it nevertheless put something unreadable beside it, or nothing.
    """
    match = _EXTENDED_FILENAME.search(header)
    name = unquote_to_bytes(match[1]) if match else options.get(b"filename")
    return None if name is None else name.decode(errors="replace")


def _decode(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise unreadable("the name of a part is not UTF-8") from error
