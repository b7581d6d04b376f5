"""What commands print, whatever the encoding of the output is and whatever a bundle holds."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping

from service.errors import ConfigurationError


def open_standard_streams() -> None:
    """Open those of standard input, output and error that whoever started the command has closed.

    Else the next files and sockets would get their numbers, and be taken for them by child processes.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest free number is this one.


class TextFormatter(logging.Formatter):
    """Formats a record of the log for people: the message, and `extra={"fields": {...}}` in parentheses."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            text += f" ({'; '.join(f'{name}: {value}' for name, value in fields.items())})"
        lines = [f"lectern: {printable(text)}"]
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        return "\n".join(lines)


def log_as_text() -> None:
    """Print warnings and errors of the log on standard error as text, until `configure_logging` makes them JSON."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(TextFormatter())


def write(text: str) -> None:
    """Print lines at once. Characters that the encoding of the output does not have are escaped.

    Raises:
        ConfigurationError: the output cannot be written, as on a full disk.
        BrokenPipeError: nobody reads it any more.
    """
    if sys.stdout is None:  # Closed by whoever started the command.
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise ConfigurationError(f"the output cannot be written ({error.strerror or error})") from error


def discard_output() -> None:
    """Let nothing more be written: what is still buffered would fail again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """A text in one line without control characters, which could steer the terminal or feign other lines."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
