"""What the tests of the service share: bundles with faults, an application without a socket, a model to hold."""

from __future__ import annotations

import asyncio
import gc
import io
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI
from PIL import Image

from service.app import create_app
from service.bundle.files import Bundle, read_bundle, write_bundle
from service.settings import Settings
from tests.support.bundles import classifier_graph, template, write_classifier
from tests.support.event_loop import run_async


def seconds_of(work: Callable[[], object], enough: float = 0.1) -> float:
    """The processor time that work takes: the best of up to three tries, of which one below `enough` is the last.

    Neither other threads, nor a busy machine, nor a collection of garbage counts.
    """
    seconds = []
    gc.disable()
    try:
        for _ in range(3):
            start = time.thread_time()
            work()
            seconds.append(time.thread_time() - start)
            if seconds[-1] < enough:
                break
    finally:
        gc.enable()
    return min(seconds)


class Gate:
    """Holds every run of a model while it is shut."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self._open = threading.Event()
        self._open.set()

    def shut(self) -> None:
        """From now on runs wait."""
        self.entered.clear()
        self._open.clear()

    def open(self) -> None:
        """Let the runs that wait and all others go on."""
        self._open.set()

    def go_through(self) -> None:
        """Called by the model."""
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
    config = uvicorn.Config(
        create_app(settings), lifespan="on", ws="none", log_config=None, timeout_graceful_shutdown=5
    )
    server = _NotifyingServer(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        assert server.up.wait(120), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


class _NotifyingServer(uvicorn.Server):
    """Tells when it is up, so that nobody has to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def picture(digit: int, kind: str = "PNG", *, size: int = 28) -> bytes:
    """A template as an image file; the tests' bundle takes white for ink."""
    image = Image.fromarray((template(digit) * 255).astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    image.save(stream, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return stream.getvalue()


def pixels(*digits: int) -> dict[str, Any]:
    """The JSON body of /v1/classify for templates."""
    return {"pixels": [template(digit).tolist() for digit in digits]}


def labels(answer: httpx.Response) -> list[str]:
    """The likeliest label of every image in an answer."""
    assert answer.status_code == 200, answer.text
    return [result["predictions"][0]["label"] for result in answer.json()["results"]]


def rewrite(bundle: Bundle, files: Mapping[str, bytes], repository: Path | None = None) -> Bundle:
    """The next version of a bundle, with some files replaced and every hash right."""
    old = {name: bundle.file(name).read_bytes() for name in bundle.manifest.files}
    return write_bundle(repository or bundle.path.parent.parent, bundle.manifest, {**old, **files})


def edit_samples(bundle: Bundle, change: Callable[[list[dict[str, Any]]], object]) -> Bundle:
    """The next version of a bundle, with other samples."""
    samples = orjson.loads(bundle.file("samples.json").read_bytes())["samples"]
    change(samples)
    return rewrite(bundle, {"samples.json": orjson.dumps({"samples": samples})})


def write_failing_classifier(repository: Path, name: str = "digits") -> Bundle:
    """A bundle that is whole and answers no sample: the graph fails on every ink."""
    good = read_bundle(write_classifier(repository.parent / f"source-of-{name}", name).path)
    return rewrite(good, {"model.onnx": classifier_graph(fails_above=0.5)}, repository)
