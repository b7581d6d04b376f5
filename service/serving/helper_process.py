"""The helper process: prepares versions in processes that can be killed, with a deadline and a memory limit.

The helper process has imported what preparing needs, and forks a child for each job, which costs milliseconds. It
answers nothing itself, so it cannot hang. It runs `service.serving.helper_main`: as a fork of a server that has
imported the same, or else as a Python of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any

import orjson

from service.bundle.files import BundleError
from service.limits import variable
from service.runtime.imports import import_settings
from service.serving.child_processes import (
    Lost,
    Process,
    has_ended,
    lower_priority,
    runs,
    unless_stopped,
    without_signals,
)
from service.serving.preparation_answer import PreparationFailure, read_answer
from service.serving.preparation_job import PreparationJob, Verification
from service.serving.states import PreparedVersion

log = logging.getLogger(__name__)

_START_SECONDS = 60.0
"""Time that the helper process gets for its own start, on top of the deadline of a load."""
_PATIENCE_SECONDS = 5.0
"""A preparation that takes longer leaves the CPU to others: it may never end."""
_IDLE_SECONDS = 60.0
"""The helper process ends after this time without a job."""


class HelperProcess:
    """Runs preparations in child processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._socket: socket.socket | None = None
        self._jobs = 0
        self._idle: threading.Timer | None = None

    def start(self) -> None:
        """Start the process now, so that it is ready when the first job comes."""
        with self._lock:
            if self._process is None:
                self._start()

    def fork(self) -> None:
        """Start the process as a fork of this one, which has imported what preparing needs; else as `start`.

        To be called before this process starts threads.
        """
        if sys.platform != "linux":  # Elsewhere libraries start threads of their own, which a fork does not survive.
            self.start()
            return
        with self._lock:
            if self._process is None:
                from service.serving import helper_main

                ours, theirs = socket.socketpair()
                with theirs, without_signals():
                    process = multiprocessing.get_context("fork").Process(
                        target=helper_main.run_as_fork, args=(theirs, ours), name="helper", daemon=True
                    )
                    process.start()
                    self._process = process
                self._connect(ours)

    async def prepare(
        self, job: PreparationJob, *, seconds: float, memory_bytes: int, niceness: int = 0
    ) -> PreparedVersion:
        """Prepare a version in a child process. When cancelled, the child is killed.

        Where somebody stops or kills one of the processes, it is replaced and the job is tried once more.

        Args:
            job: what to prepare.
            seconds: after this time the child is killed.
            memory_bytes: the memory that the child may take.
            niceness: how much lower the child's priority is than that of the server.

        Raises:
            BundleError: the bundle is bad, takes too long or too much memory.
            ConfigurationError: the settings do not allow serving it.
            PreparationFailure: another error, or the child died.
        """
        document = await self._run("prepare", job, seconds, memory_bytes, niceness)
        return PreparedVersion.model_validate(document["prepared"])

    async def verify(self, job: PreparationJob, *, seconds: float, memory_bytes: int) -> Verification:
        """Compare the answers of a bundle to its stored samples in a child process; limits and errors as `prepare`."""
        document = await self._run("verify", job, seconds, memory_bytes, niceness=0)
        return Verification.model_validate(document["verified"])

    async def _run(
        self, action: str, job: PreparationJob, seconds: float, memory_bytes: int, niceness: int
    ) -> dict[str, Any]:
        """Have a child process do a job, and return what it answers."""
        request = {
            "action": action,
            "job": job.model_dump(mode="json"),
            "seconds": seconds,
            "memory_bytes": memory_bytes,
            "niceness": niceness,
        }
        with self._job():
            for is_last in (False, True):
                try:
                    answer = await self._ask(orjson.dumps(request), job, seconds)
                    if answer or is_last:
                        return read_answer(answer, job, memory_bytes)
                    reason = "the process that tried it was killed"
                except Lost as lost:
                    reason = str(lost)
                    if is_last:
                        raise PreparationFailure(f"{job.path}: twice {reason}; load the model again") from lost
                fields = {"model": job.path.parent.name, "version": job.path.name, "reason": reason}
                log.warning("preparation is tried once more", extra={"fields": fields})
        raise AssertionError

    def close(self) -> None:
        """End the helper process and its children."""
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            self._end()

    async def _ask(self, request: bytes, job: PreparationJob, seconds: float) -> bytes:
        """Send a request, and read all that its child writes until it ends."""
        receiver, sender = os.pipe()
        child: int | None = None
        patience: asyncio.TimerHandle | None = None
        stream = asyncio.StreamReader(limit=2**26)
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(receiver, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        try:
            try:
                helper = await asyncio.to_thread(self._send, request, sender)
            finally:
                os.close(sender)
            child = await self._child(stream, helper)
            if child is None:
                return b""
            patience = loop.call_later(_PATIENCE_SECONDS, lower_priority, child)
            async with asyncio.timeout(seconds):
                answer = await unless_stopped(stream.read(), child)
            if not answer and await has_ended(helper):
                raise Lost("the process that prepares models was killed")  # Its children end with it.
            return answer
        except TimeoutError as error:
            raise BundleError(
                f"{job.path}: was not ready after {seconds:g} s, the limit for loading ({variable('load_seconds')})"
            ) from error
        finally:
            if patience is not None:
                patience.cancel()
            if child and not stream.at_eof():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            transport.close()

    async def _child(self, stream: asyncio.StreamReader, helper: Process) -> int | None:
        """The child that works on a job; None if it was killed. A helper process that starts none is ended."""
        reason = "the process that prepares models was killed"
        try:
            async with asyncio.timeout(_START_SECONDS):
                if line := await unless_stopped(stream.readline(), helper.pid):
                    return int(line)
            if not await has_ended(helper):
                return None
        except TimeoutError:
            reason = "the process that prepares models did not answer"
        except Lost as lost:
            reason = str(lost)
        await asyncio.to_thread(self._end_lost, helper)
        raise Lost(reason)

    def _end_lost(self, helper: Process) -> None:
        with self._lock:
            if self._process is helper:
                self._end()

    def _send(self, request: bytes, sender: int) -> Process:
        """Hand a request to the helper process, which is started where it does not run."""
        with self._lock:
            for attempt in (1, 2):
                if self._process is None or self._socket is None or not runs(self._process):
                    self._end()
                    self._start()
                assert self._process is not None
                assert self._socket is not None
                try:
                    socket.send_fds(self._socket, [len(request).to_bytes(4, "big")], [sender])
                    self._socket.sendall(request)
                    return self._process
                except OSError:
                    self._end()
                    if attempt == 2:
                        raise
        raise AssertionError

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "service.serving.helper_main", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **import_settings()},
            )
        self._connect(ours)

    def _connect(self, end: socket.socket) -> None:
        end.settimeout(_START_SECONDS)
        self._socket = end

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.join() if isinstance(self._process, BaseProcess) else self._process.wait()
        self._socket = self._process = None

    @contextlib.contextmanager
    def _job(self) -> Iterator[None]:
        """Count a job, and end the helper process some time after the last one."""
        with self._lock:
            self._jobs += 1
            if self._idle is not None:
                self._idle.cancel()
        try:
            yield
        finally:
            with self._lock:
                self._jobs -= 1
                self._idle = threading.Timer(_IDLE_SECONDS, self._rest)
                self._idle.daemon = True
                self._idle.start()

    def _rest(self) -> None:
        with self._lock:
            if not self._jobs:
                self._end()


_shared: HelperProcess | None = None


def shared_helper() -> HelperProcess:
    """The helper process of this process; it starts with the first job."""
    global _shared
    if _shared is None:
        _shared = HelperProcess()
    return _shared
