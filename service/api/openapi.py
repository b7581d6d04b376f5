"""The OpenAPI document: FastAPI's own routes and our operations in one description.

`lectern openapi` prints it; `make openapi` writes `service/api/openapi.json`, which a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service import __version__
from service.api.errors import phrase
from service.api.operation import Operation

_REFERENCES = "#/components/schemas/{model}"


def describe(app: FastAPI, operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI document of `app` with `operations` added."""
    listed = list(operations)
    document = get_openapi(
        title="Lectern",
        version=__version__,
        summary="The classic neural networks of a first deep-learning course, served.",
        routes=app.routes,
    )
    used: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for operation in listed:
        used += [(operation.body, "validation")] if operation.body else []
        used += [(operation.response, "serialization")] if operation.response else []
    schemas, definitions = models_json_schema(
        list(dict.fromkeys(used)),
        ref_template=_REFERENCES,
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components.update(definitions.get("$defs", {}))
    for operation in listed:
        entry = _entry(operation, schemas)
        document["paths"].setdefault(operation.path, {})[operation.method.lower()] = entry
    document["paths"] = dict(sorted(document["paths"].items()))
    document["components"]["schemas"] = dict(sorted(components.items()))
    return document


def _entry(operation: Operation, schemas: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"tags": [operation.tag], "summary": operation.summary}
    if operation.description:
        entry["description"] = operation.description
    entry["operationId"] = f"{operation.endpoint.__name__}{operation.path}".replace("/", "_").translate(
        {ord("{"): None, ord("}"): None}
    )
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    if path or operation.parameters:
        entry["parameters"] = [*path, *operation.parameters]
    contents = dict(operation.contents)
    if operation.body:
        contents = {"application/json": {"schema": schemas[(operation.body, "validation")]}} | contents
    if operation.example is not None:
        contents["application/json"]["example"] = operation.example
    if contents:
        entry["requestBody"] = {"required": operation.body_required, "content": contents}
    answer: dict[str, Any] = {"description": "Successful answer"}
    if operation.response:
        answer["content"] = {"application/json": {"schema": schemas[(operation.response, "serialization")]}}
    entry["responses"] = {"200": answer} | {str(status): {"description": phrase(status)} for status in operation.errors}
    return entry
