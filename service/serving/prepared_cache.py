"""The folder of prepared versions: copies of bundles with optimized graphs, by what they were made from.

An entry is used only while every file in it has the hash that was written down when it was made. The folder belongs to
this user alone, as whoever can write to it decides what the server answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from service import __version__
from service.bundle.files import open_plain_file, sha256_of_plain_file
from service.errors import ConfigurationError
from service.runtime.providers import runtime_version
from service.serving.states import PreparedVersion
from service.temporary_folders import lock_folder, locked_folder, make_temporary_folder

log = logging.getLogger(__name__)

_RECORD = "prepared.json"
_LAYOUT = "2"
_ENTRIES = "prepared-2"
"""The subfolder of LECTERN_CACHE that holds the entries: nothing else is ever removed there."""
_PARTIAL = ".partial-"
_UNUSED_SECONDS = 30 * 24 * 3600
_TEMPORARY = "lectern-prepared-"


class PreparedCache:
    """Entries in one folder.

    Args:
        root: the folder; it exists.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, key: Sequence[str]) -> PreparedVersion | None:
        """The entry made from `key`, if there is one and it is undamaged; a damaged one is removed."""
        folder = self._folder(key)
        if not os.path.lexists(folder):
            return None
        try:
            record = orjson.loads(_read(folder / _RECORD))
            prepared = PreparedVersion.model_validate(record["prepared"])
            intact = not folder.is_symlink() and record["sha256"] == _digest(record)
            intact = intact and record["files"] == _hashes(folder) == prepared.files
        except (OSError, ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            self._remove(folder)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)
        return prepared.model_copy(update={"folder": folder})

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder to make an entry in; it is removed unless `keep` took it."""
        _make_private(self._root)  # Somebody may have removed it while the server runs.
        folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._root))
        try:
            # Else another server would remove it whose clock is an hour ahead.
            with locked_folder(folder, fcntl.LOCK_SH):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, key: Sequence[str], staging: Path, prepared: PreparedVersion) -> PreparedVersion:
        """Make a folder from `staging` the entry of `key`."""
        folder = self._folder(key)
        hashes = _hashes(staging)
        prepared = prepared.model_copy(update={"folder": folder, "files": hashes})
        record = {"files": hashes, "prepared": prepared.model_dump(mode="json")}
        (staging / _RECORD).write_bytes(orjson.dumps({**record, "sha256": _digest(record)}))
        try:
            staging.rename(folder)
        except OSError:
            if (known := self.find(key)) is None:  # Unless another process made the same entry first.
                raise
            return known
        return prepared

    def sweep(self) -> None:
        """Remove entries that were not used for a month and that no server holds, and unfinished ones."""
        now = time.time()
        for folder in self._root.iterdir():
            with contextlib.suppress(OSError):
                status = folder.lstat()
                if not stat.S_ISDIR(status.st_mode) or not _is_own(folder):
                    continue
                partial = folder.name.startswith(_PARTIAL)
                if now - status.st_mtime > (3600 if partial else _UNUSED_SECONDS):
                    with locked_folder(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                        shutil.rmtree(folder, ignore_errors=True)

    def _remove(self, entry: Path) -> None:
        """Remove a damaged entry, whatever it is."""
        with contextlib.suppress(OSError):
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink()
                return
            # Renamed first, so that its place is free even if some of it cannot be removed.
            aside = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._root))
            entry.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _folder(self, key: Sequence[str]) -> Path:
        parts = [_LAYOUT, __version__, platform.python_version(), runtime_version(), _processor(), *key]
        return self._root / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


class CacheFolder:
    """The folder that prepared versions are kept in: the one that is set, or a temporary one.

    Args:
        setting: the folder as set; None: a temporary one, which is removed by `close`.

    Raises:
        ConfigurationError: other users may write to the folder that is set.
    """

    def __init__(self, setting: Path | None) -> None:
        self.path: Path | None = None
        """None where no folder can be written: bundles are then opened where they are."""
        self._lock: int | None = None
        self._held: dict[Path, int] = {}
        if setting is not None and (folder := _private(setting.absolute())) is not None:
            self.path = _private(folder / _ENTRIES)
        if self.path is None:
            self._make_temporary()
        elif self.path is not None:
            with contextlib.suppress(OSError):
                PreparedCache(self.path).sweep()

    def hold(self, entries: Iterable[Path]) -> None:
        """Keep other servers from removing the entries that this one serves from; others are let go."""
        self._lock_again()
        entries = set(entries)
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


def _private(folder: Path) -> Path | None:
    """Create a folder for this user alone; None where it cannot be written.

    Raises:
        ConfigurationError: it belongs to another user, or others may write to it.
    """
    try:
        _make_private(folder)
        status = folder.stat()
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigurationError(
                f"LECTERN_CACHE={folder}: others could write to it, and so decide what is answered; "
                f"use a folder of this user alone: chown {os.geteuid()} and chmod 700 it"
            )
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        fields = {"folder": str(folder), "reason": error.strerror, "instead": "a temporary folder"}
        log.warning("LECTERN_CACHE cannot be written", extra={"fields": fields})
        return None


def _make_private(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)


def _is_own(folder: Path) -> bool:
    """Whether a folder was made by this module."""
    if folder.name.startswith(_PARTIAL):
        return True
    return re.fullmatch(r"[0-9a-f]{40}", folder.name) is not None and (folder / _RECORD).is_file()


def _is_same(descriptor: int, path: Path) -> bool:
    return os.path.samestat(os.fstat(descriptor), path.stat())


def _hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file but the record. Raises OSError where one is no plain file."""
    return {path.name: sha256_of_plain_file(path)[0] for path in sorted(folder.iterdir()) if path.name != _RECORD}


def _read(record: Path) -> bytes:
    with open_plain_file(record) as stream:
        return stream.read()


def _digest(record: Mapping[str, object]) -> str:
    content = {"files": record["files"], "prepared": record["prepared"]}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _processor() -> str:
    """What optimized graphs depend on of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # Not on macOS.
        return f"{platform.machine()} {platform.processor()}"
    kept = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return f"{platform.machine()} {sorted(kept)}"
