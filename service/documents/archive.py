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
        self._limits = limits
        with self._open() as archive:
            members = archive.infolist()
            self.names = [member.filename for member in members]
            self._check(members)
            self._unpack(archive)

    def read(self, name: str) -> bytes:
        """A member, unpacked; `name` is one of `names`."""
        with self._open() as archive:
            return archive.read(name)

    def write(self, changed: Mapping[str, bytes]) -> bytes:
        """The archive with other contents of some members; order, dates and methods of compression stay."""
        output = io.BytesIO()
        with self._open() as archive, zipfile.ZipFile(output, "w") as written:
            written.comment = archive.comment
            for member in archive.infolist():
                info = copy(member)
                info.extra = b""  # Sizes of 64 bits and times, which would be those of the old content.
                content = changed.get(info.filename)
                written.writestr(info, archive.read(member) if content is None else content)
        return output.getvalue()

    def _unpack(self, archive: zipfile.ZipFile) -> None:
        """Unpack all members without keeping them: what they say of their sizes may be wrong."""
        size = 0
        for name in self.names:
            with archive.open(name) as member:
                while piece := member.read(_PIECE):
                    size += len(piece)
                    self._check_size(size)
        if size > max(_MAX_RATIO * len(self.content), _FREE_BYTES):
            raise DocumentTooLarge(
                f"is more than {_MAX_RATIO} times as large when unpacked, which no document is; save it again"
            )

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        if len(members) > self._limits.max_members:
            raise DocumentTooLarge(f"holds {len(members)} files, the limit is {self._limits.max_members}")
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
    def _open(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
                yield archive
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError, struct.error):
            raise MalformedDocument("is no zip archive, or a damaged one; save it again") from None
