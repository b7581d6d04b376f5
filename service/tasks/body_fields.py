"""Annotations for the fields of JSON bodies: what null means, and what only the OpenAPI file says about a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import ConfigDict, GetCoreSchemaHandler, JsonValue, WithJsonSchema
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class NullAs:
    """Makes null mean that the field was not given, as generated clients write all their optional fields.

    Args:
        make_default: makes the default of the field.
    """

    make_default: Callable[[], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def replace_null(value: Any) -> Any:
            return self.make_default() if value is None else value

        return core_schema.no_info_after_validator_function(replace_null, core_schema.nullable_schema(handler(source)))


# Word vectors and tags are asked for by the thousand: the task itself checks its words, and says which is empty.
Word = Annotated[str, WithJsonSchema({"type": "string", "minLength": 1})]
"""A word; the OpenAPI file says that it is not empty, pydantic does not check it."""


def exactly_one_of(*forms: tuple[str, ...]) -> ConfigDict:
    """Say in the OpenAPI file that a body has the fields of exactly one of several forms.

    Args:
        forms: of each form the fields that may state it; one of them, not null, is enough.
    """
    alternatives: list[JsonValue] = [
        {"anyOf": [_is_given(field) for field in fields]} if len(fields) > 1 else _is_given(fields[0])
        for fields in forms
    ]
    return ConfigDict(json_schema_extra={"oneOf": alternatives})


def _is_given(field: str) -> dict[str, JsonValue]:
    return {"required": [field], "properties": {field: {"not": {"type": "null"}}}}


def nullable(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The JSON schema of a field that may be null."""
    return {"anyOf": [schema, {"type": "null"}]}
