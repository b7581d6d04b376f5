"""Writes answers that are too large to be joined and sent in one turn of the event loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.api.io import json_response
from service.api.turns import Turns
from service.tasks.base import SerializedList

_PIECE_BYTES = 256 * 1024
"""About what is joined and sent in one turn: less than a millisecond."""


def answer_response(document: Mapping[str, Any], turns: Turns) -> Response:
    """Answer with JSON; one that holds a long `SerializedList` is sent in pieces.

    Args:
        document: the answer, which may hold numpy arrays.
        turns: of the event loop.
    """
    for value in document.values():
        if type(value) is SerializedList and sum(map(len, value.texts)) > _PIECE_BYTES:
            return PiecewiseResponse(document, turns)
    return json_response(document)


class PiecewiseResponse(Response):
    """A JSON object that is sent piece by piece, with the length of the whole.

    Args:
        document: the object.
        turns: of the event loop.
    """

    media_type = "application/json"

    def __init__(self, document: Mapping[str, Any], turns: Turns) -> None:
        super().__init__()
        self._texts = list(_texts(document))
        self._turns = turns
        self.headers["content-length"] = str(sum(map(len, self._texts)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await self._turns.next()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _pieces(self) -> Iterator[bytes]:
        texts: list[bytes] = []
        size = 0
        for text in self._texts:
            texts.append(text)
            size += len(text)
            if size >= _PIECE_BYTES:
                yield b"".join(texts)
                texts, size = [], 0
        if texts:
            yield b"".join(texts)


def _texts(document: Mapping[str, Any]) -> Iterator[bytes]:
    """The parts of an object as JSON."""
    separator = b"{"
    for name, value in document.items():
        yield separator + orjson.dumps(name) + b":"
        if isinstance(value, SerializedList):
            yield b"["
            for index, text in enumerate(value.texts):
                if index:
                    yield b","
                yield text
            yield b"]"
        else:
            yield orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
        separator = b","
    yield b"}"
