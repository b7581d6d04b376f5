"""The OpenAPI document as a route. `/docs`, which shows it, is in `service/api/page_files.py`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.io import json_response
from service.api.operation import Operation, context


async def openapi_document(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    document = request.app.openapi()
    if prefix := context(request).settings.root_path:
        document = document | {"servers": [{"url": prefix}, *document.get("servers", ())]}
    return json_response(document)


OPENAPI = Operation(
    method="GET",
    path="/openapi.json",
    endpoint=openapi_document,
    errors=ErrorShape.PROBLEM,
    tag="documentation",
    summary="The operations, for programs",
    key_scope=None,
)
"""Served like operations, and not part of the OpenAPI document."""
