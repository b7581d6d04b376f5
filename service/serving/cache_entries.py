"""Entries of LECTERN_CACHE: folders of files that were expensive to make, by everything that they were made from.

An entry is used only while every file in it has the hash that was written down when it was made. The folder belongs to
this user alone, as whoever can write to it decides what the server answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from service import __version__
from service.bundle.files import open_plain_file, sha256_of_plain_file
from service.runtime.providers import runtime_version
from service.temporary_folders import locked_folder

RECORD = "entry.json"
"""The file of an entry that says what is in it."""
_PARTIAL = ".partial-"
_PARTIAL_SECONDS = 3600
_UNUSED_SECONDS = 30 * 24 * 3600
_RECENT_SECONDS = 600
"""An entry used since then stays, whatever the size of all: a server may be about to open it."""


class CacheKind(StrEnum):
    """What is kept, each kind in a subfolder of its own: nothing else is ever removed from LECTERN_CACHE.

    The number is that of the format of the entries.
    """

    PREPARED = "prepared-3"
    """Copies of bundles with optimized graphs: `service.serving.prepared_cache`."""
    PROVIDERS = "providers-1"
    """What was measured of execution providers: `service.serving.provider_choice`."""


@dataclass(frozen=True, kw_only=True)
class CacheEntry:
    """An entry whose files are undamaged."""

    folder: Path
    files: Mapping[str, str]
    """The sha256 of each file by its name."""
    content: Any
    """What was kept beside the files, as parsed JSON."""


class CacheEntries:
    """The entries of one kind.

    Args:
        root: LECTERN_CACHE as `CacheFolder` checked it, or the temporary folder that takes its place.
        kind: what is kept.
    """

    def __init__(self, root: Path, kind: CacheKind) -> None:
        self._folder = root / kind

    def find(self, key: Sequence[str]) -> CacheEntry | None:
        """The entry made from `key`, if there is one and it is undamaged; a damaged one is removed.

        Every process may call it, also several at the same time.
        """
        folder = self._entry(key)
        if not os.path.lexists(folder):
            return None
        try:
            record = orjson.loads(_read(folder / RECORD))
            files = record["files"]
            intact = not folder.is_symlink() and record["sha256"] == _digest(record) and files == _hashes(folder)
        except (OSError, ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            self.remove(key)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)
        return CacheEntry(folder=folder, files=files, content=record["content"])

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder to make an entry in; it is removed unless `keep` took it.

        Raises:
            OSError: it cannot be written.
        """
        make_private(self._folder)  # Somebody may have removed it while the server runs.
        folder = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._folder))
        try:
            # Else another server would remove it whose clock is an hour ahead.
            with locked_folder(folder, fcntl.LOCK_SH):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, key: Sequence[str], staging: Path, content: Any = None) -> CacheEntry:
        """Make a folder from `staging`, which holds plain files only, the entry of `key`.

        Where another process was first, its entry is returned.

        Args:
            key: everything that the entry depends on, beside the versions of Lectern, Python and onnxruntime and the
                CPU, which are always part of it.
            staging: the folder with the files.
            content: what to keep beside them, as JSON can have it.

        Raises:
            OSError: it cannot be written.
        """
        folder = self._entry(key)
        files = _hashes(staging)
        record = {"files": files, "content": content}
        (staging / RECORD).write_bytes(orjson.dumps({**record, "sha256": _digest(record)}))
        try:
            staging.rename(folder)
        except OSError:
            if (known := self.find(key)) is None:
                raise
            return known
        return CacheEntry(folder=folder, files=files, content=content)

    def remove(self, key: Sequence[str]) -> None:
        """Remove an entry, whatever is there."""
        entry = self._entry(key)
        with contextlib.suppress(OSError):
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink()
                return
            # Renamed first, so that its place is free even if some of it cannot be removed.
            aside = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._folder))
            entry.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def _entry(self, key: Sequence[str]) -> Path:
        parts = [__version__, platform.python_version(), runtime_version(), _processor(), *key]
        return self._folder / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def sweep(root: Path, max_bytes: int) -> None:
    """Remove entries that no server holds: unfinished ones, those not used for a month, and the longest unused ones
    while all entries together are larger than they may be.

    Args:
        root: LECTERN_CACHE.
        max_bytes: the size that all entries may have.
    """
    now = time.time()
    finished = []
    for folder in _own_folders(root):
        with contextlib.suppress(OSError):
            age = now - folder.stat().st_mtime
            partial = folder.name.startswith(_PARTIAL)
            if age > (_PARTIAL_SECONDS if partial else _UNUSED_SECONDS):
                _remove_unless_held(folder)
            elif not partial:
                finished.append((age, folder, sum(file.lstat().st_size for file in folder.iterdir())))
    total = sum(size for _, _, size in finished)
    for age, folder, size in sorted(finished, reverse=True):
        if total <= max_bytes or age < _RECENT_SECONDS:
            break
        with contextlib.suppress(OSError):
            _remove_unless_held(folder)
            total -= size


def make_private(folder: Path) -> None:
    """Create a folder for this user alone, if it is not there."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)


def _own_folders(root: Path) -> Iterable[Path]:
    """The finished and unfinished entries of all kinds."""
    for kind in CacheKind:
        with contextlib.suppress(OSError):
            for folder in (root / kind).iterdir():
                if stat.S_ISDIR(folder.lstat().st_mode) and _is_own(folder):
                    yield folder


def _is_own(folder: Path) -> bool:
    """Whether a folder was made by this module."""
    if folder.name.startswith(_PARTIAL):
        return True
    return re.fullmatch(r"[0-9a-f]{40}", folder.name) is not None and (folder / RECORD).is_file()


def _remove_unless_held(folder: Path) -> None:
    """Remove an entry. Raises OSError where a server holds it."""
    with locked_folder(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree(folder, ignore_errors=True)


def _hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file but the record. Raises OSError where one is no plain file."""
    return {path.name: sha256_of_plain_file(path)[0] for path in sorted(folder.iterdir()) if path.name != RECORD}


def _read(record: Path) -> bytes:
    with open_plain_file(record) as stream:
        return stream.read()


def _digest(record: Mapping[str, object]) -> str:
    content = {"files": record["files"], "content": record["content"]}
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _processor() -> str:
    """What optimized graphs depend on of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # Not on macOS.
        return f"{platform.machine()} {platform.processor()}"
    kept = {line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))}
    return f"{platform.machine()} {sorted(kept)}"
