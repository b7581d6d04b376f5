"""The helper process: prepares versions in processes that can be killed, with a deadline and a memory limit.

The helper process has imported what preparing needs, and forks a child for each job, which costs milliseconds. It
answers nothing itself, so it cannot hang. It runs `service.serving.helper_main`: as a fork of a server that has
imported the same, or else as a Python of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import orjson

from service.bundle.files import BundleError
from service.errors import ConfigurationError, NotReady
from service.limits import variable
from service.runtime.imports import import_settings
from service.serving.preparation_job import PreparationJob
from service.serving.states import PreparedVersion

_START_SECONDS = 60.0
"""Time that the helper process gets for its own start, on top of the deadline of a load."""
_PATIENCE_SECONDS = 5.0
"""A preparation that takes longer leaves the CPU to others: it may never end."""
_LOW_PRIORITY = 10
_IDLE_SECONDS = 60.0
"""The helper process ends after this time without a job."""


class PreparationFailure(Exception):
    """A preparation that failed in a way that nobody foresaw; `traceback` is for the log."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class HelperProcess:
    """Runs preparations in child processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | BaseProcess | None = None
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
                with theirs:
                    self._process = multiprocessing.get_context("fork").Process(
                        target=helper_main.run_as_fork, args=(theirs, ours), name="helper", daemon=True
                    )
                    self._process.start()
                self._connect(ours)

    async def prepare(
        self, job: PreparationJob, *, seconds: float, memory_bytes: int, niceness: int = 0
    ) -> PreparedVersion:
        """Prepare a version in a child process. When cancelled, the child is killed.

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
        request = {
            "job": job.model_dump(mode="json"),
            "seconds": seconds,
            "memory_bytes": memory_bytes,
            "niceness": niceness,
        }
        with self._job():
            answer = await self._ask(orjson.dumps(request), job, seconds)
        return _read(answer, job, memory_bytes)

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
                await asyncio.to_thread(self._send, request, sender)
            finally:
                os.close(sender)
            async with asyncio.timeout(_START_SECONDS):
                child = int(await stream.readline() or b"0")
            patience = loop.call_later(_PATIENCE_SECONDS, _lower_priority, child)
            async with asyncio.timeout(seconds):
                return await stream.read()
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

    def _send(self, request: bytes, sender: int) -> None:
        """Hand a request to the helper process, which is started where it does not run."""
        with self._lock:
            for attempt in (1, 2):
                if self._process is None or self._socket is None or not _runs(self._process):
                    self._start()
                assert self._socket is not None
                try:
                    socket.send_fds(self._socket, [len(request).to_bytes(4, "big")], [sender])
                    self._socket.sendall(request)
                    return
                except OSError:
                    self._end()
                    if attempt == 2:
                        raise

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


def _lower_priority(child: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # It has just ended, or this is not Unix.
        os.setpriority(os.PRIO_PROCESS, child, _LOW_PRIORITY)


def _runs(process: subprocess.Popen[bytes] | BaseProcess) -> bool:
    return process.is_alive() if isinstance(process, BaseProcess) else process.poll() is None


def _read(answer: bytes, job: PreparationJob, memory_bytes: int) -> PreparedVersion:
    """Turn what a child wrote into its result, or raise its error."""
    if not answer:
        raise BundleError(
            f"{job.path}: the process that tried it was killed; it may have taken all memory "
            f"(the limit is {memory_bytes} bytes, {variable('load_memory_bytes')})"
        )
    document = orjson.loads(answer)
    text = document.get("error")
    match document["kind"]:
        case "prepared":
            return PreparedVersion.model_validate(document["prepared"])
        case "bundle":
            raise BundleError(text)
        case "configuration":
            raise ConfigurationError(text)
        case "memory":
            raise BundleError(
                f"{job.path}: loading takes over {memory_bytes} bytes of memory, the limit "
                f"({variable('load_memory_bytes')})"
            )
        case "service":
            raise NotReady(text)
    raise PreparationFailure(text, document.get("traceback", ""))


_shared: HelperProcess | None = None


def shared_helper() -> HelperProcess:
    """The helper process of this process; it starts with the first job."""
    global _shared
    if _shared is None:
        _shared = HelperProcess()
    return _shared
