"""KeyFile: the file of API keys, read again when it changes."""

from __future__ import annotations

import logging
import os
import stat
import time
from pathlib import Path

from service.access.keys import ApiKey, KeyRing, parse_keys
from service.errors import ConfigurationError
from service.limits import variable

log = logging.getLogger(__name__)

_CHECK_SECONDS = 1.0
"""A change of the file counts after this time at the latest."""
_MAX_BYTES = 16 << 20


class KeyFile:
    """The API keys of a file. A changed file is read within a second; while it is bad, the keys from before hold.

    Args:
        path: the file.

    Raises:
        ConfigurationError: it cannot be read, or others can write it, or a line is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state: tuple[int, ...] | None = None
        try:
            self._state = _state(path)
            self._keys = KeyRing(read_keys(path))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{variable('api_keys')}={path}: {_reason(error)}") from error
        self._check_at = time.monotonic() + _CHECK_SECONDS
        if not self._keys:
            log.warning("the key file holds no key: every request is refused", extra={"fields": {"file": str(path)}})

    def find(self, text: str) -> ApiKey | None:
        """The key that is written `text`; None if the file has none such."""
        now = time.monotonic()
        if now >= self._check_at:
            self._check_at = now + _CHECK_SECONDS
            self._refresh()
        return self._keys.find(text)

    def _refresh(self) -> None:
        fields = {"file": str(self._path)}
        try:
            state = _state(self._path)
            if state == self._state:
                return
            self._state = state
            self._keys = KeyRing(read_keys(self._path))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):
                if self._state is None:
                    return  # Reported when it began.
                self._state = None
            fields["reason"] = _reason(error)
            log.error("key file not read: the keys from before hold", extra={"fields": fields})
        else:
            log.info("key file read again", extra={"fields": {**fields, "keys": len(self._keys)}})


def read_keys(path: Path) -> list[ApiKey]:
    """Read a key file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no plain file, others can write it, or a line is wrong.
    """
    information = path.stat()
    if not stat.S_ISREG(information.st_mode):
        raise ValueError("is no plain file")
    if information.st_mode & stat.S_IWOTH:
        raise ValueError(f"everybody can write it, and so let himself in; run `chmod o-w {path}`")
    if information.st_size > _MAX_BYTES:
        raise ValueError(f"is larger than {_MAX_BYTES} bytes")
    try:
        return parse_keys(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: is not UTF-8") from None


def _state(path: Path) -> tuple[int, ...]:
    """What changes with every change of the file."""
    information = os.stat(path)
    return (
        information.st_mtime_ns,
        information.st_ctime_ns,
        information.st_size,
        information.st_ino,
        information.st_mode,
    )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist; make a key with `lectern keys new NAME --scope infer --file FILE`"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror}); make it readable for the user of the server"
    return str(error)
