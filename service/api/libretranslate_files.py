"""LibreTranslate's routes for files: /translate_file, and /download_file for what it made."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NamedTuple

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.bodies import release_body
from service.api.download import DownloadResponse
from service.api.errors import ErrorShape
from service.api.file_form import FileForm, read_file_form
from service.api.file_translation import segment_characters, translate_segments
from service.api.forms import MULTIPART
from service.api.io import add_model_headers, json_response, while_connected
from service.api.language_names import language_code
from service.api.libretranslate_languages import check_target, find_translator
from service.api.libretranslate_schemas import Detection
from service.api.operation import INFERENCE_STATUSES_WITHOUT_422, Context, Operation, context
from service.api.public_url import public_url
from service.api.source_language import AUTO, identify_sources, source_languages
from service.documents import Document, DocumentLimits, output_name, read_document
from service.errors import Forbidden, InvalidRequest, RefusalReason, UnsupportedDocument
from service.serving.served_model import ServedModel
from service.settings import Settings
from service.tasks.translation.language_detection import MAX_CHARACTERS, Detected


class TranslatedFile(BaseModel):
    """The answer of /translate_file."""

    translatedFileUrl: str  # noqa: N815
    """Where the translated file can be downloaded for some minutes."""
    detectedLanguage: Detection | None = None  # noqa: N815
    """Only if `source` is `auto`: the one language of the whole file."""


class _Translation(NamedTuple):
    """A translated file."""

    name: str
    content: bytes
    detected: Detected | None
    served: ServedModel | None
    """The model; None if nothing had to be translated."""


async def translate_file(request: Request) -> Response:
    """Translate a file, and keep the result for download."""
    service = context(request)
    _check_enabled(service.settings)
    form = await read_file_form(request, ("source", "target"))
    source, target = language_code(form.fields["source"]), language_code(form.fields["target"])
    model = form.fields.get("model") or None
    check_target(service.registry, target)
    if source not in (AUTO, target):
        find_translator(service.registry, source, target, model)
    await asyncio.to_thread(service.files.check_room, len(form.content))
    translation = await while_connected(request, _translate(request, form, source, target, model))
    stored_as = await asyncio.to_thread(service.files.add, translation.name, translation.content)
    answer: dict[str, Any] = {"translatedFileUrl": public_url(request, f"/download_file/{stored_as}")}
    if translation.detected is not None:
        answer["detectedLanguage"] = translation.detected._asdict()
    response = json_response(answer)
    return add_model_headers(response, translation.served) if translation.served else response


async def download_file(request: Request) -> Response:
    """Answer with a translated file."""
    service = context(request)
    return DownloadResponse(await asyncio.to_thread(service.files.open, request.path_params["name"]))


async def _translate(request: Request, form: FileForm, source: str, target: str, model: str | None) -> _Translation:
    """Translate a file; one in the target language, or in one that no model reads, stays as it is, byte for byte."""
    service = context(request)
    async with service.file_workers.admit():
        # From now on the number of files bounds their memory. For minutes it would be missing for other bodies.
        release_body(request.scope)
        document = await _read(service, form, target)
        name = output_name(form.filename, target, document)
        detected: Detected | None = None
        if source == AUTO:
            (detected,) = await identify_sources(service, [document.excerpt(MAX_CHARACTERS)], target)
            source = detected.language if detected.language in source_languages(service.registry) else target
        if source == target:
            return _Translation(name, form.content, detected, None)
        translations, served = await translate_segments(request, document, source, target, model)
        content = await service.file_workers.run(partial(document.write, translations, target))
        return _Translation(name, content, detected, served)


async def _read(service: Context, form: FileForm, target: str) -> Document:
    """Read a document in a thread."""
    limits = DocumentLimits(
        max_characters=service.settings.max_file_characters,
        max_segment_characters=segment_characters(service.settings),
    )
    try:
        return await service.file_workers.run(
            partial(read_document, form.filename, form.content, limits, target=target)
        )
    except UnsupportedDocument as error:
        text = str(error).removeprefix(f"{error.field}: ")  # In LibreTranslate's words, which its clients may show.
        raise InvalidRequest(f"Invalid request: file format not supported: {text}") from error


def _check_enabled(settings: Settings) -> None:
    if not settings.file_translation:
        raise Forbidden("Files translation is disabled on this server", RefusalReason.CONTROL)


_FORM = {
    "schema": {
        "type": "object",
        "required": ["file", "source", "target"],
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "source": {"type": "string", "minLength": 1},
            "target": {"type": "string", "minLength": 1},
            "model": {"type": "string"},
            "api_key": {"type": "string"},
        },
    }
}

OPERATIONS = (
    Operation(
        method="POST",
        path="/translate_file",
        endpoint=translate_file,
        errors=ErrorShape.PLAIN,
        tag="libretranslate",
        summary="Translate a file, as LibreTranslate does",
        description=(
            "The suffix of the file's name says its format; /frontend/settings lists them. `source` may be `auto`, "
            "which identifies one language for the whole file; a file in the target language, or in one that no model "
            "reads, comes back as it is. The answer has the URL of the translated file, which is kept for some minutes."
        ),
        body_media_types={MULTIPART: _FORM},
        response=TranslatedFile,
        key_in_fields=True,
        statuses=INFERENCE_STATUSES_WITHOUT_422,
    ),
    Operation(
        method="GET",
        path="/download_file/{name}",
        endpoint=download_file,
        errors=ErrorShape.PLAIN,
        tag="libretranslate",
        summary="Download a translated file",
        description="Under the URL that /translate_file answered, for some minutes.",
        response_media_types={"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        key_in_fields=True,
        path_is_secret=True,
        statuses=(404,),
    ),
)
