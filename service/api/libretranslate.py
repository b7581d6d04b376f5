"""LibreTranslate's routes: /translate, /detect and /languages, from JSON or a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.forms import form_media_types, read_fields
from service.api.io import add_model_headers, json_response, validate
from service.api.language_names import language_code, language_name
from service.api.libretranslate_languages import check_target, find_translator
from service.api.libretranslate_schemas import (
    DetectBody,
    Detections,
    Languages,
    LibreTranslateAnswer,
    LibreTranslateBody,
)
from service.api.operation import INFERENCE_STATUSES_WITHOUT_422, Operation, context
from service.api.source_language import (
    AUTO,
    check_sizes,
    identify_languages,
    identify_sources,
    language_pairs,
    predictor_of,
    source_languages,
)
from service.api.task_answer import predict
from service.api.translation import json_limits
from service.errors import InvalidRequest
from service.serving.served_model import ServedModel
from service.tasks.translation.language_detection import Detected
from service.tasks.translation.schemas import TranslateBody


async def translate(request: Request) -> Response:
    """Translate the texts of one request."""
    body = validate(LibreTranslateBody, await read_fields(request, ("q", "source", "target")))
    _check_format(body.format)
    registry = context(request).registry
    texts = [body.q] if isinstance(body.q, str) else body.q
    check_sizes(texts, context(request).settings, "q")
    source, target = language_code(body.source), language_code(body.target)
    check_target(registry, target)
    detections: list[Detected] | None = None
    sources: list[str | None] = [source] * len(texts)
    if source == AUTO:
        detections = await identify_sources(context(request), texts, target)
        served_sources = source_languages(registry)
        # Translated from a language that it is not in, a text would become invented words.
        sources = [one.language if one.language in served_sources else None for one in detections]
    results, served = await _translate_by_source(request, body, texts, sources, target)
    answer: dict[str, Any] = {"translatedText": [result["text"] for result in results]}
    if detections is not None:
        answer["detectedLanguage"] = [detection._asdict() for detection in detections]
    if body.alternatives:
        answer["alternatives"] = [[other["text"] for other in result["alternatives"]] for result in results]
    if isinstance(body.q, str):
        answer = {name: values[0] for name, values in answer.items()}
    response = json_response(answer)
    return add_model_headers(response, served) if served else response


async def _translate_by_source(
    request: Request,
    body: LibreTranslateBody,
    texts: list[str],
    sources: Sequence[str | None],
    target: str,
) -> tuple[list[dict[str, Any]], ServedModel | None]:
    """Translate the texts of each source language with its model.

    Args:
        request: the HTTP request.
        body: its parsed body.
        texts: the texts, [N].
        sources: their languages, [N]; None if no model reads it. Such texts, and those in `target`, stay as they are.
        target: the language to translate to.

    Returns:
        The results, [N], and the model of the last translation; None if nothing had to be translated.
    """
    results: list[dict[str, Any]] = [{"text": text, "alternatives": []} for text in texts]
    served: ServedModel | None = None
    for source in dict.fromkeys(sources):
        if source is None or source == target:
            continue
        served = find_translator(context(request).registry, source, target, body.model)
        indices = [index for index, language in enumerate(sources) if language == source]
        translations = await _translate_texts(request, served, body, [texts[index] for index in indices], indices)
        for index, translation in zip(indices, translations, strict=True):
            results[index] = translation
    return results, served


async def _translate_texts(
    request: Request, served: ServedModel, body: LibreTranslateBody, texts: list[str], indices: Sequence[int]
) -> list[dict[str, Any]]:
    """Translate texts of one source language; `indices` are their positions in the request."""
    try:
        task_request = predictor_of(served).parse(TranslateBody(texts=texts, alternatives=body.alternatives))
        fields = await predict(request, served, task_request.mark_html() if body.format == "html" else task_request)
    except InvalidRequest as error:
        if not (error.field or "").startswith("texts"):
            raise
        raise _rename_field(error, None if isinstance(body.q, str) else indices) from error
    results: list[dict[str, Any]] = fields["results"]
    return results


def _rename_field(error: InvalidRequest, indices: Sequence[int] | None) -> InvalidRequest:
    """Name the field `texts[i]` of an error as this request has it.

    Args:
        error: an error that names `texts` or one of them.
        indices: positions of those texts in `q`; None if `q` is a single text.
    """
    field = error.field or ""
    message = str(error).removeprefix(f"{field}: ")
    number = field.removeprefix("texts").strip("[]")
    return type(error)(message, f"q[{indices[int(number)]}]" if indices is not None and number.isdigit() else "q")


async def detect_language(request: Request) -> Response:
    """Detect the language of a text."""
    body = validate(DetectBody, await read_fields(request, ("q",)))
    texts = [body.q] if isinstance(body.q, str) else body.q
    check_sizes(texts, context(request).settings, "q")
    detections = await identify_languages(context(request).registry, "\n".join(texts))
    likely = detections[:1] + [detection for detection in detections[1:] if detection.confidence]
    return json_response([detection._asdict() for detection in likely])


async def languages(request: Request) -> Response:
    """List the languages of the served translators; each is among its own targets, as its texts come back."""
    targets: dict[str, set[str]] = {}
    for source, target in language_pairs(context(request).registry):
        targets.setdefault(source, {source}).add(target)
        targets.setdefault(target, {target})
    return json_response(
        [{"code": code, "name": language_name(code), "targets": sorted(targets[code])} for code in sorted(targets)]
    )


def _check_format(name: str) -> None:
    if name not in ("text", "html"):
        raise InvalidRequest(f"{name!r} is not supported; send 'text' or 'html'", "format")


OPERATIONS = (
    Operation(
        method="POST",
        path="/translate",
        endpoint=translate,
        fast_path=True,
        errors=ErrorShape.PLAIN,
        tag="libretranslate",
        summary="Translate texts, as LibreTranslate does",
        description=(
            "Takes JSON or a form. `source` may be `auto`; then a text that is already in the target language is "
            "returned as it is. Errors have LibreTranslate's shape, and an invalid request is 400."
        ),
        body=LibreTranslateBody,
        json_limits=json_limits,
        response=LibreTranslateAnswer,
        key_in_fields=True,
        body_media_types=form_media_types(LibreTranslateBody),
        example={"q": "Good morning!", "source": "en", "target": "de"},
        statuses=INFERENCE_STATUSES_WITHOUT_422,
    ),
    Operation(
        method="POST",
        path="/detect",
        endpoint=detect_language,
        errors=ErrorShape.PLAIN,
        tag="libretranslate",
        summary="Detect the language of a text, as LibreTranslate does",
        description="Chooses among the source languages of the served translators; `confidence` is 0 to 100.",
        body=DetectBody,
        json_limits=json_limits,
        response=Detections,
        key_in_fields=True,
        body_media_types=form_media_types(DetectBody),
        example={"q": "Guten Morgen!"},
        statuses=INFERENCE_STATUSES_WITHOUT_422,
    ),
    Operation(
        method="GET",
        path="/languages",
        key_scope=None,  # As in LibreTranslate, whose clients ask for it without a key.
        endpoint=languages,
        errors=ErrorShape.PLAIN,
        tag="libretranslate",
        summary="List the languages, as LibreTranslate does",
        response=Languages,
    ),
)
