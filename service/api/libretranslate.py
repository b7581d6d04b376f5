"""LibreTranslate's routes: /translate, /detect and /languages, from JSON or a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.forms import form_media_types, read_fields
from service.api.io import add_model_headers, json_response, validate
from service.api.language_names import language_name
from service.api.libretranslate_schemas import (
    DetectBody,
    Detections,
    Languages,
    LibreTranslateAnswer,
    LibreTranslateBody,
)
from service.api.operation import INFERENCE_STATUSES_WITHOUT_422, Operation, context
from service.api.task_answer import predict
from service.api.translation import json_limits, predictor_of
from service.bundle.manifest import Task
from service.errors import InvalidRequest, LimitExceeded
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel
from service.settings import Settings
from service.tasks.translation.language_detection import Detected, Profile, detect
from service.tasks.translation.schemas import TranslateBody

AUTO = "auto"


async def translate(request: Request) -> Response:
    """Translate the texts of one request."""
    body = validate(LibreTranslateBody, await read_fields(request, ("q", "source", "target")))
    _check_format(body.format)
    texts = _check_texts(body.q, context(request).settings)
    source, target = _language_code(body.source), _language_code(body.target)
    detections: list[Detected] | None = None
    if source == AUTO:
        detections = [_detect_source(context(request).registry, text, target) for text in texts]
    sources = [source] * len(texts) if detections is None else [detection.language for detection in detections]
    unchanged = target if source == AUTO else None
    results, served = await _translate_by_source(request, body, texts, sources, target, unchanged)
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
    sources: list[str],
    target: str,
    unchanged: str | None,
) -> tuple[list[dict[str, Any]], ServedModel | None]:
    """Translate the texts of each source language with its model.

    Args:
        request: the HTTP request.
        body: its parsed body.
        texts: the texts, [N].
        sources: their languages, [N].
        target: the language to translate to.
        unchanged: a source language whose texts are returned as they are.

    Returns:
        The results, [N], and the model of the last translation; None if nothing had to be translated.
    """
    results: list[dict[str, Any]] = [{"text": text, "alternatives": []} for text in texts]
    served: ServedModel | None = None
    for source in dict.fromkeys(sources):
        if source == unchanged:
            continue
        served = _find_translator(context(request).registry, source, target, body.model)
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
    texts = _check_texts(body.q, context(request).settings)
    detections = detect("\n".join(texts), _profiles(context(request).registry))
    likely = detections[:1] + [detection for detection in detections[1:] if detection.confidence]
    return json_response([detection._asdict() for detection in likely])


async def languages(request: Request) -> Response:
    """List the languages of the served translators."""
    targets: dict[str, set[str]] = {}
    for source, target in map(_language_pair, _translators(context(request).registry)):
        targets.setdefault(source, set()).add(target)
        targets.setdefault(target, set())
    return json_response(
        [{"code": code, "name": language_name(code), "targets": sorted(targets[code])} for code in sorted(targets)]
    )


def _translators(registry: ModelRegistry) -> list[ServedModel]:
    return registry.serving(Task.TRANSLATION)


def _language_pair(served: ServedModel) -> tuple[str, str]:
    selectors = served.predictor.selectors
    return selectors["source"], selectors["target"]


def _find_translator(registry: ModelRegistry, source: str, target: str, model: str | None) -> ServedModel:
    """The model of a language pair; of several the first by name, since LibreTranslate's clients name none."""
    if not model:
        pair = (source, target)
        model = next((served.name for served in _translators(registry) if _language_pair(served) == pair), None)
    return registry.find(Task.TRANSLATION, model, source=source, target=target)


def _profiles(registry: ModelRegistry) -> list[Profile]:
    return [predictor_of(served).profile for served in _translators(registry)]


def _detect_source(registry: ModelRegistry, text: str, target: str) -> Detected:
    """Detect the language of a text; one without letters is in any language that can be translated to `target`."""
    translators = _translators(registry)
    if not translators:
        registry.find(Task.TRANSLATION)  # Raises: no translator is served.
    detections = detect(text, _profiles(registry))
    best = detections[0]
    if best.confidence:
        return best
    sources = {source for source, other in map(_language_pair, translators) if other == target}
    return next((detection for detection in detections if detection.language in sources), best)


def _check_texts(q: str | list[str], settings: Settings) -> list[str]:
    """The texts of a request, as a list.

    Raises:
        InvalidRequest: more than may be translated; checked here because language detection comes first.
    """
    texts = [q] if isinstance(q, str) else q
    if len(texts) > settings.max_texts:
        raise LimitExceeded(f"{len(texts)} texts, {settings.describe('max_texts')}; send several requests", "q")
    total = sum(map(len, texts))
    if total > settings.max_total_characters:
        limit = settings.describe("max_total_characters")
        raise LimitExceeded(f"{total} characters, {limit}; send several requests", "q")
    return texts


def _check_format(name: str) -> None:
    if name not in ("text", "html"):
        raise InvalidRequest(f"{name!r} is not supported; send 'text' or 'html'", "format")


def _language_code(language: str) -> str:
    """A language's code without its region: `en` of `en-GB`."""
    return language.strip().lower().replace("_", "-").partition("-")[0]


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
