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
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from service import __version__
from service.errors import ConfigurationError
from service.runtime.providers import runtime_version
from service.serving.states import PreparedVersion

log = logging.getLogger(__name__)

_RECORD = "prepared.json"
_LAYOUT = "1"
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
        if not folder.is_dir():
            return None
        try:
            record = orjson.loads((folder / _RECORD).read_bytes())
            prepared = PreparedVersion.model_validate(record["prepared"])
            intact = record["files"] == _hashes(folder) and record["sha256"] == _digest(record)
        except (OSError, ValueError, KeyError, TypeError):
            intact = False
        if not intact:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(folder)
        return prepared.model_copy(update={"folder": folder})

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder to make an entry in; it is removed unless `keep` took it."""
        folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=self._root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, key: Sequence[str], staging: Path, prepared: PreparedVersion) -> PreparedVersion:
        """Make a folder from `staging` the entry of `key`."""
        folder = self._folder(key)
        record = {
            "files": _hashes(staging),
            "prepared": prepared.model_copy(update={"folder": folder}).model_dump(mode="json"),
        }
        (staging / _RECORD).write_bytes(orjson.dumps({**record, "sha256": _digest(record)}))
        try:
            staging.rename(folder)
        except OSError:
            if (known := self.find(key)) is None:  # Unless another process made the same entry first.
                raise
            return known
        return prepared.model_copy(update={"folder": folder})

    def sweep(self) -> None:
        """Remove what was not used for a month, and unfinished entries of processes that were killed."""
        now = time.time()
        for folder in self._root.iterdir():
            unused = now - folder.stat().st_mtime
            if unused > (3600 if folder.name.startswith(".partial-") else _UNUSED_SECONDS):
                shutil.rmtree(folder, ignore_errors=True)

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
        if setting is not None:
            self.path = _private(setting.absolute())
        if self.path is None:
            self._make_temporary()
        elif self.path is not None:
            with contextlib.suppress(OSError):
                PreparedCache(self.path).sweep()

    def close(self) -> None:
        """Remove the folder if it is a temporary one."""
        if self._lock is not None:
            assert self.path is not None
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def _make_temporary(self) -> None:
        try:
            _remove_abandoned(Path(tempfile.gettempdir()))
            self.path = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
            # Locked while it is in use: neither systemd-tmpfiles nor another server removes it then.
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            log.warning("no folder for prepared models", extra={"fields": {"reason": str(error)}})


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
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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


def _remove_abandoned(root: Path) -> None:
    """Remove the temporary folders of servers that were killed: those that nobody holds locked."""
    for folder in root.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < 60:  # Perhaps made this moment, and not yet locked.
                continue
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def _hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file but the record."""
    hashes = {}
    for path in sorted(folder.iterdir()):
        if path.name != _RECORD:
            with path.open("rb") as stream:
                hashes[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return hashes


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
