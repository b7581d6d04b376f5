"""POST /v1/tag: texts or tokens in, their tags out."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.operation import (
    Operation,
    answered_by,
    context,
    json_response,
    read_json,
    timings,
    validate,
    while_connected,
)
from service.bundle.manifest import Task
from service.tasks.token_classification.schemas import TagBody, Tagged


class TagAnswer(BaseModel):
    """The answer of /v1/tag: one result per text or token list, in order."""

    model: str
    version: str
    results: list[Tagged]


async def tag(request: Request) -> Response:
    """Tag the texts of one request."""
    sent = validate(TagBody, await read_json(request))
    served = context(request).registry.get(sent.model, sent.version, Task.TOKEN_CLASSIFICATION)
    work = served.predict(served.predictor.parse(sent), timings(request))
    fields = await while_connected(request, served, work)
    return answered_by(json_response({"model": served.name, "version": served.version} | fields), served)


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/tag",
        endpoint=tag,
        hot=True,
        tag="tasks",
        summary="Tag the words of texts",
        description=(
            "Each token's tag with its probability, and of models that find names the `entities`. Texts are cut into "
            "sentences and tokens; `tokens` are taken as they are, one list a sentence, and joined by one blank. "
            "Offsets are Unicode code points of the text as it was sent. An empty text has an empty result."
        ),
        body=TagBody,
        response=TagAnswer,
        example={"text": "Ada Lovelace wrote to Charles Babbage in London."},
        errors=(400, 404, 413, 415, 422, 503, 504),
    ),
)
