"""Better translations that callers suggest, kept in a file of JSON lines which all worker processes append to."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from service.errors import ConfigurationError, StorageFull
from service.limits import variable
from service.storage.file_lock import exclusive

_RETRY_SECONDS = 3600
"""The operator has to make room."""


class Suggestions:
    """A file of JSON objects, one a line.

    It is opened for each suggestion, so that the operator may move it away at any time.

    Args:
        path: the file, which is made if there is none.
        max_bytes: its largest size.

    Raises:
        ConfigurationError: it cannot be written.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        try:
            with self._opened():
                pass
        except OSError as error:
            raise ConfigurationError(
                f"{variable('suggestions')}={path}: cannot be written ({error.strerror}); name a file in a folder that "
                "this user can write"
            ) from error

    def add(self, suggestion: Mapping[str, str]) -> None:
        """Append a suggestion; the file is as it was if that fails. Blocks the thread.

        Raises:
            StorageFull: the file or the disk has no room for it.
            Saturated: another process holds the file.
        """
        line = orjson.dumps(suggestion) + b"\n"
        try:
            with self._opened() as descriptor, exclusive(descriptor):
                size = os.fstat(descriptor).st_size
                if size + len(line) > self._max_bytes:
                    raise StorageFull(
                        f"the file of suggestions has no room left ({variable('max_suggestions_bytes')}); tell the "
                        "operator",
                        _RETRY_SECONDS,
                    )
                _append(descriptor, line, size)
        except OSError as error:
            text = f"suggestions cannot be kept ({error.strerror}); tell the operator"
            raise StorageFull(text, _RETRY_SECONDS) from error

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        # Not blocking, or a pipe would be waited for.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "it is no plain file")
            yield descriptor
        finally:
            os.close(descriptor)


def _append(descriptor: int, line: bytes, size: int) -> None:
    """Append a line to a file of `size` bytes: all of it or nothing."""
    try:
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # A line that was cut off stays one of its own.
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
