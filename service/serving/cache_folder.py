"""The folder of LECTERN_CACHE, or a temporary one in its place: who may write to it, and what of it is in use."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from service.errors import ConfigurationError
from service.serving.cache_entries import CacheKind, make_private, sweep
from service.temporary_folders import lock_folder, make_temporary_folder

log = logging.getLogger(__name__)

_TEMPORARY = "lectern-prepared-"


class CacheFolder:
    """The folder of all `CacheEntries` of a server.

    Args:
        setting: the folder as set; None: a temporary one, which is removed by `close`.
        max_bytes: the size that all entries may have; those that a server has used lately do not count.

    Raises:
        ConfigurationError: other users may write to the folder that is set.
    """

    def __init__(self, setting: Path | None, max_bytes: int) -> None:
        self.path: Path | None = None
        """None where no folder can be written: bundles are then opened where they are."""
        self._max_bytes = max_bytes
        self._lock: int | None = None
        self._held: dict[Path, int] = {}
        if setting is not None:
            self.path = _private_with_kinds(setting.absolute())
        if self.path is None:
            self._make_temporary()
        else:
            sweep(self.path, max_bytes)

    def hold(self, entries: Iterable[Path]) -> None:
        """Keep other servers from removing the entries that this one serves from; others are let go."""
        self._lock_again()
        entries = set(entries)
        are_new = not entries <= self._held.keys()
        for entry in self._held.keys() - entries:
            os.close(self._held.pop(entry))
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry in self._held and _is_same(self._held[entry], entry):
                    continue
                descriptor = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                if entry in self._held:
                    os.close(self._held[entry])
                self._held[entry] = descriptor
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if are_new and self.path is not None and self._lock is None:
            sweep(self.path, self._max_bytes)

    def close(self) -> None:
        """Let the entries go, and remove the folder if it is a temporary one."""
        for entry in self._held:
            with contextlib.suppress(OSError):
                os.utime(entry)
        self.hold(())
        if self._lock is not None:
            assert self.path is not None
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def _make_temporary(self) -> None:
        try:
            # Locked while it is in use: neither systemd-tmpfiles nor another server removes it then.
            self.path, self._lock = make_temporary_folder(_TEMPORARY)
        except OSError as error:
            log.warning("no folder for prepared models", extra={"fields": {"reason": str(error)}})

    def _lock_again(self) -> None:
        """Lock the temporary folder if it was removed, and made again for another version, since it was locked."""
        if self._lock is not None and self.path is not None:
            with contextlib.suppress(OSError):
                if not _is_same(self._lock, self.path):
                    before, self._lock = self._lock, lock_folder(self.path)
                    os.close(before)


def temporary_cache(folder: Path) -> Path | None:
    """The temporary folder that a prepared version is in, if it is in one."""
    parents = (parent for parent in folder.parents if parent.parent == Path(tempfile.gettempdir()))
    return next((parent for parent in parents if parent.name.startswith(_TEMPORARY)), None)


def _private_with_kinds(folder: Path) -> Path | None:
    """Create a folder, with one for each kind of entry, for this user alone; None where one cannot be written.

    Raises:
        ConfigurationError: one belongs to another user, or others may write to it.
    """
    try:
        for each in (folder, *(folder / kind for kind in CacheKind)):
            make_private(each)
            _check_private(each, is_link_allowed=each == folder)
            with tempfile.TemporaryFile(dir=each):
                pass
    except OSError as error:
        fields = {
            "folder": str(each),
            "reason": error.strerror,
            "instead": "a temporary folder, so the next start prepares the models again",
            "remedy": f"let user {os.geteuid()} write to the folder, or set LECTERN_CACHE to another",
        }
        log.warning("LECTERN_CACHE cannot be written", extra={"fields": fields})
        return None
    return folder


def _check_private(folder: Path, *, is_link_allowed: bool) -> None:
    """Raise ConfigurationError if others than this user may decide what is in a folder."""
    if folder.is_symlink() and not is_link_allowed:
        raise ConfigurationError(f"LECTERN_CACHE: {folder} is a link; remove it, and a folder is made in its place")
    status = folder.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(
            f"LECTERN_CACHE={folder}: others could write to it, and so decide what is answered; "
            f"use a folder of this user alone: chown {os.geteuid()} and chmod 700 it"
        )


def _is_same(descriptor: int, path: Path) -> bool:
    return os.path.samestat(os.fstat(descriptor), path.stat())
