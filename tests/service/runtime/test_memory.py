"""The process returns free memory to the system; its C library keeps little of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.runtime import memory

_GLIBC = pytest.mark.skipif(memory._glibc() is None, reason="the C library is not glibc")

_FILL = """
import ctypes, threading, time
from service.runtime import memory
memory.limit_heap()
stop = memory.keep_returning_memory(interval=0.05)
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
blocks = [library.malloc(8000) for _ in range(20_000)]
for block in blocks:
    ctypes.memset(block, 1, 8000)
kept = blocks.pop()  # keeps the heap from shrinking at its end
full = memory.resident_bytes()
for block in blocks:
    library.free(block)
deadline = time.monotonic() + 30
while memory.resident_bytes() > full - 100e6 and time.monotonic() < deadline:
    time.sleep(0.05)
stop.set()
print(round((full - memory.resident_bytes()) / 1e6))
"""


@_GLIBC
def test_free_memory_is_returned() -> None:
    result = subprocess.run([sys.executable, "-c", _FILL], capture_output=True, text=True, check=True)
    assert int(result.stdout) >= 100


@_GLIBC
def test_threads_share_two_heaps() -> None:
    program = """
import ctypes, threading
from service.runtime import memory
memory.limit_heap()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
heaps, barrier = set(), threading.Barrier(8)
def allocate():
    barrier.wait()
    for _ in range(100):
        heaps.add(library.malloc(1000) >> 26)  # the heaps of threads begin at multiples of 64 MB
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(heaps))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(result.stdout) <= 3  # the main heap may lie across such a multiple


@_GLIBC
def test_variables_of_the_c_library_win(monkeypatch: pytest.MonkeyPatch) -> None:
    options: list[int] = []

    class Library:
        """Records what is set."""

        def mallopt(self, option: int, value: int) -> None:
            """Record an option."""
            options.append(option)

    monkeypatch.setattr(memory, "_glibc", Library)
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    memory.limit_heap()
    assert options == [-3, -1]
