"""The supervisor: starts workers, replaces those that die or hang, decides what they serve, and stops them all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Iterable

from service.errors import ConfigurationError, LecternError
from service.observability import Metrics, forget_process
from service.server.channel import Message
from service.server.control import write_error
from service.server.fleet import Fleet
from service.server.grpc_port import grpc_port
from service.server.listener import addresses, listening
from service.server.logs import start_log
from service.server.shared_metrics import shared_metrics
from service.server.worker_handle import WorkerHandle, kill_starter, prepare_to_start
from service.serving.repository import ModelRepository
from service.settings import Settings

log = logging.getLogger(__name__)

_STABLE_SECONDS = 1.0
"""A worker that served for so long is replaced at once."""
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_FAILED_STARTS = 3
"""After so many in a row, while no other worker serves, the server gives up."""
_EXIT_MARGIN_SECONDS = 5.0
"""What workers get beyond the time that draining may take, before they are killed."""


def serve_with_workers(settings: Settings) -> int:
    """Serve by `settings.workers` processes until a signal ends it.

    Returns:
        The exit code.

    Raises:
        ConfigurationError: the settings, the address or the models do not allow serving.
    """
    start_log(settings)
    with grpc_port(settings) as settings, listening(settings) as listeners, shared_metrics():
        prepare_to_start()
        asyncio.run(Supervisor(settings, listeners).run())
    log.info("stopped")
    return 0


class Supervisor:
    """Keeps a number of worker processes running, and decides which models they all serve.

    Args:
        settings: the settings of the service.
        listeners: the listening sockets that the workers share; the supervisor itself never accepts.
    """

    def __init__(self, settings: Settings, listeners: list[socket.socket]) -> None:
        self._settings = settings
        self._listeners = listeners
        self._addresses = addresses(listeners, settings)
        self._metrics = Metrics()
        # An unloaded model answers its last requests before the worker reports.
        seconds = settings.load_seconds + settings.deadline_seconds
        self._fleet = Fleet(settings.workers, seconds, self._restore_later)
        self._repository = ModelRepository(settings, self._fleet.publish)
        self._workers: set[WorkerHandle] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._announced = self._loaded = False

    async def run(self) -> None:
        """Run workers until a signal comes and the last one has ended.

        Raises:
            ConfigurationError: no model can be served, or no worker can be started; says why.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        keepers = [loop.create_task(self._keep(number + 1)) for number in range(self._settings.workers)]
        start = loop.create_task(self._start())
        try:
            await asyncio.gather(*keepers, start)
        except Exception:
            if not self._stopping.is_set():  # Else it is a consequence of the signal.
                raise
        finally:
            self._stopping.set()
            self._kill_all()
            await asyncio.gather(*keepers, return_exceptions=True)
            for task in (start, self._draining, *self._calls):
                if task is not None:
                    task.cancel()
            await self._repository.close()

    async def _start(self) -> None:
        """Prepare models, have the workers open them, and let these accept connections once one serves."""
        start = asyncio.get_running_loop().create_task(self._repository.begin())
        stopping = asyncio.get_running_loop().create_task(self._stopping.wait())
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._stopping.is_set():
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            return
        loading = start.result()
        self._fleet.open()
        log.info("listening", extra={"fields": {**self._addresses, "workers": self._settings.workers}})
        self._repository.watch()
        await asyncio.wait({loading})
        self._loaded = not loading.cancelled()
        self._announce()

    async def _keep(self, number: int) -> None:
        """Have one worker process at all times until the supervisor stops.

        Args:
            number: which of the workers it is, from 1.
        """
        short_lives = failed_starts = 0
        while not self._stopping.is_set():
            worker = WorkerHandle(number)
            served = await self._run_worker(worker)
            if self._stopping.is_set():
                return
            failed_starts = 0 if served else failed_starts + 1
            short_lives = 0 if worker.seconds_ready > _STABLE_SECONDS else short_lives + 1
            self._give_up_if_hopeless(worker, failed_starts)
            pause = 0.0 if short_lives < 2 else min(_LONGEST_PAUSE_SECONDS, 2.0 ** (short_lives - 2))
            self._report_end(worker, pause)
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _run_worker(self, worker: WorkerHandle) -> bool:
        """Start a worker and return once it has ended: whether it served."""
        self._workers.add(worker)
        served = False

        def handle(message: Message) -> None:
            nonlocal served
            if message["kind"] == "ready":
                served = True
                self._on_ready(worker)
            elif message["kind"] == "applied":
                self._fleet.take(worker, message)
            elif message["kind"] == "call":
                self._answer_later(worker, message)

        try:
            await worker.start(self._settings, self._listeners)
            if self._stopping.is_set():  # The signal came before it could be told.
                worker.kill()
            self._fleet.join(worker)
            await worker.listen(handle)
        except (OSError, EOFError) as error:
            worker.failure = f"a worker process cannot be started ({error or type(error).__name__})"
        finally:
            self._workers.discard(worker)
            self._fleet.leave(worker)
        if worker.pid is not None:
            forget_process(worker.pid)
        return served

    def _answer_later(self, worker: WorkerHandle, message: Message) -> None:
        """Load or unload a model for a worker that was asked to, and tell it the outcome."""

        async def answer() -> None:
            error = None
            try:
                if message["method"] == "load":
                    await self._repository.load(**message["arguments"])
                else:
                    await self._repository.unload(**message["arguments"])
            except Exception as raised:  # Whatever it is, the client must not wait for ever.
                if not isinstance(raised, LecternError):
                    log.exception("loading failed")
                error = write_error(raised)
            await worker.send("answer", call=message["call"], error=error)

        task = asyncio.get_running_loop().create_task(answer())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _restore_later(self, names: Iterable[str]) -> None:
        """Have models served by a worker that could not open them."""
        for name in names:
            task = asyncio.get_running_loop().create_task(self._repository.restore(name))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    def _on_ready(self, worker: WorkerHandle) -> None:
        log.info("worker ready", extra={"fields": {"worker": worker.number, "pid": worker.pid}})
        self._announce()

    def _announce(self) -> None:
        """Log that the start is complete, once all workers accept connections and all models are loaded or refused."""
        ready = sum(worker.ready for worker in self._workers) == self._settings.workers
        if self._loaded and ready and not self._announced:
            self._announced = True
            fields = {**self._addresses, "workers": self._settings.workers}
            log.info("serving", extra={"fields": fields})

    def _give_up_if_hopeless(self, worker: WorkerHandle, failed_starts: int) -> None:
        """Raise ConfigurationError if a worker cannot start and no other one serves."""
        if any(other.ready for other in self._workers):
            return
        if failed_starts >= (1 if worker.is_misconfigured else _MOST_FAILED_STARTS):
            reason = worker.failure or f"a worker process does not start: {worker.describe_end()['reason']}"
            raise ConfigurationError(reason)

    def _report_end(self, worker: WorkerHandle, pause: float) -> None:
        self._metrics.worker_deaths.inc()
        fields = {"worker": worker.number, "pid": worker.pid, **worker.describe_end(), "replaced_in_seconds": pause}
        log.error("worker died", extra={"fields": fields})

    def _on_signal(self, number: signal.Signals) -> None:
        if self._draining:  # The second one ends it at once.
            self._kill_all()
            return
        # Ctrl-C is meant for now: the socket closes at once, and what is in flight is finished.
        seconds = self._settings.drain_seconds if number == signal.SIGTERM else 0.0
        self._draining = asyncio.get_running_loop().create_task(self._drain(seconds))

    async def _drain(self, seconds: float) -> None:
        """Stop all workers.

        Args:
            seconds: how long they go on accepting connections.
        """
        log.info("draining", extra={"fields": {"seconds": seconds}})
        self._stopping.set()
        self._repository.stop()
        # The workers have duplicates. Once they close theirs too, the kernel refuses connections.
        for listener in self._listeners:
            listener.close()
        deadline = time.monotonic() + seconds + self._settings.shutdown_seconds + _EXIT_MARGIN_SECONDS
        drain = [worker.send("drain", seconds=seconds, by_all=True) for worker in list(self._workers)]
        await asyncio.gather(*drain)
        await asyncio.sleep(deadline - time.monotonic())
        log.error("workers did not stop in time and are killed", extra={"fields": {"workers": len(self._workers)}})
        self._kill_all()

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()
        kill_starter()  # It may hang, and with it the start of a worker.
