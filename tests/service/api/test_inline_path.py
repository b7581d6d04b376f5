"""The inline path answers what it takes as ASGI does, and leaves all else to it."""

from __future__ import annotations

import asyncio
import base64
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.access.keys import hash_key
from service.app import Lectern, create_app
from service.observability import request_id
from service.settings import Settings
from tests.support.classifier_bundles import classifier_graph, template, write_classifier
from tests.support.classify_requests import picture, pixels
from tests.support.event_loop import run_async
from tests.support.server import serving

_CLASSIFY = "/v1/classify"
_INFER = "/v2/models/digits/infer"
_JSON = "application/json"
_BYTES = "application/octet-stream"
_TENSOR = {"name": "image", "datatype": "FP32", "shape": [1, 1, 28, 28]}
_FLAT = template(4).ravel().tolist()
_RAW = template(4).tobytes()


class _Exchange:
    """Keeps the answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.answer.set_result(httpx.Response(status, headers=headers, content=body))


def _scope(path: str, body: bytes, headers: dict[str, str], query: bytes = b"") -> dict[str, Any]:
    given = {"host": "lectern", "content-length": str(len(body))} | headers
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 4242),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


def _infer(head: dict[str, Any], data: bytes = b"") -> tuple[bytes, dict[str, str]]:
    text = orjson.dumps(head)
    if not data:
        return text, {"content-type": _JSON}
    headers = {"content-type": _BYTES, "inference-header-content-length": str(len(text))}
    return text + data, headers


def _json(document: Any) -> tuple[bytes, dict[str, str]]:
    return orjson.dumps(document), {"content-type": _JSON}


_BINARY = {"inputs": [_TENSOR | {"parameters": {"binary_data_size": len(_RAW)}}]}

ANSWERED = {
    "pixels": (_CLASSIFY, *_json(pixels(3))),
    "several images": (_CLASSIFY, *_json(pixels(1, 2, 9))),
    "top_k": (_CLASSIFY, *_json(pixels(3) | {"top_k": 2, "model": "digits", "version": None})),
    "base64": (_CLASSIFY, *_json({"images": [base64.b64encode(picture(6)).decode()]})),
    "no base64": (_CLASSIFY, *_json({"images": ["?"]})),
    "a picture": (_CLASSIFY, picture(5), {"content-type": "image/png"}),
    "a picture of another type": (_CLASSIFY, picture(5), {"content-type": "application/json"}),
    "a broken picture": (_CLASSIFY, picture(5)[:60], {"content-type": "image/png"}),
    "no JSON": (_CLASSIFY, b'{"pixels":', {"content-type": _JSON}),
    "NaN": (_CLASSIFY, b'{"pixels": NaN}', {"content-type": _JSON}),
    "an unknown field": (_CLASSIFY, *_json(pixels(3) | {"pixel": 1})),
    "a list": (_CLASSIFY, *_json([1])),
    "no images": (_CLASSIFY, *_json({"pixels": []})),
    "out of range": (_CLASSIFY, *_json({"pixels": [[[2.0] * 28] * 28]})),
    "booleans": (_CLASSIFY, *_json({"pixels": [[[True] * 28] * 28]})),
    "a wrong shape": (_CLASSIFY, *_json({"pixels": [[[0.5] * 27] * 28]})),
    "an unknown model": (_CLASSIFY, *_json(pixels(3) | {"model": "nobody"})),
    "an unknown version": (_CLASSIFY, *_json(pixels(3) | {"version": 7})),
    "a wrong top_k": (_CLASSIFY, *_json(pixels(3) | {"top_k": 0})),
    "an empty body": (_CLASSIFY, b"", {"content-type": _JSON}),
    "tensors": (_INFER, *_infer({"id": "42", "inputs": [_TENSOR | {"data": _FLAT}]})),
    "of a version": ("/v2/models/digits/versions/1/infer", *_infer({"inputs": [_TENSOR | {"data": _FLAT}]})),
    "chosen outputs": (
        _INFER,
        *_infer(
            {
                "inputs": [_TENSOR | {"data": _FLAT}],
                "outputs": [{"name": "probabilities", "parameters": {"classification": 3}}, {"name": "familiarity"}],
            }
        ),
    ),
    "binary": (_INFER, *_infer(_BINARY, _RAW)),
    "binary outputs": (_INFER, *_infer(_BINARY | {"parameters": {"binary_data_output": True}}, _RAW)),
    "too few bytes": (_INFER, *_infer(_BINARY, _RAW[:-4])),
    "a long head": (_INFER, _RAW, {"content-type": _JSON, "inference-header-content-length": "99999"}),
    "an unknown input": (_INFER, *_infer({"inputs": [_TENSOR | {"name": "picture", "data": _FLAT}]})),
    "tensors out of range": (_INFER, *_infer({"inputs": [_TENSOR | {"data": [-1.0, *_FLAT[1:]]}]})),
    "another model": ("/v2/models/nobody/infer", *_infer({"inputs": [_TENSOR | {"data": _FLAT}]})),
    "a request id": (_CLASSIFY, orjson.dumps(pixels(3)), {"content-type": _JSON, "x-request-id": "mine"}),
    "a trace": (
        _CLASSIFY,
        orjson.dumps(pixels(3)),
        {"content-type": _JSON, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
    ),
    "compressed": (_INFER, *_infer({"inputs": [_TENSOR | {"shape": [8, 1, 28, 28], "data": _FLAT * 8}]})),
}

LEFT = {
    "a query": (_CLASSIFY, *_json(pixels(3)), b"top_k=2"),
    "a form": (_CLASSIFY, b"--x--", {"content-type": "multipart/form-data; boundary=x"}, b""),
    "another type": (_CLASSIFY, b"Hello", {"content-type": "text/plain"}, b""),
    "an encoding": (_CLASSIFY, orjson.dumps(pixels(3)), {"content-type": _JSON, "content-encoding": "gzip"}, b""),
    "no picture": (_CLASSIFY, b"Hello", {"content-type": "image/png"}, b""),
    "a picture of another format": (_CLASSIFY, picture(5, "JPEG"), {"content-type": "image/jpeg"}, b""),
    "a large picture": (_CLASSIFY, picture(5, size=200), {"content-type": "image/png"}, b""),
    "a large body": (_CLASSIFY, *_json(pixels(*range(10), *range(10))), b""),
    "another route": ("/v1/embeddings", *_json({"input": "a"}), b""),
    "a trailing slash": (f"{_CLASSIFY}/", *_json(pixels(3)), b""),
    "raw bytes": (_INFER, _RAW, {"content-type": _BYTES, "inference-header-content-length": "0"}, b""),
    "a batch without rows": (_INFER, *_infer({"inputs": [_TENSOR | {"shape": [0, 1, 28, 28], "data": []}]}), b""),
    "pictures as tensors": (
        _INFER,
        *_infer({"inputs": [{"name": "IMAGE", "datatype": "BYTES", "shape": [1], "data": ["iVBORw0KGgo="]}]}),
        b"",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("models")
    write_classifier(path, familiarity=True)
    return Settings(models=path)


async def _inline(app: Lectern, *request: Any) -> httpx.Response | None:
    """The answer of the inline path; None if it leaves the request to ASGI."""
    scope, exchange = _scope(*request), _Exchange()
    if not app.inline_path.takes(scope) or not app.inline_path.answer(scope, request[1], exchange):
        return None
    return await asyncio.wait_for(exchange.answer, 60)


def _comparable(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], str]:
    """An answer without what differs between any two."""
    headers = {name: value for name, value in answer.headers.multi_items() if name != "date"}
    timing = headers.get("server-timing", "")
    headers["server-timing"] = re.sub(r"dur=[0-9.]+", "dur=0", timing)
    generated = headers.get("x-request-id", "")
    text = answer.content.decode("latin-1")
    if len(generated) == 20:  # Not the caller's own.
        headers["x-request-id"] = ""
        text = text.replace(generated, "")
    return answer.status_code, sorted(headers.items()), text


@pytest.fixture(scope="module")
def answers(settings: Settings) -> dict[str, tuple[httpx.Response | None, httpx.Response]]:
    """The answers of the inline path and of ASGI to every request."""
    answers = {}

    async def main() -> None:
        async with serving(settings) as (client, app):
            for name, (path, body, headers) in ANSWERED.items():
                ordinary = await client.post(path, content=body, headers={"accept-encoding": ""} | headers)
                answers[name] = (await _inline(app, path, body, headers), ordinary)

    run_async(main())
    return answers


@pytest.mark.parametrize("name", ANSWERED)
def test_answers_are_those_of_asgi(answers: dict[str, tuple[httpx.Response | None, httpx.Response]], name: str) -> None:
    inline, ordinary = answers[name]
    assert inline is not None
    assert _comparable(inline) == _comparable(ordinary)


def test_a_repeated_head_is_answered_as_the_first(
    settings: Settings, answers: dict[str, tuple[httpx.Response | None, httpx.Response]]
) -> None:
    async def main() -> None:
        async with serving(settings) as (_, app):
            for path, _, headers in ANSWERED.values():
                scope = _scope(path, b"", headers)
                assert app.inline_path.takes(scope)
                for name, (where, body, others) in ANSWERED.items():
                    if (where, others) == (path, headers):
                        exchange = _Exchange()
                        assert app.inline_path.answer(scope | {"state": {}}, body, exchange)
                        answer = await asyncio.wait_for(exchange.answer, 60)
                        assert _comparable(answer) == _comparable(answers[name][1])

    run_async(main())


def test_a_repeated_head_with_a_body_above_the_limit_is_left_to_asgi(settings: Settings) -> None:
    path, body, headers = ANSWERED["pixels"]

    async def main() -> None:
        async with serving(settings) as (_, app):
            scope = _scope(path, body, headers)
            assert app.inline_path.takes(scope)
            assert not app.inline_path.answer(scope, body + b" " * 40_000, _Exchange())

    run_async(main())


def test_answers_are_compressed_as_asked(settings: Settings) -> None:
    path, body, headers = ANSWERED["compressed"]

    async def main() -> None:
        async with serving(settings) as (_, app):
            plain = await _inline(app, path, body, headers)
            packed = await _inline(app, path, body, headers | {"accept-encoding": "gzip"})
            assert plain is not None
            assert packed is not None
            assert "content-encoding" not in plain.headers
            assert packed.headers["content-encoding"] == "gzip"
            assert packed.json() == plain.json()

    run_async(main())


def test_unusual_requests_are_left_to_asgi(settings: Settings) -> None:
    async def main() -> None:
        async with serving(settings) as (client, app):
            taken = [name for name, request in LEFT.items() if await _inline(app, *request) is not None]
            assert taken == []
            metrics = (await client.get("/metrics")).text
            assert "lectern_in_flight 1.0" in metrics  # The scrape itself.
            assert 'lectern_requests_total{model="digits",outcome="success",version="1"} 0.0' in metrics
            assert metrics.count("lectern_requests_total{") == 1  # Nor was anything counted that failed.

    run_async(main())


def test_a_body_above_the_limit_is_left_to_asgi(settings: Settings) -> None:
    path, body, headers = ANSWERED["pixels"]
    assert create_app(settings).inline_path.takes(_scope(path, body, headers))
    small = settings.model_copy(update={"max_body_bytes": 1024})
    assert not create_app(small).inline_path.takes(_scope(path, body, headers))


def test_callers_are_counted_once(settings: Settings) -> None:
    async def main() -> None:
        async with serving(settings.model_copy(update={"rate_limit": "4/h"})) as (client, app):
            inline = await _inline(app, *ANSWERED["pixels"])
            invalid = await _inline(app, *ANSWERED["out of range"])
            assert (inline and inline.status_code, invalid and invalid.status_code) == (200, 422)
            path, body, headers = ANSWERED["pixels"]
            assert (await client.post(path, content=body, headers=headers)).status_code == 200
            path, body, headers, _ = LEFT["another type"]
            scope, exchange = _scope(path, body, headers), _Exchange()
            assert app.inline_path.takes(scope)
            assert not app.inline_path.answer(scope, body, exchange)
            messages = iter([{"type": "http.request", "body": body, "more_body": False}])
            sent: list[Any] = []

            async def receive() -> Any:
                return next(messages)

            async def send(message: Any) -> None:
                sent.append(message)

            await app(scope, receive, send)
            assert sent[0]["status"] == 415  # Counted by the inline path, not once more.
            refused = await _inline(app, *ANSWERED["pixels"])
            assert refused is not None
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1

    run_async(main())


def test_keys_are_needed(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"mine infer sha256:{hash_key('a key').hex()}\n")
    key = {"authorization": "Bearer a key"}

    async def main() -> None:
        async with serving(settings.model_copy(update={"api_keys": file})) as (client, app):
            path, body, headers = ANSWERED["pixels"]
            for authorization, status in (({}, 401), ({"authorization": "Bearer no"}, 401), (key, 200)):
                ordinary = await client.post(path, content=body, headers=headers | authorization)
                inline = await _inline(app, path, body, headers | authorization)
                assert inline is not None
                assert inline.status_code == status
                assert _comparable(inline) == _comparable(ordinary)

    run_async(main())


def test_requests_of_one_turn_are_one_batch_and_counted(settings: Settings) -> None:
    async def main() -> None:
        async with serving(settings) as (client, app):
            requests = [ANSWERED[name] for name in ("pixels", "tensors", "binary", "several images", "out of range")]
            answers = await asyncio.gather(*(_inline(app, *request) for request in requests))
            assert [answer and answer.status_code for answer in answers] == [200, 200, 200, 200, 422]
            metrics = (await client.get("/metrics")).text
            for line in (
                'lectern_requests_total{model="digits",outcome="success",version="1"} 4.0',
                'lectern_requests_total{model="digits",outcome="invalid",version="1"} 1.0',
                'lectern_executions_total{model="digits",version="1"} 1.0',
                'lectern_inferences_total{model="digits",version="1"} 6.0',
                'lectern_stage_seconds_count{model="digits",stage="total",version="1"} 4.0',
                "lectern_in_flight 1.0",
            ):
                assert f"\n{line}\n" in metrics, line

    run_async(main())


def test_saturation_and_lateness(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving(settings) as (_, app):
            served = app.context.registry.find(name="digits")
            monkeypatch.setattr(served.records.admission, "max_in_flight", 1)
            first, second = await asyncio.gather(*(_inline(app, *ANSWERED["pixels"]) for _ in range(2)))
            assert first is not None
            assert second is not None
            assert (first.status_code, second.status_code) == (200, 503)
            assert int(second.headers["retry-after"]) >= 1
            path, body, _ = ANSWERED["tensors"]
            late = await _inline(app, path, *_infer(orjson.loads(body) | {"parameters": {"timeout": 1}}))
            assert late is not None
            assert late.status_code == 504

    run_async(main())


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "service"):
        yield caplog


def test_failures_and_the_access_log(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    write_classifier(tmp_path, graph=classifier_graph(fails_above=0.95, statistic="ReduceMean"))

    async def main() -> None:
        async with serving(Settings(models=tmp_path, access_log=True)) as (_, app):
            ink = orjson.dumps({"pixels": [[[1.0] * 28] * 28]})
            failing = (_CLASSIFY, ink, {"content-type": _JSON})
            good, bad = await _inline(app, *ANSWERED["pixels"]), await _inline(app, *failing)
            assert good is not None
            assert bad is not None
            assert (good.status_code, bad.status_code) == (200, 500)
            assert "onnx" not in bad.text.lower()

    run_async(main())
    lines = [record for record in logged.records if record.getMessage() == "request"]
    assert sorted(record.fields["status"] for record in lines) == [200, 500]  # type: ignore[attr-defined]
    assert [record.getMessage() for record in logged.records].count("request failed") == 1


def test_lines_of_the_access_log_name_their_own_request(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ids: list[tuple[str | None, int]] = []
    monkeypatch.setattr(
        "service.api.inline_path.log_request", lambda scope, status, timings: ids.append((request_id.get(), status))
    )
    path, body, headers = ANSWERED["pixels"]

    async def main() -> None:
        async with serving(settings.model_copy(update={"access_log": True})) as (_, app):
            names = [f"caller-{number}" for number in range(5)]
            await asyncio.gather(*(_inline(app, path, body, headers | {"x-request-id": name}) for name in names))
            assert ids == [(name, 200) for name in names]
            assert request_id.get() is None

    run_async(main())
