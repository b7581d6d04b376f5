"""Large answers are written in pieces that hold the event loop shortly, and hold the same as others."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from service.api import large_answers
from service.api.large_answers import PiecewiseResponse, answer_response
from service.api.turns import Turns
from service.settings import Settings
from service.tasks.base import SerializedList
from tests.support.http import client_of
from tests.support.tagger_bundles import write_tagger
from tests.support.word_vector_bundles import WORDS, write_words


def _sent(response: Any) -> list[bytes]:
    """The bodies of the messages that a response sends."""
    messages: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    asyncio.run(response({"type": "http"}, None, send))
    headers = dict(messages[0]["headers"])
    bodies = [message["body"] for message in messages[1:]]
    assert int(headers[b"content-length"]) == sum(map(len, bodies))
    assert headers[b"content-type"] == b"application/json"
    assert [message["more_body"] for message in messages[1:-1]] == [True] * (len(messages) - 2)
    assert not messages[-1].get("more_body")
    return bodies


@pytest.mark.parametrize("count", [1, 2, 3_000])
def test_a_long_list_is_sent_in_pieces(count: int) -> None:
    items = [{"word": "é" * (600_000 // count), "vector": np.ones(3, np.float32)} for _ in range(count)]
    document = {"model": "m", "results": SerializedList.of(items), "empty": SerializedList.of([]), "n": {"a": None}}
    response = answer_response(document, Turns())
    assert isinstance(response, PiecewiseResponse)
    bodies = _sent(response)
    assert b"".join(bodies) == orjson.dumps(document)
    if count == 3_000:
        assert len(bodies) > 3
        assert max(map(len, bodies)) < 2 * large_answers._PIECE_BYTES


@pytest.mark.parametrize("document", [{"results": SerializedList.of([1, "a"])}, {"results": [1]}, {"n": np.ones(2)}])
def test_short_answers_are_sent_at_once(document: dict[str, Any]) -> None:
    response = answer_response(document, Turns())
    assert type(response) is not PiecewiseResponse
    assert orjson.loads(response.body) == orjson.loads(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))


@pytest.fixture
def client(models_dir: Any) -> TestClient:
    write_words(models_dir)
    write_tagger(models_dir)
    return client_of(Settings(models=models_dir))


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/v1/neighbors", {"words": [*WORDS, "no such word"] * 100, "k": 5}, "results"),
        ("/v1/similarity", {"pairs": [[WORDS[0], WORDS[1]]] * 3_000}, "results"),
        ("/v1/projection", {"words": [*WORDS] * 100}, "results"),
        ("/v1/embeddings", {"input": ([*WORDS] * 100)[:2000]}, "data"),
        ("/v1/embeddings", {"input": ([*WORDS] * 100)[:2000], "encoding_format": "base64"}, "data"),
        ("/v1/tag", {"texts": ["The dog sleeps."] * 900}, "results"),
    ],
)
def test_routes_answer_the_same_either_way(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any], name: str
) -> None:
    """Written by threads and sent in pieces, or at once in the event loop."""
    pieces: list[object] = []
    make = PiecewiseResponse.__init__
    monkeypatch.setattr(PiecewiseResponse, "__init__", lambda self, *args: (pieces.append(self), make(self, *args))[1])
    with client as http:
        monkeypatch.setattr(large_answers, "_PIECE_BYTES", 10**9)
        at_once = http.post(path, json=body)
        assert (at_once.status_code, len(pieces)) == (200, 0)
        monkeypatch.setattr(large_answers, "_PIECE_BYTES", 1_000)
        in_pieces = http.post(path, json=body)
        assert len(pieces) == 1, "large answers are serialized by a thread"
    assert in_pieces.content == at_once.content
    assert len(in_pieces.json()[name]) == len(next(iter(body.values())))
    assert in_pieces.headers["x-lectern-model"] == at_once.headers["x-lectern-model"]
