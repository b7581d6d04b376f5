"""POST /v1/tag: texts or tokens in, their tags out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.io import read_model
from service.api.json_limits import JsonLimits, bytes_of
from service.api.operation import INFERENCE_STATUSES, Operation, context
from service.api.task_answer import TaskAnswer, respond
from service.bundle.manifest import Task
from service.limits import Limits
from service.tasks.token_classification.schemas import TagBody, Tagged


class TagAnswer(TaskAnswer[Tagged]):
    """The answer of /v1/tag: one result per text or token list, in order."""


async def tag(request: Request) -> Response:
    """Tag the texts of one request."""
    body = await read_model(request, TagBody)
    served = context(request).registry.find(Task.TOKEN_CLASSIFICATION, body.model, body.version)
    return await respond(request, served, served.predictor.parse(body))


def _json_limits(limits: Limits) -> JsonLimits:
    """24 bytes a token: a long word in quotes, or a short one whose letters are escaped."""
    return JsonLimits(
        max_bytes=bytes_of(24 * limits.max_total_tokens),
        items=limits.max_total_tokens + limits.max_texts,
        lists=limits.max_texts,
        settings=("max_total_tokens", "max_texts"),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/tag",
        endpoint=tag,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Tag the words of texts",
        description=(
            "Returns the tag of each token with its probability, and for models that recognize names also the "
            "`entities`. Texts are split into sentences and tokens: by the rules for English, or as the model learned "
            "from its treebank, with the words of contractions as tokens. `tokens` are used as sent, one list per "
            "sentence, and joined by one space. A line break ends a sentence, unless the line was wrapped. Offsets "
            "are of the text as it was sent, in the unit `offsets`: code points by default. An empty text has an "
            "empty result."
        ),
        body=TagBody,
        json_limits=_json_limits,
        response=TagAnswer,
        example={"text": "Ada Lovelace wrote to Charles Babbage in London."},
        statuses=INFERENCE_STATUSES,
    ),
)
