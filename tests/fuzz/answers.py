"""What every answer must be, whatever was sent: no failure of the server, the route's shape, a request id, no NaN."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.processes import ROOT

PLAIN = ("/v2", "/translate", "/detect", "/languages", "/health", "/frontend/settings", "/spec", "/suggest")
OPENAI = ("/v1/embeddings", "/v1/models")
"""Prefixes of the routes whose errors have these shapes (docs/api.md, "Errors"); all others are problem details."""

_LONGEST_ERROR = 4096
_INTERNALS = re.compile(
    rb"Traceback \(most recent|site-packages|onnxruntime::|\.py\", line|pydantic_core|0x[0-9a-f]{8,}|"
    + re.escape(str(ROOT).encode())
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True)
class Call:
    """A request to send."""

    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {dict(self.headers)} {self.body[:300]!r}"


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def problems(call: Call, answer: Answer) -> list[str]:
    """What is wrong with an answer, as short texts; equal faults have equal texts."""
    found = []
    if answer.status >= 500:
        found.append(f"status {answer.status}")
    if not _REQUEST_ID.fullmatch(answer.headers.get("x-request-id", "")):
        found.append(f"no x-request-id with {answer.status}")
    if _INTERNALS.search(answer.body):
        found.append(f"internals in the body of {answer.status}")
    if call.method != "HEAD":
        found += _check_body(call, answer)
    return found


def _check_body(call: Call, answer: Answer) -> list[str]:
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if not answer.body:
        bodyless = answer.status < 400 and call.path.endswith(("load", "unload"))
        return [] if bodyless else [f"empty body with {answer.status}"]
    if kind == "application/octet-stream" and answer.status == 200:
        length = answer.headers.get("inference-header-content-length", "")
        if not length.isdigit() or int(length) > len(answer.body):
            return ["wrong Inference-Header-Content-Length in the answer"]
        document = _parse(answer.body[: int(length)])
    elif kind in ("text/event-stream", "text/plain", "text/html") and answer.status == 200:
        return []
    elif kind in ("application/json", "application/problem+json"):
        document = _parse(answer.body)
    else:
        return [f"content type {kind!r} with {answer.status}"]
    if isinstance(document, str):
        return [document]
    return _check_error(call, answer, kind, document) if answer.status >= 400 else []


def _parse(body: bytes) -> Any:
    """The parsed JSON, or a text that says what is wrong with it."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return {"document": json.loads(body.decode("utf-8"), parse_constant=refuse)}
    except ValueError as error:
        return f"NaN in the answer: {error}" if str(error) in ("NaN", "Infinity", "-Infinity") else "answer is no JSON"


def _check_error(call: Call, answer: Answer, kind: str, parsed: Mapping[str, Any]) -> list[str]:
    document = parsed["document"]
    path = unquote(urlsplit(call.path).path)
    found = [f"an error of {len(answer.body)} bytes"] if len(answer.body) > _LONGEST_ERROR else []
    if not isinstance(document, dict):
        return [*found, "the error is no object"]
    error = document.get("error")
    if _under(path, OPENAI):
        right = isinstance(error, dict) and error.keys() == {"message", "type", "param", "code"}
        expected = "application/json"
    elif _under(path, PLAIN):
        right, expected = document.keys() == {"error"} and isinstance(error, str) and bool(error), "application/json"
    else:
        required = {"type", "title", "status", "detail", "instance", "request_id"}
        right = required <= document.keys() and document["status"] == answer.status
        expected = "application/problem+json"
    if not right:
        found.append(f"wrong shape of error {answer.status}")
    if kind != expected:
        found.append(f"content type {kind} of error {answer.status}")
    return found


def _under(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)
