"""Translated files, which callers download within some minutes: by any worker, under names that cannot be guessed."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from service.errors import LimitExceeded, StorageFull, UnknownFile
from service.limits import variable
from service.storage.file_lock import exclusive
from service.storage.shared_folder import PREFIX, SharedFolder
from service.temporary_folders import remove_abandoned

_RANDOM_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9_-]{43}(?:\.[a-z0-9]{1,8})?")
_LOCK, _PARTIAL = ".lock", ".partial"
_LEAST_BYTES = 16 * 1024
"""What a file counts at least: a folder of a million small files would take long to look through."""
_KEPT_SECONDS = 60.0
"""A file so young does not make room for another one: its owner may not have come for it yet."""
_SWEEP_SECONDS = 30.0
"""Longest time between two looks for files whose time has passed."""
_MAX_HEADER_BYTES = 16 * 1024


class StoredFile(NamedTuple):
    """A file that is kept for download."""

    name: str
    """What the caller knows it by."""
    content: BinaryIO
    """Its content, from here to the end."""
    size: int
    """Bytes of the content."""


class _Entry(NamedTuple):
    name: str
    size: int
    age: float


class TranslatedFiles:
    """Files that are kept for a time in a folder which all worker processes of a server share.

    Where there is no room, the oldest files make it, but for those of the last minute. The methods block the thread for
    the time that the disk takes.

    Args:
        folder: the folder, whose parent exists; None: a temporary one of this process.
        seconds: the time that a file is kept.
        max_bytes: most bytes of all files.
    """

    def __init__(self, folder: Path | None, *, seconds: float, max_bytes: int) -> None:
        self.seconds = seconds
        self._folder = SharedFolder(folder)
        self._max_bytes = max_bytes
        self._closed = threading.Event()
        self._sweeper: threading.Thread | None = None

    def add(self, name: str, content: bytes) -> str:
        """Keep a file.

        Args:
            name: what the caller knows it by; its suffix is kept in the new name.
            content: its bytes.

        Returns:
            The name under which it is found.

        Raises:
            LimitExceeded: it is larger than all files may be together.
            StorageFull: there is no room for it, on the disk or beside other files of the last minute.
            Saturated: another process holds the folder.
        """
        header = orjson.dumps(name) + b"\n"
        size = len(header) + len(content)
        self._check_size(size)
        # Programs that save it under this name would take a minus at the beginning for an option.
        stored_as = re.sub("^-", "_", secrets.token_urlsafe(_RANDOM_BYTES)) + _suffix(name)
        try:
            with self._locked() as folder:
                _remove(folder, self._superfluous(folder, size))
                _write(folder, stored_as, header, content)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("the disk has no room for translated files; send it again later", 60) from error
            raise StorageFull(f"translated files cannot be kept ({error.strerror}); tell the operator", 60) from error
        return stored_as

    def check_room(self, size: int) -> None:
        """Return if a file of about so many bytes could be kept.

        Raises:
            LimitExceeded, StorageFull: as `add`.
        """
        self._check_size(size)
        folder = self._folder.find()
        if folder is not None:
            self._superfluous(folder, size)

    def open(self, stored_as: str) -> StoredFile:
        """Open a file, whose content the caller closes.

        Args:
            stored_as: as `add` returned it.

        Raises:
            UnknownFile: there is none of this name, or its time has passed.
        """
        unknown = UnknownFile(f"no such file; translated files are kept for {self.seconds:g} s")
        folder = self._folder.find()
        if folder is None or not _NAME.fullmatch(stored_as):
            raise unknown
        try:
            # Not blocking, or a pipe in its place would be waited for.
            descriptor = os.open(stored_as, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except OSError as error:
            raise unknown from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or _age(status) > self.seconds:
            os.close(descriptor)
            raise unknown
        stream = os.fdopen(descriptor, "rb")
        name = orjson.loads(stream.readline(_MAX_HEADER_BYTES))
        return StoredFile(name, stream, status.st_size - stream.tell())

    def watch(self) -> None:
        """Sweep in a thread, again and again, until `close`; remove what killed servers left first."""
        self._closed.clear()
        self._sweeper = threading.Thread(target=self._keep_sweeping, name="translated-files", daemon=True)
        self._sweeper.start()

    def sweep(self) -> None:
        """Remove the files whose time has passed, whichever process wrote them."""
        folder = self._folder.find()
        if folder is not None:
            _remove(folder, (entry for entry in _entries(folder) if entry.age > self.seconds))

    def remove_abandoned(self) -> None:
        """Remove the folders of servers that were killed."""
        remove_abandoned(PREFIX)

    def close(self) -> None:
        """Close the folder; one of this process alone is removed with its files."""
        self._closed.set()
        if self._sweeper is not None:
            self._sweeper.join()
        self._folder.close()

    def _keep_sweeping(self) -> None:
        with contextlib.suppress(OSError):  # There may be no temporary folder at all.
            self.remove_abandoned()
        while not self._closed.wait(min(_SWEEP_SECONDS, self.seconds)):
            with contextlib.suppress(OSError):
                self.sweep()

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            limit = f"{self._max_bytes} bytes ({variable('max_stored_bytes')})"
            raise LimitExceeded(f"has {size} bytes; all translated files together may have {limit}", "file")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Make the folder, and keep other processes from adding files to it."""
        folder = self._folder.make()
        try:
            lock = _open_lock(folder)
        except FileNotFoundError:
            folder = self._folder.make(anew=True)
            lock = _open_lock(folder)
        try:
            with exclusive(lock):
                yield folder
        finally:
            os.close(lock)

    def _superfluous(self, folder: int, size: int) -> list[_Entry]:
        """The files to remove so that one of so many bytes fits: those whose time has passed, and then the oldest.

        Raises:
            StorageFull: it would not fit even if all that may be removed were.
        """
        entries = sorted(_entries(folder), key=lambda entry: entry.age)
        kept = [entry for entry in entries if entry.age <= self.seconds]
        removed = entries[len(kept) :]
        used = sum(map(_charge, kept)) + max(size, _LEAST_BYTES)
        while used > self._max_bytes:
            oldest = kept.pop()
            if oldest.age < _KEPT_SECONDS:
                raise StorageFull(
                    f"translated files take all the room that they may ({variable('max_stored_bytes')}); send it again "
                    "later",
                    math.ceil(_KEPT_SECONDS - oldest.age),
                )
            removed.append(oldest)
            used -= _charge(oldest)
        return removed


def _open_lock(folder: int) -> int:
    return os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=folder)


def _write(folder: int, name: str, *parts: bytes) -> None:
    """Write a file that appears as a whole, for this user alone."""
    partial = f"{_PARTIAL}-{name}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        with open(descriptor, "wb") as stream:
            stream.writelines(parts)
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(partial, dir_fd=folder)
        raise


def _entries(folder: int) -> Iterator[_Entry]:
    """The files in the folder, finished or not."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name != _LOCK:
                with contextlib.suppress(FileNotFoundError):  # Another process removed it.
                    status = entry.stat(follow_symlinks=False)
                    yield _Entry(entry.name, status.st_size, _age(status))


def _remove(folder: int, entries: Iterable[_Entry]) -> None:
    for entry in entries:
        with contextlib.suppress(OSError):
            os.unlink(entry.name, dir_fd=folder)


def _age(status: os.stat_result) -> float:
    """Seconds since a file was written. A file of the future was written before the clock was set back."""
    return abs(time.time() - status.st_mtime)


def _charge(entry: _Entry) -> int:
    return max(entry.size, _LEAST_BYTES)


def _suffix(name: str) -> str:
    """The suffix of a file's name, if it is an ordinary one."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""
