"""Child processes: forking one, and what has become of it: it runs, has ended, or somebody stopped it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Iterator
from multiprocessing.process import BaseProcess

Process = subprocess.Popen[bytes] | BaseProcess

_LOW_PRIORITY = 10
_LOOK_SECONDS = 0.25
"""A process that is stopped at two looks in a row is given up."""


_ENDING = (signal.SIGINT, signal.SIGTERM)


class Lost(Exception):
    """A process was stopped or killed from outside, which says nothing about its work."""


@contextlib.contextmanager
def without_signals() -> Iterator[None]:
    """Hold back the signals that end a process while it forks, as Python drops what a handler raises in that moment.

    The child begins with them held back too; it lets them come with `allow_signals`. Unix only.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def allow_signals() -> None:
    """Let the signals come that `without_signals` held back when this process was forked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


async def unless_stopped(reading: Awaitable[bytes], writer: int | None) -> bytes:
    """What is read from a process.

    Args:
        reading: reads it.
        writer: the number of the process; None if it is not known.

    Raises:
        Lost: the process is stopped, as by SIGSTOP, before that.
    """
    task = asyncio.ensure_future(reading)
    looks = 0
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
            looks = looks + 1 if not task.done() and writer and _is_stopped(writer) else 0
            if looks == 2:  # After the first one, this process itself may have been stopped with the other.
                raise Lost("the process that prepares models was stopped")
        return task.result()
    finally:
        task.cancel()


def _is_stopped(pid: int) -> bool:
    """Whether a process is stopped; never where there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return fields[:1] == [b"T"]


async def has_ended(process: Process) -> bool:
    """Whether a process has ended; its child may have ended a moment before it."""
    for _ in range(10):
        if not runs(process):
            return True
        await asyncio.sleep(0.02)
    return False


def lower_priority(child: int) -> None:
    """Have a process leave the CPU to others."""
    with contextlib.suppress(OSError, AttributeError):  # It has just ended, or this is not Unix.
        os.setpriority(os.PRIO_PROCESS, child, _LOW_PRIORITY)


def runs(process: Process) -> bool:
    """Whether a process has not ended."""
    return process.is_alive() if isinstance(process, BaseProcess) else process.poll() is None
