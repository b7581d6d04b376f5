"""The OpenAPI document, made from the operations.

`lectern openapi` prints it; `make openapi` writes it to `service/api/openapi.json`, which a test compares with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service import __version__
from service.api.error_bodies import ERROR_BODIES, error_content
from service.api.errors import phrase
from service.api.operation import Operation

_STATUSES_OF_ALL = (400, 431, 500, 503)
"""Error statuses that any operation may have: broken or endless headers, a failure, and a server that drains."""

_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, where the server needs one. The scopes are infer, admin and metrics.",
    },
    "api_key": {
        "type": "apiKey",
        "in": "query",
        "name": "api_key",
        "description": "The same key on LibreTranslate's routes, in the query or as a field of the body.",
    },
}

_SUMMARY = "The classic neural networks of a first deep-learning course, served."


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `operations`."""
    operations = list(operations)
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = []
    for operation in operations:
        models += [(operation.body, "validation")] if operation.body else []
        models += [(operation.response, "serialization")] if operation.response else []
        models += [(ERROR_BODIES[operation.errors], "serialization")]
    schemas, definitions = models_json_schema(list(dict.fromkeys(models)), ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe_operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lectern", "summary": _SUMMARY, "version": __version__},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(definitions["$defs"].items())), "securitySchemes": _SECURITY_SCHEMES},
    }


def _describe_operation(operation: Operation, schemas: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"tags": [operation.tag], "summary": operation.summary}
    if operation.description:
        entry["description"] = operation.description
    entry["operationId"] = operation.operation_id or _operation_id(operation)
    names = [segment[1:-1] for segment in operation.path.split("/") if segment.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    parameters += operation.parameters
    if parameters:
        entry["parameters"] = parameters
    content = dict(operation.body_media_types)
    if operation.body:
        content = {"application/json": {"schema": schemas[(operation.body, "validation")]}} | content
    if operation.example is not None:
        content["application/json"]["example"] = operation.example
    if content:
        entry["requestBody"] = {"required": operation.body_required, "content": content}
    success: dict[str, Any] = {"description": "Successful response"}
    answers = dict(operation.response_media_types)
    if operation.response:
        answers = {"application/json": {"schema": schemas[(operation.response, "serialization")]}} | answers
    if answers:
        success["content"] = answers
    content = error_content(operation.errors)
    statuses = sorted({*operation.statuses, *_access_statuses(operation), *_STATUSES_OF_ALL})
    errors = {str(status): {"description": phrase(status), "content": content} for status in statuses}
    entry["responses"] = {"200": success} | errors
    entry["security"] = _security(operation)
    return entry


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """The API keys that an operation takes. None is needed where the server has no key file: the empty alternative."""
    if operation.key_scope is None:
        return []
    schemes = ["bearer", "api_key"] if operation.key_in_fields else ["bearer"]
    return [*({scheme: [operation.key_scope.value]} for scheme in schemes), {}]


def _access_statuses(operation: Operation) -> tuple[int, ...]:
    """Statuses of requests whose sender may not use an operation."""
    if operation.is_probe:
        return ()
    return (403, 429) if operation.key_scope is None else (401, 403, 429)


def _operation_id(operation: Operation) -> str:
    """An identifier made of the endpoint's name and the path: `tag_v1_tag`."""
    path = operation.path.translate({ord("/"): "_", ord("{"): None, ord("}"): None})
    return f"{getattr(operation.endpoint, '__name__', '')}{path}"
