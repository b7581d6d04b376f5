"""Retired models and failed requests are freed at once, by reference counts alone, without any collection."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.types import ASGIApp

from service.api.events import EventStream
from service.bundle.files import Bundle
from service.server.protocol import HttpConnection
from service.serving.registry import ModelRegistry
from service.settings import Settings
from tests.support.asgi import Caller
from tests.support.classifier_bundles import write_classifier
from tests.support.classify_requests import pixels
from tests.support.event_loop import run_async
from tests.support.server import running, serving
from tests.support.tagger_bundles import write_tagger
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

WRITERS: dict[str, tuple[Callable[[Path], Bundle], str, dict[str, Any], dict[str, Any]]] = {
    "digits": (write_classifier, "/v1/classify", pixels(7), {"pixels": [[1, 2]]}),
    "tagger": (write_tagger, "/v1/tag", {"text": "the dog sleeps ."}, {"tokens": [[""]]}),
    "words": (write_words, "/v1/neighbors", {"words": ["king"]}, {"words": ["king"], "k": 100_000}),
    "translator": (write_translator, "/v1/translate", {"text": "The dog sleeps."}, {"text": "a", "beam_size": 99}),
}


@pytest.fixture
def no_collection() -> Iterator[None]:
    """No garbage collection while the test runs."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def garbage(no_collection: None) -> Callable[[], list[str]]:
    """Tells the types of the service whose objects only a garbage collection can free."""

    def types() -> list[str]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
            names = {f"{type(item).__module__}.{type(item).__qualname__}" for item in gc.garbage}
            return sorted(name for name in names if name.startswith("service."))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.collect()

    return types


def _parts(registry: ModelRegistry) -> list[weakref.ref[Any]]:
    """The only model, its lane, its predictor and its sessions."""
    (served,) = registry.serving()
    parts = [served, served._lane, served.predictor, *served.predictor.sessions.values()]
    return [weakref.ref(part) for part in parts]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("inline", ["always", "never"])
@pytest.mark.usefixtures("no_collection")
def test_a_retired_model_is_freed_without_a_collection(tmp_path: Path, kind: str, inline: Any) -> None:
    write, route, request, refused = WRITERS[kind]
    name = write(tmp_path).manifest.name

    async def main() -> None:
        async with serving(Settings(models=tmp_path, inline=inline)) as (client, app):
            registry = app.context.registry
            for _ in range(2):
                assert (await client.post(route, json=request)).status_code == 200
                assert (await client.post(route, json=refused)).status_code == 422
                before = _parts(registry)
                assert (await client.post(f"/v2/repository/models/{name}/load")).status_code == 200
                await _gone(before)
            before = _parts(registry)
            assert (await client.post(f"/v2/repository/models/{name}/unload")).status_code == 200
            await _gone(before)

    run_async(main())


@pytest.mark.parametrize("kind", WRITERS)
def test_nothing_of_a_retired_model_waits_for_a_collection(
    tmp_path: Path, kind: str, garbage: Callable[[], list[str]]
) -> None:
    write, route, request, _ = WRITERS[kind]
    name = write(tmp_path).manifest.name

    async def main() -> None:
        async with serving(Settings(models=tmp_path)) as (client, app):
            garbage()  # what the start left
            assert (await client.post(route, json=request)).status_code == 200
            before = _parts(app.context.registry)
            assert (await client.post(f"/v2/repository/models/{name}/load")).status_code == 200
            await _gone(before)
            assert garbage() == []

    run_async(main())


async def _gone(parts: list[weakref.ref[Any]]) -> None:
    """Wait, for the threads of a retired model end by themselves."""
    for _ in range(200):
        if not any(part() for part in parts):
            return
        await asyncio.sleep(0.01)
    raise AssertionError([type(part()).__name__ for part in parts if part() is not None])


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("inline", ["always", "never"])
@pytest.mark.usefixtures("no_collection")
def test_failed_requests_leave_nothing_behind(tmp_path: Path, kind: str, inline: Any) -> None:
    write, route, request, refused = WRITERS[kind]
    name = write(tmp_path).manifest.name

    async def main() -> None:
        async with serving(Settings(models=tmp_path, inline=inline)) as (_, app):

            async def fail() -> None:
                assert await _post(app, route, b"{") == 400
                assert await _post(app, route, orjson.dumps(refused)) == 422
                assert await _post(app, route, orjson.dumps(request | {"model": "nobody"})) == 404
                assert await _post(app, f"/v2/models/{name}/infer", b'{"inputs":[]}') == 400
                assert await _post(app, "/v1/nowhere", b"{}") == 404

            await _count_objects_of(fail)

    run_async(main())


@pytest.mark.parametrize("kind", ["tagger", "translator"])
@pytest.mark.usefixtures("no_collection")
def test_late_requests_leave_nothing_behind(tmp_path: Path, kind: str) -> None:
    write, route, request, _ = WRITERS[kind]
    write(tmp_path)

    async def main() -> None:
        settings = Settings(models=tmp_path, inline="never", deadline_seconds=1e-6)
        async with serving(settings) as (_, app):

            async def fail() -> None:
                assert await _post(app, route, orjson.dumps(request)) == 504

            await _count_objects_of(fail)

    run_async(main())


@pytest.mark.parametrize(
    ("kind", "path", "document", "accept", "until"),
    [
        ("digits", "/v1/classify", pixels(7), "*/*", b"results"),
        ("digits", "/v2/models/digits/infer", {"inputs": []}, "*/*", b"error"),
        ("tagger", "/v1/tag", {"text": 1}, "*/*", b"detail"),
        ("translator", "/v1/translate", {"text": "The dog sleeps."}, "text/event-stream", b"data: "),
    ],
    ids=["answered inline", "refused inline", "refused", "left within a stream"],
)
@pytest.mark.usefixtures("no_collection")
def test_a_connection_and_its_answer_are_freed_without_a_collection(
    tmp_path: Path, kind: str, path: str, document: dict[str, Any], accept: str, until: bytes
) -> None:
    WRITERS[kind][0](tmp_path)
    body = orjson.dumps(document)
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\naccept: {accept}\r\n"
    with running(Settings(models=tmp_path)) as url:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60) as connection:
                connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                answer = b""
                while until not in answer:
                    part = connection.recv(65_536)
                    assert part, answer
                    answer += part
        for _ in range(500):
            left = [type(item).__name__ for item in gc.get_objects() if isinstance(item, HttpConnection | EventStream)]
            if not left:
                break
            time.sleep(0.01)
        assert left == []


async def _post(app: ASGIApp, path: str, body: bytes) -> int:
    """The status of the answer to a request."""
    caller = Caller(body, path)
    await caller.call(app)
    return caller.status


async def _count_objects_of(fail: Callable[[], Coroutine[Any, Any, None]], rounds: int = 40) -> None:
    """Fail a few times to fill the caches, then many times; hardly an object may be left of each."""
    for _ in range(5):
        await fail()
    await asyncio.sleep(0.05)
    before = len(gc.get_objects())
    for _ in range(rounds):
        await fail()
    await asyncio.sleep(0.05)
    remaining = len(gc.get_objects()) - before
    assert remaining < rounds, f"{remaining / rounds:.1f} objects of each"
