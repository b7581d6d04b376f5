"""The routes of word vectors: /v1/similarity, /v1/neighbors, /v1/analogy and so on, and OpenAI's /v1/embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.io import add_model_headers, read_model
from service.api.json_limits import JsonLimits, bytes_of
from service.api.large_answers import answer_response
from service.api.operation import INFERENCE_STATUSES, INFERENCE_STATUSES_WITHOUT_422, Operation, context
from service.api.task_answer import TaskAnswer, predict, respond
from service.bundle.manifest import Task
from service.limits import Limits
from service.serving.served_model import ServedModel
from service.tasks.base import TaskBody
from service.tasks.word_vectors.schemas import (
    AnalogyBody,
    Embedding,
    EmbeddingsBody,
    InputNotes,
    Neighbors,
    NeighborsBody,
    OddOneOut,
    OddOneOutBody,
    Point,
    ProjectionBody,
    Similarity,
    SimilarityBody,
    Usage,
)


class SimilarityAnswer(TaskAnswer[Similarity]):
    """The answer of /v1/similarity: one result per pair, in order."""


class NeighborsAnswer(TaskAnswer[Neighbors]):
    """The answer of /v1/neighbors, one result per word or vector, and of /v1/analogy, one result."""


class ProjectionAnswer(TaskAnswer[Point]):
    """The answer of /v1/projection: one result per word, in order."""

    explained_variance: Annotated[list[float], Field(min_length=2, max_length=3)]
    """Share of the words' variance along each axis."""


class OddOneOutAnswer(TaskAnswer[OddOneOut]):
    """The answer of /v1/odd-one-out: one result."""


