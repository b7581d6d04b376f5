"""Errors of writing that name the file and the cause, whichever library wrote it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROBE_BYTES = 1 << 16


@contextmanager
def attribute_write_errors(path: Path, *, temporary: Path | None = None) -> Iterator[None]:
    """Make errors of writing inside the `with` block name `path`; errors that name another file stay as they are.

    numpy, PyTorch and usearch report a full disk without the system's error, so a little is written to find it.

    Args:
        path: what the user knows as the file or folder that is written.
        temporary: the file or folder that is written in its place, until it is complete.

    Raises:
        OSError: with the number of the cause and with `path` as its file name.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause = _system_error(error)
        if cause is None:
            cause = write_error(temporary if temporary is not None and temporary.is_dir() else path.parent)
        elif cause.filename is not None and not _is_inside(Path(os.fsdecode(cause.filename)), temporary):
            raise
        if cause is None or cause.errno is None:
            raise
        raise OSError(cause.errno, os.strerror(cause.errno), str(path)) from error


def write_error(folder: Path) -> OSError | None:
    """The error that writing to a folder gives now, such as a full disk; None if there is none."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(bytes(_PROBE_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return error
    return None


def remedy(error: OSError) -> str:
    """What to do about an error of the file system; empty where its name says enough."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space there, or name another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "allow it, or name another folder"
    return ""


def _system_error(error: BaseException) -> OSError | None:
    """The error itself, or the one behind it, that has a number of the system."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None:
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _is_inside(path: Path, folder: Path | None) -> bool:
    return folder is not None and (path == folder or folder in path.parents)
