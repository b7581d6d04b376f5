"""The zip archive that a document is: its members are counted while they are unpacked, and copied as they are."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import PurePosixPath

from service.documents.document import DocumentLimits
from service.errors import DocumentTooLarge, MalformedDocument

_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = 0x1
_PIECE = 64 * 1024
_MAX_RATIO, _FREE_BYTES = 200, 4 * 2**20
"""Largest unpacked size, by the size of the archive; text shrinks to a tenth. Small archives may grow to so much."""
_MAX_DIRECTORY, _MAX_EXTRA = 2**20, 1_024
"""Bytes of the list of files, and of the extra fields of one of them, such as times of other systems."""
_END, _END_SIZE, _MAX_COMMENT = b"PK\x05\x06", 22, 2**16
_LOCATOR_64, _LOCATOR_64_SIZE = b"PK\x06\x07", 20
_ENTRY, _ENTRY_SIZE = b"PK\x01\x02", 46
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """A zip archive.

    Args:
        content: its bytes.
        limits: how much may be in it.

    Raises:
        MalformedDocument: it is no zip archive, damaged, encrypted, or has members that no document has.
        DocumentTooLarge: it has too many members, or they are too large.
    """

    def __init__(self, content: bytes, limits: DocumentLimits) -> None:
        if content.startswith(_OLD_OFFICE):
            raise MalformedDocument(
                "is encrypted or an old Office file; remove the password, or save it as .docx or .odt"
            )
        self.content = content
        self.max_unpacked_bytes = limits.max_unpacked_bytes
        self._limits = limits
        _check_directory(content, limits)
        with _errors():
            self._archive = zipfile.ZipFile(io.BytesIO(content))
            members = self._archive.infolist()
            self.names = [member.filename for member in members]
            self._check(members)
            self._unpack()

    def read(self, name: str) -> bytes:
        """A member, unpacked; `name` is one of `names`."""
        with _errors():
            return self._archive.read(name)

    def write(self, changed: Mapping[str, bytes]) -> bytes:
        """The archive with other contents of some members; order, dates and methods of compression stay."""
        output = io.BytesIO()
        archive = self._archive
        with _errors(), zipfile.ZipFile(output, "w") as written:
            written.comment = archive.comment
            for member in archive.infolist():
                info = copy(member)
                info.extra = b""  # Sizes of 64 bits and times, which would be those of the old content.
                content = changed.get(info.filename)
                written.writestr(info, archive.read(member) if content is None else content)
        return output.getvalue()

    def _unpack(self) -> None:
        """Unpack all members without keeping them: what they say of their sizes may be wrong."""
        size = 0
        for name in self.names:
            with self._archive.open(name) as member:
                while piece := member.read(_PIECE):
                    size += len(piece)
                    self._check_size(size)
        if size > max(_MAX_RATIO * len(self.content), _FREE_BYTES):
            raise DocumentTooLarge(
                f"is more than {_MAX_RATIO} times as large when unpacked, which no document is; save it again"
            )

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        self._check_size(sum(member.file_size for member in members))
        if len(set(self.names)) < len(members):
            raise MalformedDocument("holds two files of one name; save it again")
        for member in members:
            path = PurePosixPath(member.filename)
            if path.is_absolute() or ".." in path.parts or "\\" in member.orig_filename or ":" in member.filename:
                raise MalformedDocument("holds a file whose name leads out of the document; save it again")
            if member.flag_bits & _ENCRYPTED:
                raise MalformedDocument("is encrypted; remove the password")
            if member.compress_type not in _METHODS:
                raise MalformedDocument("is compressed in a way that documents are not; save it again")

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_unpacked_bytes:
            raise DocumentTooLarge(
                f"is larger than {self._limits.max_unpacked_bytes} bytes when unpacked, the limit; send it in parts"
            )


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError, struct.error):
        raise MalformedDocument("is no zip archive, or a damaged one; save it again") from None


def _check_directory(content: bytes, limits: DocumentLimits) -> None:
    """Raise DocumentTooLarge for a list of files that `zipfile` takes long to read.

    It reads extra fields in the square of their length, before anything of them can be seen. What is damaged is left to
    it: it reads no further than this does.
    """
    end = content.rfind(_END, max(0, len(content) - _MAX_COMMENT - _END_SIZE))
    if content[-_END_SIZE:].startswith(_END) and content.endswith(b"\0\0"):
        end = len(content) - _END_SIZE
    if end < 0 or end + _END_SIZE > len(content):
        return
    if content.startswith(_LOCATOR_64, max(0, end - _LOCATOR_64_SIZE)):
        raise MalformedDocument("is a zip archive of the form for more than 4 GB; save it again")
    (size,) = struct.unpack_from("<L", content, end + 12)
    if size > _MAX_DIRECTORY:
        raise DocumentTooLarge(f"has a list of files of more than {_MAX_DIRECTORY} bytes; save it again")
    position, members = end - size, 0
    while 0 <= position <= end - _ENTRY_SIZE and content.startswith(_ENTRY, position):
        name, extra, comment = struct.unpack_from("<HHH", content, position + 28)
        position += _ENTRY_SIZE + name + extra + comment
        members += 1
        if members > limits.max_members:
            raise DocumentTooLarge(f"holds more than {limits.max_members} files, the limit; send it in parts")
        if extra > _MAX_EXTRA:
            raise DocumentTooLarge(f"holds a file with extra fields of more than {_MAX_EXTRA} bytes; save it again")
