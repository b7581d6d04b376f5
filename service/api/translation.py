"""POST /v1/translate: texts in, their translations out, at once or as they come."""

from __future__ import annotations

from typing import Any, TypeGuard

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.events import EventStream
from service.api.io import add_model_headers, read_json, validate, while_connected
from service.api.operation import INFERENCE_STATUSES, Operation, context, timings
from service.api.task_answer import TaskAnswer, answer
from service.bundle.manifest import Task
from service.errors import InvalidRequest
from service.serving.registry import ModelRegistry, Version
from service.serving.served_model import ServedModel
from service.tasks import Predictor
from service.tasks.translation import TranslationPredictor
from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.schemas import TranslateBody, Translated

EVENT_STREAM = "text/event-stream"


class TranslateAnswer(TaskAnswer[Translated]):
    """The answer of /v1/translate: one result per text, in order."""


async def translate(request: Request) -> Response:
    """Translate the texts of one request."""
    body = validate(TranslateBody, await read_json(request))
    served = find_translator(
        context(request).registry, body.source, body.target, model=body.model, version=body.version
    )
    task_request = predictor_of(served).parse(body)
    if _accepts_events(request.headers.get("accept", "")):
        return add_model_headers(await _stream(request, served, task_request.streamed()), served)
    return await answer(request, served, task_request)


def translators(registry: ModelRegistry) -> list[ServedModel]:
    """The translators that serve, by name."""
    return [served for served in registry.serving() if _translates(served.predictor)]


def predictor_of(served: ServedModel) -> TranslationPredictor:
    """The predictor of a translator."""
    predictor = served.predictor
    assert _translates(predictor)
    return predictor


def find_translator(
    registry: ModelRegistry,
    source: str | None = None,
    target: str | None = None,
    *,
    model: str | None = None,
    version: Version = None,
) -> ServedModel:
    """The translator from `source` to `target`; what is left out must leave only one.

    Raises:
        UnknownModel: no such model or version, or no translator at all.
        InvalidRequest: no model has the pair, or several do: says which pairs there are.
    """
    wanted = {"source": source and source.strip().lower(), "target": target and target.strip().lower()}
    if model is not None:
        served = registry.get(model, version, Task.TRANSLATION)
        for field, language in wanted.items():
            own = getattr(predictor_of(served), field)
            if language is not None and language != own:
                raise InvalidRequest(f"model {model!r} has {own!r} there; send that or leave it out", field)
        return served
    known = translators(registry)
    if not known:
        return registry.get(None, version, Task.TRANSLATION)
    fitting = [
        served
        for served in known
        if all(value in (None, getattr(predictor_of(served), field)) for field, value in wanted.items())
    ]
    if len(fitting) == 1:
        return registry.get(fitting[0].name, version, Task.TRANSLATION)
    raise _not_one(wanted, known, fitting)


def _not_one(wanted: dict[str, str | None], known: list[ServedModel], fitting: list[ServedModel]) -> InvalidRequest:
    """Why a pair does not name one model."""
    if fitting:
        missing = next((field for field, value in wanted.items() if value is None), None)
        if missing is not None and len(pairs := _pairs(fitting)) > 1:
            return InvalidRequest(f"is needed: there are several pairs ({', '.join(pairs)})", missing)
        names = ", ".join(served.name for served in fitting)
        return InvalidRequest(f"several models translate this pair, name one of: {names}", "model")
    there = f"the pairs there are: {', '.join(_pairs(known))}"
    for field, language in wanted.items():
        if language is not None and all(language != getattr(predictor_of(served), field) for served in known):
            return InvalidRequest(f"no model has {language!r} there; {there}", field)
    return InvalidRequest(f"no model translates {wanted['source']!r} to {wanted['target']!r}; {there}", "target")


def _pairs(models: list[ServedModel]) -> list[str]:
    """Languages from and to, as `en-de`."""
    predictors = [predictor_of(served) for served in models]
    return sorted({f"{predictor.source}-{predictor.target}" for predictor in predictors})


def _translates(predictor: Predictor[Any]) -> TypeGuard[TranslationPredictor]:
    return isinstance(predictor, TranslationPredictor)


def _accepts_events(accept: str) -> bool:
    return any(part.partition(";")[0].strip().lower() == EVENT_STREAM for part in accept.split(","))


async def _stream(request: Request, served: ServedModel, asked: TranslateRequest) -> Response:
    """The answer as it comes. What goes wrong before the first event is answered as everywhere."""
    stream = predictor_of(served).stream(asked)
    events = EventStream()

    def on_token(place: int, token: int) -> None:
        for index, delta in stream.take(place, token):
            events.put({"index": index, "text_delta": delta})

    async def work() -> None:
        fields = await served.predict(asked, timings(request), on_token=on_token)
        for index, delta in stream.finish(fields["results"]):
            events.put({"index": index, "text_delta": delta})
        events.put({"done": True, "model": served.name, "version": served.version} | fields)

    await while_connected(request, served, events.begin(work()))
    return events


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/translate",
        endpoint=translate,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Translate texts",
        description=(
            "The model is chosen by `source` and `target`. A text is cut into sentences, which are translated one by "
            "one and joined with their spacing; line breaks, addresses, markup and characters that the model does not "
            "know are carried over, and elements within a sentence, as `<b>`, stand around what their words became. "
            "A `score` is the mean log-probability of a target piece. An empty text has an "
            "empty translation, whose score is null. With `Accept: text/event-stream` the search is greedy and its "
            'answer comes as it is made: events `data: {"index","text_delta"}`, at the end `data: {"done":true,…}` '
            "with what the answer would be otherwise."
        ),
        body=TranslateBody,
        response=TranslateAnswer,
        example={"source": "en", "target": "de", "text": "Where is the station?"},
        statuses=INFERENCE_STATUSES,
    ),
)