class EmbeddingsAnswer(BaseModel):
    """The answer of /v1/embeddings: one vector per input, in order."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage
    lectern: InputNotes | None = None
    """Only if an input has no known word, or one that was composed of n-grams. The header `x-lectern-unknown` has the
    number of those without."""


async def similarity(request: Request) -> Response:
    """Compare pairs of words."""
    return await _respond(request, SimilarityBody)


async def neighbors(request: Request) -> Response:
    """Find the nearest words."""
    return await _respond(request, NeighborsBody)


async def analogy(request: Request) -> Response:
    """Solve an analogy."""
    return await _respond(request, AnalogyBody)


async def projection(request: Request) -> Response:
    """Project words onto a plane or into space."""
    return await _respond(request, ProjectionBody)


async def odd_one_out(request: Request) -> Response:
    """Find the word that does not belong to the others."""
    return await _respond(request, OddOneOutBody)


async def embeddings(request: Request) -> Response:
    """Embed texts."""
    body = await read_model(request, EmbeddingsBody)
    served = _find(request, body)
    fields = await predict(request, served, served.predictor.parse(body), serialize=True)
    document = {"object": "list", "model": served.name} | fields
    response = add_model_headers(answer_response(document, context(request).turns), served)
    if unknown := fields.get("lectern", {}).get("unknown"):
        response.headers["x-lectern-unknown"] = str(len(unknown))
    return response


async def _respond(request: Request, body_type: type[TaskBody]) -> Response:
    body = await read_model(request, body_type)
    served = _find(request, body)
    return await respond(request, served, served.predictor.parse(body))


def _find(request: Request, body: TaskBody) -> ServedModel:
    return context(request).registry.find(Task.WORD_VECTORS, body.model, body.version)


def _word_limits(limits: Limits) -> JsonLimits:
    """128 bytes a word or pair of words."""
    most = limits.max_words
    return JsonLimits(max_bytes=bytes_of(128 * most), items=3 * most, lists=most, settings=("max_words",))


def _neighbors_limits(limits: Limits) -> JsonLimits:
    """Words, or 20 bytes for each number of a vector: 17 digits, a point, a sign and a comma."""
    return JsonLimits(
        max_bytes=bytes_of(max(20 * limits.max_numbers, 128 * limits.max_words)),
        items=max(limits.max_numbers, limits.max_words),
        lists=limits.max_words,
        settings=("max_words", "max_numbers"),
    )


def _embeddings_limits(limits: Limits) -> JsonLimits:
    """16 bytes a word. Token ids are refused when they are parsed, by a message that says what to send."""
    return JsonLimits(
        max_bytes=bytes_of(16 * limits.max_total_words),
        items=max(limits.max_numbers, limits.max_inputs),
        lists=limits.max_inputs,
        settings=("max_total_words", "max_inputs", "max_numbers"),
    )


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/similarity",
        endpoint=similarity,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Compare pairs of words",
        description=(
            "Cosine similarity. A pair with an unknown word has a null score and names the word. A model with vectors "
            "of n-grams composes words that are not in its vocabulary, here and on the other routes, and names them "
            "under `composed`."
        ),
        body=SimilarityBody,
        json_limits=_word_limits,
        response=SimilarityAnswer,
        example={"pairs": [["king", "queen"], ["Paris", "banana"]]},
        statuses=INFERENCE_STATUSES,
    ),
    Operation(
        method="POST",
        path="/v1/neighbors",
        endpoint=neighbors,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Find the nearest words",
        description=(
            "Of each of the `words` or `vectors`, or of the sum of the `positive` words minus the `negative` ones. The "
            "words of the request are left out of the answer. An unknown word among `words` has null `neighbors`; "
            "all `positive` and `negative` words must be known or composed."
        ),
        body=NeighborsBody,
        json_limits=_neighbors_limits,
        response=NeighborsAnswer,
        example={"words": ["king"], "k": 5},
        statuses=INFERENCE_STATUSES,
    ),
    Operation(
        method="POST",
        path="/v1/analogy",
        endpoint=analogy,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Solve an analogy",
        description="`a` is to `b` as `c` is to which word? The nearest words to b - a + c but the three (3CosAdd).",
        body=AnalogyBody,
        response=NeighborsAnswer,
        example={"a": "man", "b": "king", "c": "woman"},
        statuses=INFERENCE_STATUSES,
    ),
    Operation(
        method="POST",
        path="/v1/projection",
        endpoint=projection,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Project words onto a plane or into space",
        description="Onto the first two or three principal components of these words (PCA), for a plot.",
        body=ProjectionBody,
        json_limits=_word_limits,
        response=ProjectionAnswer,
        example={"words": ["king", "queen", "man", "woman"], "dimensions": 3},
        statuses=INFERENCE_STATUSES,
    ),
    Operation(
        method="POST",
        path="/v1/odd-one-out",
        endpoint=odd_one_out,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Find the word that does not belong to the others",
        description=(
            "The word whose vector is farthest from the mean of all, by cosine. Unknown words do not count; their "
            "scores are null."
        ),
        body=OddOneOutBody,
        json_limits=_word_limits,
        response=OddOneOutAnswer,
        example={"words": ["breakfast", "lunch", "dinner", "river"]},
        statuses=INFERENCE_STATUSES,
    ),
    Operation(
        method="POST",
        path="/v1/embeddings",
        endpoint=embeddings,
        fast_path=True,
        errors=ErrorShape.OPENAI,
        tag="tasks",
        summary="Embed texts, as OpenAI's API does",
        description=(
            "Returns a unit vector for each input: that of the word, or the weighted mean of its known words. An input "
            "without a known word has the zero vector: `lectern.unknown` lists their indices, the header "
            "`x-lectern-unknown` counts them, and `strict` makes it an error. Errors have OpenAI's shape, and an "
            "invalid input is 400."
        ),
        body=EmbeddingsBody,
        json_limits=_embeddings_limits,
        response=EmbeddingsAnswer,
        example={"input": ["king", "the king of France"], "dimensions": 2},
        statuses=INFERENCE_STATUSES_WITHOUT_422,
    ),
)
