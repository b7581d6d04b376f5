"""The temporary folder through which worker processes share their metrics; whoever ends last removes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.errors import ConfigurationError
from service.observability import MULTIPROCESS_DIR, store_values_in_files

_PREFIX = "lectern-metrics-"
_NEW_SECONDS = 600.0
"""A folder so young may belong to a server that has not locked it yet."""


@contextlib.contextmanager
def shared_metrics() -> Iterator[None]:
    """Have the metrics of this process and of those that it starts stored in a folder until the block ends.

    Raises:
        ConfigurationError: no temporary folder can be written.
    """
    try:
        folder = tempfile.mkdtemp(prefix=_PREFIX)
    except OSError as error:
        raise ConfigurationError(
            f"no temporary folder can be written ({error.strerror or error}), which several workers need: "
            "set TMPDIR to a folder that this user can write, or LECTERN_WORKERS=1"
        ) from error
    os.environ[MULTIPROCESS_DIR] = folder
    lease = FolderLease()
    try:
        _remove_left_folders(Path(folder).parent)
        store_values_in_files()
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lease.close()


class FolderLease:
    """A share in the folder of this server: it is removed once nobody has one."""

    def __init__(self) -> None:
        self._folder = os.environ[MULTIPROCESS_DIR]
        self._descriptor = os.open(self._folder, os.O_RDONLY)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def close(self) -> None:
        """Give the share up."""
        os.close(self._descriptor)

    def close_last(self, others: Iterable[Path] = ()) -> None:
        """Give the share up, and remove the folder if no other process has one: the supervisor was killed.

        Args:
            others: folders that are removed with it.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        # Every worker gives its share up before it tries: the last one to try finds nobody left.
        if _remove_if_left(self._folder, self._descriptor):
            for folder in others:
                shutil.rmtree(folder, ignore_errors=True)
        self.close()


def _remove_left_folders(parent: Path) -> None:
    """Remove what servers left whose processes were all killed at once."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # Another user's, or removed by another server that starts.
            if time.time() - folder.stat().st_mtime < _NEW_SECONDS:
                continue
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                _remove_if_left(str(folder), descriptor)
            finally:
                os.close(descriptor)


def _remove_if_left(folder: str, descriptor: int) -> bool:
    """Remove a folder in which no process has a share; whether that was so."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True
