"""LibreTranslate's routes: /translate, /detect and /languages, from JSON or a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.forms import form_media_types, read_fields
from service.api.io import add_model_headers, json_response, validate
from service.api.language_names import language_name
from service.api.operation import INFERENCE_STATUSES_WITHOUT_422, Operation, context
from service.api.task_answer import predict
from service.api.translation import predictor_of
from service.bundle.manifest import Task
from service.errors import InvalidRequest
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel
from service.settings import Settings
from service.tasks.translation.language_detection import Detected, Profile, detect
from service.tasks.translation.schemas import TranslateBody

AUTO = "auto"


def _are_texts(value: object) -> object:
    """One complaint, whatever is wrong: a list may hold millions."""
    items = value if isinstance(value, list) else [value]
    wrong = next((place for place, item in enumerate(items) if not isinstance(item, str)), None)
    if wrong is not None:
        raise ValueError("must be a text or a list of texts" + (f"; item {wrong} is none" if items is value else ""))
    return value


Texts = Annotated[str | list[str], BeforeValidator(_are_texts), Field(description="One text, or a list of them.")]


class LibreTranslateBody(BaseModel):
    """What /translate takes. Other fields, as `api_key`, are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: Texts
    source: str = Field(description="ISO 639-1 code of the language, or `auto` to detect it.")
    target: str = Field(description="ISO 639-1 code of the language to translate to.")
    format: str = Field(default="text", description="`text`, or `html`, whose entities are read.")
    alternatives: int = Field(default=0, ge=0, description="How many other translations of each text.")
    model: str | None = Field(default=None, description="Ours: which model, where several translate the pair.")
    api_key: str | None = Field(default=None, description="Ignored.")


class DetectBody(BaseModel):
    """What /detect takes. Other fields, as `api_key`, are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: Texts
    api_key: str | None = Field(default=None, description="Ignored.")


class Detection(BaseModel):
    """A language that a text may be in."""

    language: str
    confidence: float
    """0 to 100."""


class LibreTranslateAnswer(BaseModel):
    """The answer of /translate; lists where `q` was a list."""

    translatedText: str | list[str]  # noqa: N815
    detectedLanguage: Detection | list[Detection] | None = None  # noqa: N815
    """Where `source` was `auto`."""
    alternatives: list[str] | list[list[str]] | None = None
    """Where some were asked for."""


class Detections(RootModel[list[Detection]]):
    """The answer of /detect: languages of the translators that serve, most likely first."""


class Language(BaseModel):
    """A language that is translated from or to."""

    code: str
    name: str
    targets: list[str]
    """What it can be translated to."""


class Languages(RootModel[list[Language]]):
    """The answer of /languages."""


async def translate(request: Request) -> Response:
    """Translate the texts of one request."""
    sent = validate(LibreTranslateBody, await read_fields(request, ("q", "source", "target")))
    _check_format(sent.format)
    texts = _texts(sent.q, context(request).settings)
    registry = context(request).registry
    source, target = _code(sent.source), _code(sent.target)
    detected = [_source(registry, text, target) for text in texts] if source == AUTO else None
    sources = [source] * len(texts) if detected is None else [found.language for found in detected]
    results: list[dict[str, Any]] = [{"text": text, "alternatives": []} for text in texts]
    served: ServedModel | None = None
    for language in dict.fromkeys(sources):
        if detected is not None and language == target:
            continue  # Nothing to translate.
        served = _find(registry, language, target, sent.model)
        places = [place for place, source in enumerate(sources) if source == language]
        found = await _translated(request, served, sent, [texts[place] for place in places], places)
        for place, result in zip(places, found, strict=True):
            results[place] = result
    answer: dict[str, Any] = {"translatedText": [result["text"] for result in results]}
    if detected is not None:
        answer["detectedLanguage"] = [found._asdict() for found in detected]
    if sent.alternatives:
        answer["alternatives"] = [[other["text"] for other in result["alternatives"]] for result in results]
    if isinstance(sent.q, str):
        answer = {name: values[0] for name, values in answer.items()}
    response = json_response(answer)
    return add_model_headers(response, served) if served else response


async def _translated(
    request: Request, served: ServedModel, sent: LibreTranslateBody, texts: list[str], places: Sequence[int]
) -> list[dict[str, Any]]:
    """The results of texts in one language; `places` are theirs in the request."""
    body = TranslateBody(texts=texts, alternatives=sent.alternatives)
    try:
        asked = predictor_of(served).parse(body)
        fields = await predict(request, served, asked.as_html() if sent.format == "html" else asked)
    except InvalidRequest as error:
        raise _as_sent(error, None if isinstance(sent.q, str) else places) from error
    results: list[dict[str, Any]] = fields["results"]
    return results


def _as_sent(error: InvalidRequest, places: Sequence[int] | None) -> InvalidRequest:
    """The same error, with the name that its field has in this request; `places` is None of a single text."""
    field = error.field
    if not field or not field.startswith("texts"):
        return error
    message = str(error).removeprefix(f"{field}: ")
    number = field.removeprefix("texts").strip("[]")
    return InvalidRequest(message, f"q[{places[int(number)]}]" if places is not None and number.isdigit() else "q")


async def detect_language(request: Request) -> Response:
    """Tell the language of a text."""
    sent = validate(DetectBody, await read_fields(request, ("q",)))
    texts = _texts(sent.q, context(request).settings)
    found = detect("\n".join(texts), _profiles(context(request).registry))
    return json_response([one._asdict() for one in found if one.confidence or one is found[0]])


async def languages(request: Request) -> Response:
    """List the languages of the translators that serve."""
    targets: dict[str, set[str]] = {}
    for source, target in map(_pair, _translators(context(request).registry)):
        targets.setdefault(source, set()).add(target)
        targets.setdefault(target, set())
    return json_response(
        [{"code": code, "name": language_name(code), "targets": sorted(targets[code])} for code in sorted(targets)]
    )


def _translators(registry: ModelRegistry) -> list[ServedModel]:
    return registry.serving(Task.TRANSLATION)


def _pair(served: ServedModel) -> tuple[str, str]:
    selectors = served.predictor.selectors
    return selectors["source"], selectors["target"]


def _find(registry: ModelRegistry, source: str, target: str, model: str | None) -> ServedModel:
    """The model of a pair; of several the first by name, as LibreTranslate's clients name none."""
    matches = [served.name for served in _translators(registry) if _pair(served) == (source, target)]
    return registry.find(Task.TRANSLATION, model or next(iter(matches), None), source=source, target=target)


