"""Files: their lines, and writing them atomically, so that after a kill there is the old content or the new."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

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
    """Open a stream whose content takes the place of `path` at the end of the `with`, unless an exception ends it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
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
