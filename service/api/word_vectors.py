"""The routes of word vectors: ours, and OpenAI's /v1/embeddings."""

from __future__ import annotations

from typing import Any, Literal

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
from service.serving.served_model import ServedModel
from service.tasks.base import TaskBody
from service.tasks.word_vectors.schemas import (
    AnalogyBody,
    Embedding,
    EmbeddingsBody,
    Neighbors,
    NeighborsBody,
    Point,
    ProjectionBody,
    Similarity,
    SimilarityBody,
    Usage,
)


class SimilarityAnswer(BaseModel):
    """The answer of /v1/similarity: one result per pair, in order."""

    model: str
    version: str
    results: list[Similarity]


class NeighborsAnswer(BaseModel):
    """The answer of /v1/neighbors, one result per word or vector, and of /v1/analogy, one result."""

    model: str
    version: str
    results: list[Neighbors]


class ProjectionAnswer(BaseModel):
    """The answer of /v1/projection: one result per word, in order."""

    model: str
    version: str
    results: list[Point]
    explained_variance: tuple[float, float]
    """The share of the words' variance along x and along y."""


class EmbeddingsAnswer(BaseModel):
    """The answer of /v1/embeddings: one vector per input, in order."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


async def similarity(request: Request) -> Response:
    """Compare pairs of words."""
    return await _results(request, SimilarityBody)


async def neighbors(request: Request) -> Response:
    """Find the nearest words."""
    return await _results(request, NeighborsBody)


async def analogy(request: Request) -> Response:
    """Solve an analogy."""
    return await _results(request, AnalogyBody)


async def projection(request: Request) -> Response:
    """Place words in a plane."""
    return await _results(request, ProjectionBody)


async def embeddings(request: Request) -> Response:
    """Embed texts."""
    served, fields = await _ask(request, EmbeddingsBody)
    return answered_by(json_response({"object": "list", "model": served.name} | fields), served)


async def _results(request: Request, body: type[TaskBody]) -> Response:
    served, fields = await _ask(request, body)
    return answered_by(json_response({"model": served.name, "version": served.version} | fields), served)


async def _ask(request: Request, body: type[TaskBody]) -> tuple[ServedModel, dict[str, Any]]:
    """Who answers, and the fields of the answer."""
    sent = validate(body, await read_json(request))
    served = context(request).registry.get(sent.model, sent.version, Task.WORD_VECTORS)
    work = served.predict(served.predictor.parse(sent), timings(request))
    return served, await while_connected(request, served, work)


_ERRORS = (400, 404, 413, 415, 422, 503, 504)

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/similarity",
        endpoint=similarity,
        hot=True,
        tag="tasks",
        summary="Compare pairs of words",
        description="Cosines. A pair with a word that is not known has the score null and names the word.",
        body=SimilarityBody,
        response=SimilarityAnswer,
        example={"pairs": [["king", "queen"], ["Paris", "banana"]]},
        errors=_ERRORS,
    ),
    Operation(
        method="POST",
        path="/v1/neighbors",
        endpoint=neighbors,
        hot=True,
        tag="tasks",
        summary="Find the nearest words",
        description=(
            "To each of the `words` or `vectors`, or to the sum of the `positive` words less the `negative` ones. The "
            "words of the request are left out of the answer. Of `words`, one that is not known has null for its "
            "neighbours; of `positive` and `negative` all must be known."
        ),
        body=NeighborsBody,
        response=NeighborsAnswer,
        example={"words": ["king"], "k": 5},
        errors=_ERRORS,
    ),
    Operation(
        method="POST",
        path="/v1/analogy",
        endpoint=analogy,
        hot=True,
        tag="tasks",
        summary="Solve an analogy",
        description="`a` is to `b` as `c` is to what? The nearest words to b - a + c, without the three (3CosAdd).",
        body=AnalogyBody,
        response=NeighborsAnswer,
        example={"a": "man", "b": "king", "c": "woman"},
        errors=_ERRORS,
    ),
    Operation(
        method="POST",
        path="/v1/projection",
        endpoint=projection,
        hot=True,
        tag="tasks",
        summary="Place words in a plane",
        description="Along the two directions in which these words vary most (PCA), for a plot.",
        body=ProjectionBody,
        response=ProjectionAnswer,
        example={"words": ["king", "queen", "man", "woman"]},
        errors=_ERRORS,
    ),
    Operation(
        method="POST",
        path="/v1/embeddings",
        endpoint=embeddings,
        hot=True,
        tag="tasks",
        summary="Embed texts, as OpenAI's API does",
        description=(
            "A vector of norm 1 for each input: that of the word, or the weighted mean of the words that are known. "
            "Errors have OpenAI's shape, and a bad input is 400."
        ),
        body=EmbeddingsBody,
        response=EmbeddingsAnswer,
        example={"input": ["king", "the king of France"], "dimensions": 2},
        errors=(400, 404, 413, 415, 503, 504),
    ),
)
