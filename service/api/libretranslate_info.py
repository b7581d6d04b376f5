"""What LibreTranslate's clients ask of a server before they translate: /health, /frontend/settings and /spec."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.health import ready
from service.api.io import json_response
from service.api.language_names import language_name
from service.api.openapi_document import openapi_document
from service.api.operation import Operation, context
from service.api.source_language import AUTO, language_pairs
from service.documents import supported_formats

_TYPING_PAUSE_MS = 500
"""Milliseconds that an interface should wait for more typing before it translates."""


class Health(BaseModel):
    """The server translates."""

    status: str = "ok"


class FrontendLanguage(BaseModel):
    """A language, for a list to choose from."""

    code: str
    name: str


class FrontendLanguages(BaseModel):
    """The languages that are chosen at first."""

    source: FrontendLanguage
    target: FrontendLanguage


class FrontendSettings(BaseModel):
    """What an interface has to know of the server."""

    apiKeys: bool  # noqa: N815
    """Whether the server has API keys."""
    keyRequired: bool  # noqa: N815
    charLimit: int  # noqa: N815
    """Most characters of a text."""
    frontendTimeout: int  # noqa: N815
    """Milliseconds to wait for more typing."""
    language: FrontendLanguages
    suggestions: bool
    """Whether better translations may be suggested."""
    filesTranslation: bool  # noqa: N815
    supportedFilesFormat: list[str]  # noqa: N815
    """Suffixes of files that can be translated."""


async def health(request: Request) -> Response:
    """Answer 200 if every model that was not unloaded on purpose serves."""
    await ready(request)
    return json_response(Health().model_dump())


async def frontend_settings(request: Request) -> Response:
    """Describe the server for an interface."""
    service = context(request)
    targets = [target for _, target in language_pairs(service.registry)]
    target = targets[0] if targets else "en"
    has_keys = service.settings.api_keys is not None
    settings: dict[str, Any] = {
        "apiKeys": has_keys,
        "keyRequired": has_keys,
        "charLimit": service.settings.max_characters,
        "frontendTimeout": _TYPING_PAUSE_MS,
        "language": {
            "source": {"code": AUTO, "name": "Auto Detect"},
            "target": {"code": target, "name": language_name(target)},
        },
        "suggestions": service.suggestions is not None,
        "filesTranslation": service.settings.file_translation,
        "supportedFilesFormat": supported_formats() if service.settings.file_translation else (),
    }
    return json_response(FrontendSettings.model_validate(settings).model_dump())


_HEALTH = Operation(
    method="GET",
    path="/health",
    endpoint=health,
    errors=ErrorShape.PLAIN,
    tag="libretranslate",
    summary="Whether the server translates, as LibreTranslate says it",
    response=Health,
    statuses=(503,),
    key_scope=None,
    is_probe=True,
)

_SETTINGS = replace(
    _HEALTH,
    path="/frontend/settings",
    endpoint=frontend_settings,
    summary="What an interface has to know of the server, as LibreTranslate says it",
    response=FrontendSettings,
    statuses=(),
    is_probe=False,
)

OPERATIONS = (
    _HEALTH,
    _SETTINGS,
    replace(
        _SETTINGS,
        path="/spec",
        endpoint=openapi_document,
        summary="The OpenAPI document, where LibreTranslate's clients look for it",
        response=None,
    ),
)
