"""The page at `/`, the documentation at `/docs`, and their files, which are those of the folder `service/api/page/`.

Everything comes from this server, so both work without the internet. The files are open to all: with API keys the page
asks for one, and only what it then asks of the models needs it. `LECTERN_PAGE=0` turns page and documentation off.
"""

from __future__ import annotations

import html
from dataclasses import replace
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from service.api.errors import ErrorShape
from service.api.operation import Operation, context
from service.api.static_files import SUFFIXES, StaticFile
from service.errors import UnknownRoute
from service.settings import Settings

FOLDER = Path(__file__).with_name("page")

POLICY = "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'self'"
"""Everything comes from this server; pictures may also be made in the page. No script or style within the document."""

_HEADERS = {
    # A base or a form's target of elsewhere would not fall under default-src.
    "content-security-policy": f"{POLICY}; base-uri 'self'; form-action 'none'; object-src 'none'",
    "referrer-policy": "no-referrer",
}
_DOCUMENTS = {"/": "index.html", "/docs": "docs.html"}
_BASE_MARK = b'<base href="./">'
"""Stands in the documents where their base is written."""


def prepare(settings: Settings) -> None:
    """Read and compress every file, so that no request has to wait for it: a tenth of a second of one core."""
    for name in _names():
        _file(name)
    for name in _DOCUMENTS.values():
        for base in _bases(settings.root_path):
            _document(name, base)


async def document(request: Request) -> Response:
    """Answer with the page, or with the documentation."""
    operation: Operation = request.scope["endpoint"]
    return _document(_DOCUMENTS[operation.path], _base(request)).answer(request)


async def file(request: Request) -> Response:
    """Answer with a file that a document asks for.

    Raises:
        UnknownRoute: there is no such file.
    """
    name = request.path_params["name"]
    if name not in _names():
        raise UnknownRoute(f"no file {name!r} belongs to the page")
    return _file(name).answer(request)


async def redoc(request: Request) -> Response:
    """Lead to `/docs`, which took the place of another page."""
    target = f"{_base(request)}docs"
    return PlainTextResponse(f"moved to {target}", 308, headers={"location": target})


def _base(request: Request) -> str:
    """The address below which the routes are, as the document sees it.

    It is relative where the server knows no prefix: then it works behind any that a proxy takes off.
    """
    raw_path = request.scope["raw_path"]  # What a browser resolves against, with the slash that the router drops.
    is_below = raw_path.endswith(b"/") and raw_path != b"/"
    return _bases(context(request).settings.root_path)[is_below]


def _bases(prefix: str) -> tuple[str, str]:
    """The bases of a document at an address without and with a slash at its end."""
    return (f"{prefix}/", f"{prefix}/") if prefix else ("./", "../")


@cache
def _names() -> frozenset[str]:
    """The names of the files that are served, relative to their folder."""
    paths = (path for path in FOLDER.rglob("*") if path.suffix in SUFFIXES)
    return frozenset(path.relative_to(FOLDER).as_posix() for path in paths) - {*_DOCUMENTS.values()}


@cache
def _file(name: str) -> StaticFile:
    path = FOLDER / name
    return StaticFile(path.suffix, path.read_bytes(), _HEADERS)


@cache
def _document(name: str, base: str) -> StaticFile:
    """A document with its base in place. There are few: a base comes from the settings."""
    content = (FOLDER / name).read_bytes()
    return StaticFile(".html", content.replace(_BASE_MARK, f'<base href="{html.escape(base)}">'.encode()), _HEADERS)


_PAGE = Operation(
    method="GET",
    path="/",
    endpoint=document,
    errors=ErrorShape.PROBLEM,
    tag="page",
    summary="The page: what the models say, what they saw, and why",
    key_scope=None,
)

PAGES = (
    _PAGE,
    replace(_PAGE, path="/page/{name:path}", endpoint=file, summary="A file of the page", is_uncounted=True),
    replace(_PAGE, path="/docs", summary="The operations, to be tried"),
    replace(_PAGE, path="/redoc", endpoint=redoc, summary="Leads to /docs"),
)
"""Served like operations, and not part of the OpenAPI document."""
