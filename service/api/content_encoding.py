"""Decompresses bodies: the content codings that are read, and how."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from service.errors import MalformedBody, UnsupportedEncoding

IDENTITY = "identity"
ACCEPT_ENCODING = "gzip, deflate"
"""The content codings that are read, as a header tells them."""

PIECE_BYTES = 256 * 1024
"""Bytes that are decompressed before the event loop turns: about a millisecond."""

_FED_BYTES = 64 * 1024
"""zlib copies what it has not yet consumed, at every piece."""
_DETECTED_BYTES = 2
_GZIP_OR_ZLIB, _RAW = 47, -15
"""zlib's `wbits`: a stream whose header says what it is, and one of deflate without a header."""

_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
"""RFC 9110, section 8.4.1: x-gzip is another name of gzip."""


class Decompressor:
    """Decompresses a stream piece by piece.

    `deflate` is the zlib format (RFC 1950). As many clients send it without zlib's header, that is read too.

    Args:
        encoding: the content coding, in lower case.

    Raises:
        UnsupportedEncoding: it is neither gzip nor deflate.
    """

    def __init__(self, encoding: str) -> None:
        name = _NAMES.get(encoding)
        if name is None:
            raise UnsupportedEncoding(
                f"content-encoding {encoding[:64]!r} is not supported; send gzip, deflate or none"
            )
        self._encoding = name
        self._start = b""
        """What came before the format could be told."""
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._is_begun = name == "gzip"

    def parts(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a part of the stream decompresses to, in pieces.

        Raises:
            MalformedBody: the data are invalid, or go on after their end.
        """
        if not self._is_begun:
            self._start += chunk
            if len(self._start) < _DETECTED_BYTES:
                return
            chunk, self._start, self._is_begun = self._start, b"", True
            if not _has_header(chunk):
                self._stream = zlib.decompressobj(_RAW)
        for start in range(0, len(chunk), _FED_BYTES):
            compressed = chunk[start : start + _FED_BYTES]
            is_full = False
            while compressed or is_full:
                if self._stream.eof and compressed:
                    raise self._trailing()
                try:
                    part = self._stream.decompress(compressed, PIECE_BYTES)
                except zlib.error as error:
                    raise MalformedBody(f"the body is not valid {self._encoding}") from error
                compressed, is_full = self._stream.unconsumed_tail, len(part) == PIECE_BYTES
                yield part

    def check_end(self) -> None:
        """Raise MalformedBody unless the stream ended with the body."""
        if not self._stream.eof:
            raise MalformedBody(f"the {self._encoding} body is cut short")
        if self._stream.unused_data:
            raise self._trailing()

    def _trailing(self) -> MalformedBody:
        return MalformedBody(f"the {self._encoding} body has data after its end; send one compressed stream")


def _has_header(data: bytes) -> bool:
    """Whether a stream begins as zlib's format does (RFC 1950, section 2.2), or as gzip's.

    No stream of deflate alone begins so: it would have a reserved type of block, or padding that is not zero.
    """
    is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:_DETECTED_BYTES], "big") % 31 == 0
    return is_zlib or data[:_DETECTED_BYTES] == b"\x1f\x8b"
