"""The address under which a caller finds what an answer names: behind proxies, prefixes and TLS."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from service.api.public_url import public_url
from service.app import create_app
from service.server.exposure import Exposed
from service.settings import Settings

PROXY, STRANGER = "10.0.0.1", "192.0.2.1"


def url_of(settings: Settings, client: str, headers: dict[str, str], base: str = "http://lectern:8080") -> str:
    """The URL of /x that a request is told, whose connection comes from the address `client`."""
    app = create_app(settings)

    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        scope.setdefault("state", {})
        await PlainTextResponse(public_url(Request(scope), "/x"))(scope, receive, send)

    async def ask() -> str:
        transport = httpx.ASGITransport(Exposed(tell, settings), client=(client, 1234))
        async with httpx.AsyncClient(transport=transport, base_url=base) as http:
            return (await http.get("/", headers=headers)).text

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("client", "headers", "url"),
    [
        (STRANGER, {}, "http://lectern:8080/models/x"),
        (STRANGER, {"host": "api.example.com"}, "http://api.example.com/models/x"),
        (STRANGER, {"host": "[::1]:99"}, "http://[::1]:99/models/x"),
        (STRANGER, {"host": "api.example.com:99999"}, "http://lectern:8080/models/x"),
        (STRANGER, {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}, "http://lectern:8080/models/x"),
        (PROXY, {"x-forwarded-proto": "https"}, "https://lectern:8080/models/x"),
        (PROXY, {"x-forwarded-proto": "https", "x-forwarded-host": "a.example:444"}, "https://a.example:444/models/x"),
        (PROXY, {"x-forwarded-host": "a.example, b.example"}, "http://a.example/models/x"),
        (PROXY, {"x-forwarded-host": "a/../b"}, "http://lectern:8080/models/x"),
        (PROXY, {"x-forwarded-host": ""}, "http://lectern:8080/models/x"),
        (PROXY, {"x-forwarded-host": "a" * 300}, "http://lectern:8080/models/x"),
        (STRANGER, {"host": 'a"<b>'}, "http://lectern:8080/models/x"),
        (STRANGER, {"host": "user@evil.example"}, "http://lectern:8080/models/x"),
    ],
)
def test_scheme_host_and_prefix(settings: Settings, client: str, headers: dict[str, str], url: str) -> None:
    behind = settings.model_copy(update={"root_path": "/models", "trusted_proxies": ("10.0.0.0/8",)})
    assert url_of(behind, client, headers) == url


def test_without_proxies_no_header_counts(settings: Settings) -> None:
    headers = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.example"}
    assert url_of(settings, PROXY, headers) == "http://lectern:8080/x"
    assert url_of(settings, PROXY, headers, "https://lectern") == "https://lectern/x"
