"""The response that all task routes share: which model and version answered, and one result per input."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.api.io import add_model_headers, json_response, while_connected
from service.api.large_answers import answer_response
from service.api.operation import context, timings
from service.serving.served_model import ServedModel

ResultT = TypeVar("ResultT")


class TaskAnswer(BaseModel, Generic[ResultT]):
    """The response of a task route: the model, its version, and one result per input, in order."""

    model: str
    version: str
    results: list[ResultT]


def predict(
    request: Request, served: ServedModel, task_request: Any, *, serialize: bool = False
) -> Coroutine[Any, Any, dict[str, Any]]:
    """Run a parsed request through the model, and return the answer's own fields; stops when the client disconnects.

    Args:
        request: the HTTP request.
        served: the model.
        task_request: the request of the task.
        serialize: whether the lists of a large answer are to be `SerializedList`s, for `answer_response`.
    """
    work = served.predict(task_request, timings(request), serialize=serialize)
    return while_connected(request, work, in_loop=served.answers_in_loop(task_request))


async def respond(request: Request, served: ServedModel, task_request: Any) -> Response:
    """Run a parsed request through the model and write its `TaskAnswer`."""
    fields = await predict(request, served, task_request, serialize=True)
    return add_model_headers(answer_response(_document(served, fields), context(request).turns), served)


def write_answer(served: ServedModel, fields: dict[str, Any]) -> Response:
    """Write a small `TaskAnswer`."""
    return add_model_headers(json_response(_document(served, fields)), served)


def _document(served: ServedModel, fields: dict[str, Any]) -> dict[str, Any]:
    return {"model": served.name, "version": served.version} | fields