def _profiles(registry: ModelRegistry) -> list[Profile]:
    return [predictor_of(served).profile for served in _translators(registry)]


def _source(registry: ModelRegistry, text: str, target: str) -> Detected:
    """The language of a text; of one without letters, a language that can be translated to `target`."""
    translators = _translators(registry)
    if not translators:
        registry.find(Task.TRANSLATION)  # Raises: there is no translator.
    languages = detect(text, _profiles(registry))
    if languages[0].confidence:
        return languages[0]
    sources = {source for source, other in map(_pair, translators) if other == target}
    return next((one for one in languages if one.language in sources), languages[0])


def _texts(sent: str | list[str], settings: Settings) -> list[str]:
    """The texts, of no more than what may be translated: before their languages are looked for."""
    if isinstance(sent, str):
        return [sent]
    if len(sent) > settings.max_texts:
        limit = settings.describe("max_texts")
        raise InvalidRequest(f"{len(sent)} texts, {limit}; send several requests", "q")
    total = sum(map(len, sent))
    if total > settings.max_total_characters:
        limit = settings.describe("max_total_characters")
        raise InvalidRequest(f"{total} characters, {limit}; send several requests", "q")
    return sent


def _check_format(wanted: str) -> None:
    if wanted not in ("text", "html"):
        raise InvalidRequest(f"{wanted!r} is not supported; send 'text' or 'html'", "format")


def _code(language: str) -> str:
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
            "From JSON or a form. `source` may be `auto`; a text that is in the target language already is answered "
            "as it is. Errors have LibreTranslate's shape, and a bad request is 400."
        ),
        body=LibreTranslateBody,
        response=LibreTranslateAnswer,
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
        description="Among those that the translators which serve translate from; 0 to 100 is how sure it is.",
        body=DetectBody,
        response=Detections,
        body_media_types=form_media_types(DetectBody),
        example={"q": "Guten Morgen!"},
        statuses=INFERENCE_STATUSES_WITHOUT_422,
    ),
    Operation(
        method="GET",
        path="/languages",
        endpoint=languages,
        errors=ErrorShape.PLAIN,
        tag="libretranslate",
        summary="The languages, as LibreTranslate lists them",
        response=Languages,
    ),
)
