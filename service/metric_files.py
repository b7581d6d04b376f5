"""Values of metrics in the files that worker processes share, where there is room for them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger(__name__)

_FIRST_BYTES = 1 << 16
"""Size of a new file; it doubles when it is full."""
_MOST_BYTES_OF_A_VALUE = 64
"""What a value takes beside its key: the length, the padding, the value and its time."""


class MetricFile:
    """Values by key in a file that is mapped into memory; those for which there is no room are this process's alone.

    Writing to a page of a mapped file for which the disk has no room ends the process with SIGBUS. So the room is taken
    before the file is mapped.

    Args:
        filename: the file, which this process alone writes.
    """

    def __init__(self, filename: str) -> None:
        self._filename = filename
        self._unshared: dict[str, tuple[float, float]] = {}
        self._known: set[str] = set()
        self._warned = False
        self._file: MmapedDict | None = None
        path = Path(filename)
        if self._take_room(path.stat().st_size if path.exists() else 0, _FIRST_BYTES):
            self._file = MmapedDict(filename)  # type: ignore[no-untyped-call]
            self._known = {key for key, _, _ in self._file.read_all_values()}  # type: ignore[no-untyped-call]

    def read_value(self, key: str) -> tuple[float, float]:
        """A value and its time; both 0 if it is new."""
        if self._file is None or not self._has_room(key):
            return self._unshared.setdefault(key, (0.0, 0.0))
        return self._file.read_value(key)  # type: ignore[no-untyped-call, no-any-return]

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Set a value and its time."""
        if self._file is None or not self._has_room(key):
            self._unshared[key] = (value, timestamp)
        else:
            self._file.write_value(key, value, timestamp)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()  # type: ignore[no-untyped-call]

    def _has_room(self, key: str) -> bool:
        """Whether a value is in the file, or fits into it."""
        if key in self._known:
            return True
        if key in self._unshared:
            return False
        assert self._file is not None
        used: int = self._file._used
        size: int = self._file._capacity
        larger = size
        while used + len(key.encode()) + _MOST_BYTES_OF_A_VALUE > larger:
            larger *= 2
        if not self._take_room(size, larger):
            return False
        self._known.add(key)
        return True

    def _take_room(self, size: int, larger: int) -> bool:
        """Have the disk keep room for the file to grow; False, and the file as it was, where it has none."""
        if larger <= size:
            return True
        try:
            with open(self._filename, "ab", buffering=0) as stream:
                while stream.tell() < larger:  # A write may take only a part.
                    stream.write(bytes(larger - stream.tell()))
        except OSError as error:
            if size:
                os.truncate(self._filename, size)
            else:
                Path(self._filename).unlink(missing_ok=True)
            if not self._warned:
                self._warned = True
                fields = {"file": self._filename, "reason": error.strerror}
                log.warning("metrics are incomplete: no room for their file", extra={"fields": fields})
            return False
        return True


def use_metric_files() -> None:
    """Have prometheus_client keep what several processes share in files of this kind."""
    values.MmapedDict = MetricFile  # type: ignore[attr-defined, assignment]
