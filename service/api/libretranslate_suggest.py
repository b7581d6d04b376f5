"""LibreTranslate's route for better translations that callers suggest: /suggest."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.forms import form_media_types, read_fields
from service.api.io import json_response, validate
from service.api.json_limits import JsonLimits, bytes_of
from service.api.language_names import language_code
from service.api.operation import Operation, context
from service.api.source_language import AUTO, served_languages
from service.errors import Forbidden, InvalidRequest, LimitExceeded, RefusalReason
from service.limits import Limits
from service.serving.registry import ModelRegistry

_CODE_LENGTH = 3
"""Letters of a language's code."""

Text = Annotated[str, Field(json_schema_extra={"minLength": 1})]


class SuggestBody(BaseModel):
    """The request of /suggest. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: Text = Field(description="The text that was translated.")
    s: Text = Field(description="The better translation.")
    source: Text = Field(description="ISO 639-1 code of the language of `q`, or `auto`.")
    target: Text = Field(description="ISO 639-1 code of the language of `s`.")
    api_key: str | None = Field(default=None, description="The API key, where the server needs one.")


class Suggested(BaseModel):
    """The suggestion is kept."""

    success: bool = True


async def suggest(request: Request) -> Response:
    """Keep a suggested translation."""
    service = context(request)
    if service.suggestions is None:
        raise Forbidden("Suggestions are disabled on this server", RefusalReason.CONTROL)
    body = validate(SuggestBody, await read_fields(request, ("q", "s", "source", "target")))
    if not body.q:
        raise InvalidRequest("is empty; send a text", "q")
    _check_characters(body.q, service.settings, "q")
    _check_characters(body.s, service.settings, "s")
    source, target = language_code(body.source), language_code(body.target)
    if source != AUTO:
        _check_language(service.registry, source)
    _check_language(service.registry, target)
    suggestion = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": source,
        "target": target,
        "q": body.q,
        "s": body.s,
    }
    await asyncio.to_thread(service.suggestions.add, suggestion)
    return json_response(Suggested().model_dump())


def _check_characters(text: str, limits: Limits, field: str) -> None:
    if len(text) > limits.max_characters:
        raise LimitExceeded(f"has {len(text)} characters, {limits.describe('max_characters')}", field)


def _check_language(registry: ModelRegistry, code: str) -> None:
    """Raise InvalidRequest if no served translator has to do with a language.

    The error, which is logged, repeats nothing but a code: another text may be what is to be translated.
    """
    if code not in served_languages(registry):
        raise InvalidRequest(f"{code if code.isalpha() and len(code) <= _CODE_LENGTH else 'the code'} is not supported")


def _json_limits(limits: Limits) -> JsonLimits:
    """12 bytes a character: the longest escape of one."""
    return JsonLimits(max_bytes=bytes_of(2 * 12 * limits.max_characters), settings=("max_characters",))


OPERATIONS = (
    Operation(
        method="POST",
        path="/suggest",
        endpoint=suggest,
        errors=ErrorShape.PLAIN,
        tag="libretranslate",
        summary="Suggest a better translation, as LibreTranslate does",
        description="It is kept for the operator, where the server takes suggestions; else the answer is 403.",
        body=SuggestBody,
        json_limits=_json_limits,
        response=Suggested,
        key_in_fields=True,
        changes_state=True,
        body_media_types=form_media_types(SuggestBody),
        statuses=(400, 413, 415, 503),
    ),
)
