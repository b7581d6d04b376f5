"""The folder of this user alone that the worker processes of a server keep files in."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

from service.temporary_folders import make_temporary_folder

PREFIX = "lectern-files-"
"""What the name of the folder of a server with one process begins with."""


class SharedFolder:
    """A folder that is made when it is first needed, and opened once.

    Files in it are named relative to its descriptor, so that nobody can put another folder in its place.

    Args:
        path: the folder that all worker processes use, whose parent exists; None: a temporary one of this process.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._temporary: Path | None = None
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def find(self) -> int | None:
        """The descriptor of the folder; None if no process has made it yet."""
        with self._lock:
            if self._descriptor is None and self._path is not None and self._path.is_dir():
                self._descriptor = _open_own(self._path)
            return self._descriptor

    def make(self, *, anew: bool = False) -> int:
        """The descriptor of the folder, which is made if there is none.

        Args:
            anew: whether the folder was removed while it was open, so that another one is needed.

        Raises:
            OSError: it cannot be made.
        """
        with self._lock:
            if anew:
                self._close()
            if self._descriptor is not None:
                return self._descriptor
            if self._path is None:
                self._temporary, self._descriptor = make_temporary_folder(PREFIX)
            else:
                self._path.mkdir(mode=0o700, exist_ok=True)
                self._descriptor = _open_own(self._path)
            return self._descriptor

    def close(self) -> None:
        """Close the folder; one of this process alone is removed with its files."""
        with self._lock:
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._temporary = None


def _open_own(path: Path) -> int:
    """Open a folder.

    Raises:
        OSError: it is a link, or others may write to it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        os.close(descriptor)
        raise PermissionError(f"{path} is not this user's alone")
    return descriptor
