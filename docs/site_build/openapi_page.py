"""Writes service/api/openapi.json as a Markdown page: every route, its parameters, bodies and answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

_METHODS = ("get", "post")


def page(document: Document) -> str:
    """The page of an OpenAPI document: its routes by tag, then its schemas."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield "# Every field of the HTTP interface"
    yield ""
    yield f"Made of `service/api/openapi.json`, version {document['info']['version']}."
    by_tag: dict[str, list[tuple[str, str, Document]]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                by_tag.setdefault(operation["tags"][0], []).append((method, path, operation))
    for tag, operations in by_tag.items():
        yield from ("", f"## {tag[0].upper()}{tag[1:]}")
        for method, path, operation in operations:
            yield from _operation(method, path, operation)
    yield from ("", "## Schemas")
    for name, schema in document["components"]["schemas"].items():
        yield from ("", f"### `{name}`", "")
        yield from _schema(schema)


def _operation(method: str, path: str, operation: Document) -> Iterator[str]:
    yield from ("", f"### `{method.upper()} {path}`", "", f"**{operation['summary']}.**")
    if description := operation.get("description"):
        yield from ("", description)
    if parameters := operation.get("parameters"):
        yield from ("", "| parameter | in | type | meaning |", "|---|---|---|---|")
        for parameter in parameters:
            meaning = parameter.get("description", "")
            yield f"| `{parameter['name']}` | {parameter['in']} | {type_of(parameter['schema'])} | {meaning} |"
    if contents := operation.get("requestBody", {}).get("content"):
        yield from ("", "Body:", "")
        yield from (f"* `{media}`: {type_of(content.get('schema', {}))}" for media, content in contents.items())
    yield from ("", "Answers:", "")
    for status, response in operation["responses"].items():
        schemas = [type_of(content.get("schema", {})) for content in response.get("content", {}).values()]
        yield f"* {status} {response['description']}" + "".join(f": {schema}" for schema in schemas if schema)


def _schema(schema: Document) -> Iterator[str]:
    if description := schema.get("description"):
        yield from (description, "")
    properties = schema.get("properties")
    if not properties:
        yield type_of(schema) or "Any value."
        return
    required = schema.get("required", ())
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    for name, part in properties.items():
        default = "required" if name in required else f"`{part['default']}`" if part.get("default") is not None else ""
        meaning = " ".join(part.get("description", "").split()).replace("|", "\\|")
        yield f"| `{name}` | {type_of(part)} | {default} | {meaning} |"


def type_of(schema: Document) -> str:
    """A schema in a few words, with links to those that have names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(filter(None, map(type_of, schema[key]))))
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "")
    if kind == "array":
        items = schema.get("items") or {"anyOf": schema.get("prefixItems", [])}
        inner = type_of(items)
        return f"list of {inner}" if inner else "list"
    if kind == "string" and schema.get("format") == "binary":
        return "bytes"
    return str(kind)
