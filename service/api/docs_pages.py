"""The OpenAPI document, and the pages /docs (Swagger UI) and /redoc, which show it.

Their scripts come from a content delivery network, in a version whose hash the page names, and the page's policy lets
nothing else run: a caller may type an API key into it.
"""

from __future__ import annotations

import base64
import hashlib
import html
from dataclasses import replace

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from service.api.errors import ErrorShape
from service.api.io import json_response
from service.api.operation import Operation, context

_CDN = "https://cdn.jsdelivr.net/npm"
_SWAGGER = f"{_CDN}/swagger-ui-dist@5.29.4"
_REDOC = f"{_CDN}/redoc@2.5.1/bundles/redoc.standalone.js"
_HASHES = {
    f"{_SWAGGER}/swagger-ui.css": "sha384-++DMKo1369T5pxDNqojF1F91bYxYiT1N7b1M15a7oCzEodfljztKlApQoH6eQSKI",
    f"{_SWAGGER}/swagger-ui-bundle.js": "sha384-eGAqzBSdqmAnsjFjrz0Ua2nJFnpAzDMmRg4mr6jwRwzcjSmL9FMmXAhMwX+mTFfs",
    _REDOC: "sha384-up2uPEo+8XzxuLXKGY4DOk79DbbRclvlcx22QZ60aPWQf8LW69XJ8BWzLFewC05H",
}

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lectern</title>
<link rel="icon" href="data:,">
"""


async def openapi_document(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    document = request.app.openapi()
    if prefix := context(request).settings.root_path:
        document = document | {"servers": [{"url": prefix}, *document.get("servers", ())]}
    return json_response(document)


async def swagger_ui(request: Request) -> Response:
    """Show the operations, and let the reader try them."""
    options = {"url": _document_url(request), "dom_id": "#swagger-ui", "deepLinking": True, "validatorUrl": None}
    # In a script "</" could end it.
    script = f"SwaggerUIBundle({orjson.dumps(options).decode().replace('<', chr(92) + 'u003c')})"
    style, bundle = f"{_SWAGGER}/swagger-ui.css", f"{_SWAGGER}/swagger-ui-bundle.js"
    page = (
        f'{_HEAD}<link rel="stylesheet" href="{style}" integrity="{_HASHES[style]}" crossorigin="anonymous">\n</head>\n'
        f'<body>\n<div id="swagger-ui"></div>\n{_script(bundle)}\n<script>{script}</script>\n</body>\n</html>\n'
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = {
        "script-src": f"{bundle} 'sha256-{digest}'",
        "style-src": f"{style} 'unsafe-inline'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
    }
    return _page(page, policy)


async def redoc(request: Request) -> Response:
    """Show the operations on one page, for reading."""
    page = (
        f"{_HEAD}<style>body {{ margin: 0 }}</style>\n</head>\n<body>\n"
        f'<redoc spec-url="{html.escape(_document_url(request))}"></redoc>\n{_script(_REDOC)}\n</body>\n</html>\n'
    )
    policy = {
        "script-src": _REDOC,
        "style-src": "'unsafe-inline'",
        "img-src": "'self' data: https://cdn.redoc.ly",
        "connect-src": "'self'",
        "worker-src": "blob:",
        "child-src": "blob:",
    }
    return _page(page, policy)


def _document_url(request: Request) -> str:
    """The path of the OpenAPI document, behind the prefix of a proxy."""
    return f"{context(request).settings.root_path}/openapi.json"


def _script(url: str) -> str:
    return f'<script src="{url}" integrity="{_HASHES[url]}" crossorigin="anonymous"></script>'


def _page(content: str, policy: dict[str, str]) -> Response:
    complete = {"default-src": "'none'", **policy, "base-uri": "'none'", "form-action": "'none'"}
    complete["frame-ancestors"] = "'none'"
    header = "; ".join(f"{name} {value}" for name, value in complete.items())
    return HTMLResponse(content, headers={"content-security-policy": header, "referrer-policy": "no-referrer"})


_DOCS = Operation(
    method="GET",
    path="/docs",
    endpoint=swagger_ui,
    errors=ErrorShape.PROBLEM,
    tag="documentation",
    summary="The operations, to be tried",
    key_scope=None,
)

PAGES = (
    _DOCS,
    replace(_DOCS, path="/redoc", endpoint=redoc, summary="The operations, to be read"),
    replace(_DOCS, path="/openapi.json", endpoint=openapi_document, summary="The operations, for programs"),
)
"""Served like operations, and not part of the OpenAPI document."""
