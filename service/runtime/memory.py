"""Memory that runs out, and returning free memory to the system.

glibc keeps what requests of many sizes allocated and freed, for every thread.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

# Options of mallopt(3), with their values, and the environment variables that set them too.
_OPTIONS = (
    # Heaps: by default eight per CPU, each of which grows to the largest run of its threads.
    (-8, 2, "MALLOC_ARENA_MAX"),
    # Blocks from this size on are returned as soon as they are freed; for smaller ones page faults would cost too much.
    (-3, 4 * 2**20, "MALLOC_MMAP_THRESHOLD_"),
    # Free memory at the end of a heap that is kept.
    (-1, 64 * 2**20, "MALLOC_TRIM_THRESHOLD_"),
)

_INTERVAL_SECONDS = 5.0
_MAX_GROWTH = 8 * 2**20
"""Bytes of growth since free memory was last returned after which it is returned again."""
_MOST_INTERVALS = 12
"""Intervals after which it is returned in any case: what was in use then may be free by now."""

_OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "failed to allocate memory")

_expected = threading.Event()


def limit_heap() -> None:
    """Set the C library's allocator up to keep little memory that is free; must be called before threads start.

    Does nothing where the library is not glibc. Environment variables of glibc win.
    """
    library = _glibc()
    if library is not None:
        for option, value, variable in _OPTIONS:
            if variable not in os.environ:
                library.mallopt(option, value)


def expect_free_memory() -> None:
    """Note that much was freed: `keep_returning_memory` returns it at its next look."""
    _expected.set()


def return_free_memory() -> None:
    """Return the pages that hold nothing to the system; takes milliseconds."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def keep_returning_memory(interval: float = _INTERVAL_SECONDS) -> threading.Event:
    """Return free memory from time to time, in a thread that ends with the process.

    Args:
        interval: seconds between looks at the size of the process.

    Returns:
        An event that ends the thread.
    """
    stop = threading.Event()
    if _glibc() is not None:
        threading.Thread(target=_watch, args=(stop, interval), name="memory", daemon=True).start()
    return stop


def _watch(stop: threading.Event, interval: float) -> None:
    least, passed = 0, 0
    while not stop.wait(interval):
        passed += 1
        if _expected.is_set() or resident_bytes() > least + _MAX_GROWTH or passed == _MOST_INTERVALS:
            _expected.clear()
            return_free_memory()
            least, passed = resident_bytes(), 0
        least = min(least, resident_bytes())


def resident_bytes() -> int:
    """Memory of this process that is resident."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


def known_resident_bytes() -> int | None:
    """The same; None where the system does not tell."""
    try:
        return resident_bytes()
    except OSError:  # There is no /proc on macOS.
        return None


@cache  # Each `CDLL` leaves a cycle of objects behind.
def _glibc() -> Any:
    """The C library, if it is glibc."""
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error says that memory ran out; onnxruntime says so in the text of its errors only."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError) or any(phrase in text for phrase in _OUT_OF_MEMORY):
            return True
        error = error.__cause__
    return False
