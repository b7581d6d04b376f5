"""POST /v1/translate: texts in, their translations out, at once or as a stream of events."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.events import EventStream
from service.api.io import add_model_headers, read_model, while_connected
from service.api.json_limits import JsonLimits, bytes_of
from service.api.language_names import language_code, language_name
from service.api.negotiation import accepted
from service.api.operation import INFERENCE_STATUSES, Context, Operation, context, timings
from service.api.source_language import (
    AUTO,
    check_sizes,
    identify_sources,
    predictor_of,
    served_languages,
    source_languages,
)
from service.api.task_answer import TaskAnswer, respond
from service.bundle.manifest import Task
from service.errors import InvalidRequest
from service.limits import Limits
from service.serving.registry import ModelRegistry
from service.serving.served_model import ServedModel
from service.tasks.translation.language_detection import Detected
from service.tasks.translation.request import TranslateRequest
from service.tasks.translation.schemas import TranslateBody, Translated

EVENT_STREAM = "text/event-stream"


class TranslateAnswer(TaskAnswer[Translated]):
    """The answer of /v1/translate: one result per text, in order."""


async def translate(request: Request) -> Response:
    """Translate the texts of one request."""
    body = await read_model(request, TranslateBody)
    registry = context(request).registry
    source, target = _served_code(registry, body.source), _served_code(registry, body.target)
    detections: list[Detected] = []
    if source == AUTO:
        detections = await _identify(context(request), body, target)
        source = detections[0].language if detections else None
    served = registry.find(Task.TRANSLATION, body.model, body.version, source=source, target=target)
    task_request = predictor_of(served).parse(body)
    task_request.detected = detections
    if any(member.name == EVENT_STREAM for member in accepted(request.headers, "accept")):
        return add_model_headers(await _stream(request, served, task_request.mark_streamed()), served)
    return await respond(request, served, task_request)


async def _identify(service: Context, body: TranslateBody, target: str | None) -> list[Detected]:
    """Identify the one language of all texts; an entry for each text.

    Raises:
        InvalidRequest: a text is in a language that no served model reads, or in another one than the texts before it.
    """
    texts = [body.text] if body.text is not None else body.texts or []
    check_sizes(texts, service.settings, "text" if body.text is not None else "texts")
    detections = await identify_sources(service, texts, target)
    sources = source_languages(service.registry)
    for index, one in enumerate(detections):
        field = "text" if body.text is not None else f"texts[{index}]"
        name = f"{language_name(one.language)} ({one.language}, {one.confidence:.0f} %)"
        if one.language not in sources:
            raise InvalidRequest(
                f"seems to be in {name}, which no served model reads; if it is in {' or '.join(sorted(sources))}, send "
                "that as 'source'",
                field,
            )
        if one.language == target:
            raise InvalidRequest(f"seems to be in {name}, which is the target; send another target", field)
        if one.language != detections[0].language:
            raise InvalidRequest(
                f"seems to be in {name}, the texts before it in {detections[0].language}; send texts of one language "
                "in a request, or use /translate",
                field,
            )
    return detections


def _served_code(registry: ModelRegistry, code: str | None) -> str | None:
    """A language code as the served translators have it: without its region, if none has it with one."""
    if code is None:
        return None
    code = code.strip().lower()
    return code if code == AUTO or code in served_languages(registry) else language_code(code)


async def _stream(request: Request, served: ServedModel, task_request: TranslateRequest) -> Response:
    """Answer with an event stream. An error before the first event is answered as on any other route."""
    stream = predictor_of(served).stream(task_request)
    events = EventStream()

    def on_token(position: int, token: int) -> None:
        for index, delta in stream.take(position, token):
            events.put({"index": index, "text_delta": delta})

    async def work() -> None:
        fields = await served.predict(task_request, timings(request), on_token=on_token)
        for index, delta in stream.finish(fields["results"]):
            events.put({"index": index, "text_delta": delta})
        events.put({"done": True, "model": served.name, "version": served.version} | fields)

    await while_connected(request, events.begin(work()))
    return events


def json_limits(limits: Limits) -> JsonLimits:
    """12 bytes a character: the longest escape of one."""
    return JsonLimits(
        max_bytes=bytes_of(12 * limits.max_total_characters + 64 * limits.max_texts),
        items=limits.max_texts,
        settings=("max_total_characters", "max_texts"),
    )


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
            "The model is chosen by `source` and `target`. A text is split into sentences, which are translated one "
            "by one and joined with their original spacing. Line breaks, addresses, markup and characters that the "
            "model does not know are kept, and inline tags such as `<b>` are placed around the translation of what "
            "they enclosed. A `score` is the mean log-probability of a target token. An empty text has an empty "
            "translation, whose score is null. With `Accept: text/event-stream` decoding is greedy and the answer is "
            'streamed: events `data: {"index","text_delta"}`, then `data: {"done":true,…}` with all the fields of the '
            "ordinary answer."
        ),
        body=TranslateBody,
        json_limits=json_limits,
        response=TranslateAnswer,
        response_media_types={EVENT_STREAM: {"schema": {"type": "string"}}},
        example={"source": "en", "target": "de", "text": "Where is the station?"},
        statuses=INFERENCE_STATUSES,
    ),
)
