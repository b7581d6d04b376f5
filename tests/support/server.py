"""Applications with and without a socket, and a gate that holds the runs of their models."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
from fastapi import FastAPI

from service.app import Lectern, create_app
from service.server.server import Server
from service.settings import Settings
from tests.support.event_loop import run_async


class Gate:
    """Blocks every run of a model while it is shut."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()
        self._open.set()

    def shut(self) -> None:
        """Make runs wait from now on."""
        self.entered.clear()
        self._open.clear()

    def open(self) -> None:
        """Let waiting and later runs proceed."""
        self._open.set()

    def go_through(self) -> None:
        """Wait until the gate is open; called at the start of every run."""
        self.entered.set()
        assert self._open.wait(60), "nobody opened the gate"

    async def wait_entered(self) -> None:
        """Wait until a run has begun."""
        assert await asyncio.to_thread(self.entered.wait, 60), "no run began"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
    """An application whose models are loaded, and a client of it; no socket, no threads but the models'."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lectern") as client:
            yield client, app


def run_with_client(test: Callable[[httpx.AsyncClient], Awaitable[None]], settings: Settings) -> None:
    """Run a test with a client of an application without a socket."""

    async def main() -> None:
        async with serving(settings) as (client, _):
            await test(client)

    run_async(main())


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """Serve in a thread on a free port until the block ends."""
    # asyncio sends answers at once only where the socket says that it is TCP's; else each waits for the one before to
    # be acknowledged, 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    server = _NotifyingServer(create_app(settings), settings)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        assert server.up.wait(120), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


class _NotifyingServer(Server):
    """A server with an event that is set once it accepts connections."""

    def __init__(self, app: Lectern, settings: Settings) -> None:
        super().__init__(app, settings)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()
