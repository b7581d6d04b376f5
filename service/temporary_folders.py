"""Temporary folders that a process holds locked while it uses them, so that those of killed servers can be removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_NEW_SECONDS = 60.0
"""A folder so young may belong to a server that has not locked it yet."""


def make_temporary_folder(prefix: str) -> tuple[Path, int]:
    """Make a folder for this user alone, and lock it.

    Args:
        prefix: what its name begins with; abandoned folders of this prefix are removed.

    Returns:
        The folder, and the descriptor that holds the lock until it is closed.

    Raises:
        OSError: no temporary folder can be written.
    """
    remove_abandoned(prefix)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        return folder, lock_folder(folder)
    except OSError:
        folder.rmdir()
        raise


def remove_abandoned(prefix: str) -> None:
    """Remove the temporary folders of servers that were killed: those that nobody holds locked."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < _NEW_SECONDS:
                continue
            with locked_folder(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder, ignore_errors=True)


def lock_folder(folder: Path) -> int:
    """Lock a folder for this process alone until the descriptor is closed.

    Raises:
        OSError: another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked_folder(folder: Path, how: int) -> Iterator[None]:
    """Hold a lock on a folder.

    Raises:
        OSError: another process has one.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
