"""One worker process as its supervisor sees it: started, listened to, and killed when it falls silent."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from service.errors import ConfigurationError
from service.runtime.imports import import_settings
from service.server.channel import Channel, Message
from service.settings import Settings

HEARTBEAT_SECONDS = 0.5
"""How often a worker's event loop sends a sign of life."""
SILENCE_SECONDS = 4.5
"""A worker that sends nothing for so long is hung or stopped; heartbeats included it is found within 5 s."""
START_SECONDS = 120.0
"""Maximum silence of a worker that imports its modules."""
_EXIT_SECONDS = 5.0
"""Maximum time from the end of a worker's channel to the end of its process."""
_POLL_SECONDS = 0.02

# Forked from a process that has imported everything and runs no threads, a worker costs milliseconds instead of
# seconds. Where fork is not safe (macOS), each is a fresh interpreter.
if sys.platform == "linux":
    _CONTEXT = multiprocessing.get_context("forkserver")
else:
    _CONTEXT = multiprocessing.get_context("spawn")


def prepare_to_start() -> None:
    """Start the process that workers are forked from, so that it imports while the supervisor does other things.

    Raises:
        ConfigurationError: its socket has no folder whose name is short enough (108 bytes with the socket's name).
    """
    if sys.platform == "linux":
        from multiprocessing import forkserver

        os.environ.update(import_settings())  # For this process and the one that replaces it if it hangs.
        _CONTEXT.set_forkserver_preload(["service.server.preload"])
        try:
            forkserver.ensure_running()
        except OSError as error:
            raise ConfigurationError(
                f"the workers' socket cannot be made in the temporary folder {tempfile.gettempdir()!r} ({error}): "
                "set TMPDIR to another folder with a short name, or LECTERN_WORKERS=1"
            ) from error


def kill_starter() -> None:
    """Kill the process that workers are forked from, if it was started: it hangs. The next start makes a new one."""
    if sys.platform == "linux":
        from multiprocessing import forkserver

        pid: int | None = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class WorkerHandle:
    """A worker process and the channel to it.

    Args:
        number: which of the workers it is, from 1.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.ready = False
        """Whether it accepts connections."""
        self.hung = False
        """Whether it was killed because it was silent."""
        self.failure = ""
        """Why it could not start, or is to be replaced."""
        self.is_misconfigured = False
        """Whether it said itself that it cannot start: the next one could not either."""
        self.may_serve = False
        """Whether it was told to accept connections."""
        self.applied = 0
        """The number of the newest state of the repository that it serves."""
        self.answers: dict[int, asyncio.Future[dict[str, str] | None]] = {}
        """What is waited for, by the number of the state: why it does not serve it, or None if it ended."""
        self._posting: set[asyncio.Task[None]] = set()
        self._process: BaseProcess | None = None
        self._channel: Channel | None = None
        self._ready_since: float | None = None
        self._limit = START_SECONDS
        """Maximum silence at present."""
        self._heard = False

    async def start(self, settings: Settings, listeners: list[socket.socket]) -> None:
        """Start the process.

        Args:
            settings: the settings of the service.
            listeners: the listening sockets, of which the worker gets duplicates.
        """
        from service.server import worker_entry

        own, other = socket.socketpair()
        with other:
            process = _CONTEXT.Process(
                target=worker_entry.run, args=(settings, listeners, other), name=f"worker-{self.number}", daemon=True
            )
            # In a thread, since it waits for the process that forks to have imported everything.
            starting = asyncio.create_task(asyncio.to_thread(process.start))
            try:
                await asyncio.wait({starting}, timeout=START_SECONDS)
                if not starting.done():
                    kill_starter()
                await starting
            except BaseException:
                own.close()
                raise
        self._process, self._channel = process, Channel(own)

    @property
    def pid(self) -> int | None:
        """Its process id, once it was started."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, minus the signal's number if one ended it; None while it runs."""
        return self._process.exitcode if self._process else None

    @property
    def seconds_ready(self) -> float:
        """Seconds since it began to accept connections; 0 if it never did."""
        return 0.0 if self._ready_since is None else time.monotonic() - self._ready_since

    async def send(self, kind: str, **fields: object) -> None:
        """Send it a message; without effect before its start and after its end."""
        if self._channel:
            await self._channel.send(kind, **fields)

    def post(self, kind: str, **fields: object) -> None:
        """Send it a message without waiting until it is sent."""
        task = asyncio.get_running_loop().create_task(self.send(kind, **fields))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def listen(self, handle: Callable[[Message], None]) -> None:
        """Handle its messages until it has ended; kill it if it falls silent.

        Args:
            handle: called with every message that is not about the worker's own state.
        """
        assert self._channel
        missed = 0
        while missed < 2:
            # Half of the time twice: after a time in which this process itself was stopped, the first half has passed
            # at once, and the heartbeats come in the second.
            try:
                async with asyncio.timeout(self._limit / 2):
                    message = await self._channel.receive()
            except TimeoutError:
                missed += 1
                continue
            if message is None:
                break
            missed = 0
            self._take(message, handle)
        self.hung = missed == 2
        if self.hung:
            self.kill()
        await self._end()

    def _take(self, message: Message, handle: Callable[[Message], None]) -> None:
        kind = message["kind"]
        if kind == "busy":  # It opens a model, which may hold its event loop.
            self._limit = max(SILENCE_SECONDS, message["seconds"])
        elif kind == "idle" or not self._heard:
            self._limit = SILENCE_SECONDS
        self._heard = True
        if kind == "failed":
            self.failure, self.is_misconfigured = message["reason"], True
        elif kind not in ("heartbeat", "busy", "idle"):
            if kind == "ready":
                self.ready, self._ready_since = True, time.monotonic()
            handle(message)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        # By its id: `Process.kill` does nothing once the process that forked it has died.
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def _end(self) -> None:
        """Wait for the end of a process whose channel is closed."""
        assert self._channel
        deadline = time.monotonic() + _EXIT_SECONDS
        while self.exit_code is None:
            if time.monotonic() > deadline:
                self.kill()
                deadline = float("inf")
            await asyncio.sleep(_POLL_SECONDS)
        self.ready = False
        self._channel.close()

    def describe_end(self) -> dict[str, object]:
        """How it ended, as fields of a log line."""
        code = self.exit_code
        if self.hung:
            return {"reason": f"no sign of life for {SILENCE_SECONDS:g} s, so it was killed"}
        if self.failure:
            return {"exit_code": code, "reason": self.failure}
        if code is not None and code < 0:
            return {"signal": signal.Signals(-code).name, "reason": f"ended by {signal.Signals(-code).name}"}
        return {"exit_code": code, "reason": f"exit code {code}"}
