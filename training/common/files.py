"""Files: their lines, and writing them atomically, so that after a kill or on a full disk there is the old content or
the new."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from service.bundle.write_errors import attribute_write_errors

_SEPARATOR = re.compile(r"[ \t\r]+")


def split_lines(text: str) -> list[str]:
    """The lines of a text, which end with LF or CR LF.

    `str.splitlines` also splits at characters that may be part of a word, such as U+0085 and U+2028.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def split_fields(line: str) -> list[str]:
    """The fields of a line with spaces or tabs between.

    Other white space, such as U+00A0 or U+3000, is part of a field.
    """
    return [field for field in _SEPARATOR.split(line) if field]


@contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """Open a stream whose content takes the place of `path` at the end of the `with`, unless an exception ends it.

    Raises:
        OSError: the file cannot be written; it names `path`.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with attribute_write_errors(path, temporary=partial):
            with partial.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_writer(path) as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_text(path: Path, text: str) -> None:
    """Append UTF-8 text to a file as a whole: if it cannot be written, the file is as it was.

    Raises:
        OSError: the file cannot be written; it names `path`.
    """
    content = text.encode()
    with attribute_write_errors(path), path.open("ab", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        try:
            while content:
                content = content[stream.write(content) :]
        except OSError:
            stream.truncate(size)
            raise


def new_memory_map(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> "np.memmap[Any, Any]":
    """Create a `.npy` file that is written through memory, with its whole space reserved.

    Where space is not reserved, a disk that becomes full ends the process with SIGBUS.

    Raises:
        OSError: there is no space for it; it names `path`.
    """
    with attribute_write_errors(path):
        mapped: np.memmap[Any, Any] = np.lib.format.open_memmap(path, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):  # Not on macOS.
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
        return mapped
