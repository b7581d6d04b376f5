"""POST /v1/classify: pictures in any of four forms, labels out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from service.api.operation import (
    Operation,
    answered_by,
    context,
    json_response,
    parse_json,
    read_body,
    timings,
    validate,
    while_connected,
)
from service.bundle.manifest import Task
from service.errors import InvalidRequest, MalformedBody, UnsupportedMedia
from service.limits import variable
from service.tasks.base import invalid_body
from service.tasks.image_classification.request import ClassifyRequest, to_request
from service.tasks.image_classification.schemas import DEFAULT_TOP_K, ClassifyBody, ImageResult, TopK

_SCALARS = ("model", "version", "top_k")

# More form fields than there are, so that an unknown one is named.
_MAX_FIELDS = 16

_MEDIA = "image/png, image/jpeg, image/webp, image/bmp, image/gif, image/tiff, multipart/form-data or application/json"


class ClassifyAnswer(BaseModel):
    """The answer of /v1/classify: one result per image, in order."""

    model: str
    version: str
    results: list[ImageResult]


class _Choice(BaseModel):
    """What may stand in the query, in form fields and in the JSON body alike."""

    model: str | None = None
    version: str | None = None
    top_k: TopK | None = None


@dataclass(frozen=True)
class _Sent:
    """A request as it came: its choices by place, and its images."""

    fields: dict[str, Any]
    request: ClassifyRequest


async def classify(request: Request) -> Response:
    """Classify the images of one request."""
    sent = await _read(request)
    choice = _choose(request.query_params if request.scope["query_string"] else {}, sent.fields)
    served = context(request).registry.get(choice.model, choice.version, Task.IMAGE_CLASSIFICATION)
    asked = sent.request if choice.top_k is None else replace(sent.request, top_k=choice.top_k)
    fields = await while_connected(request, served, served.predict(asked, timings(request)))
    return answered_by(json_response({"model": served.name, "version": served.version} | fields), served)


async def _read(request: Request) -> _Sent:
    """Read the body in whichever form its content type says."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await read_body(request)
    if kind == "application/json":
        parsed = validate(ClassifyBody, parse_json(body))
        fields = {name: getattr(parsed, name) for name in _SCALARS if name in parsed.model_fields_set}
        return _Sent(fields, to_request(parsed, booleans=b"true" in body or b"false" in body))
    if kind.startswith("image/"):
        return _Sent({}, ClassifyRequest(pictures=(body,), field=None))
    if kind == "multipart/form-data":
        return await _read_form(request, body)
    raise UnsupportedMedia(
        f"content-type {kind!r} is not read; send {_MEDIA}" if kind else f"name a content-type: {_MEDIA}"
    )


async def _read_form(request: Request, body: bytes) -> _Sent:
    async def stream() -> Any:
        yield body

    _check_complete(request, body)
    limit = context(request).settings.max_images
    parser = MultiPartParser(Headers(raw=request.headers.raw), stream(), max_files=limit, max_fields=_MAX_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise InvalidRequest(
                f"more than {limit} images, which is the limit ({variable('max_images')}); send several requests",
                "image",
            ) from error
        raise MalformedBody(f"the multipart body cannot be read: {error.message}") from error
    try:
        fields: dict[str, Any] = {}
        pictures: list[bytes] = []
        for name, value in form.multi_items():
            if name == "image":
                if not isinstance(value, UploadFile):
                    raise InvalidRequest("is text; send it as a file, as in: curl -F image=@digit.png", "image")
                pictures.append(await value.read())
            elif name in _SCALARS and isinstance(value, str):
                fields[name] = value
            else:
                raise InvalidRequest(f"is not a part of this request; send 'image' and {', '.join(_SCALARS)}", name)
        return _Sent(fields, ClassifyRequest(pictures=tuple(pictures), field="image"))
    finally:
        await form.close()


def _check_complete(request: Request, body: bytes) -> None:
    """The parser takes a form that is cut short for a complete one with fewer parts."""
    boundary = parse_options_header(request.headers["content-type"])[1].get(b"boundary")
    if boundary and b"--" + boundary + b"--" not in body:
        raise MalformedBody("the multipart body is cut short: its closing boundary is missing")


def _choose(query: Mapping[str, str], fields: dict[str, Any]) -> _Choice:
    """Join the query and the body; where both name a thing they must agree."""
    for name, value in query.items():
        if name not in _SCALARS:
            raise InvalidRequest(f"is not a query parameter of this route; there are {', '.join(_SCALARS)}", name)
        if name in fields and fields[name] is not None and str(fields[name]) != value:
            raise InvalidRequest(f"the query says {value!r}, the body says {str(fields[name])!r}", name)
    if not query and not fields:
        return _Choice()
    given = {name: value for name, value in fields.items() if value is not None} | dict(query)
    if "version" in given:
        given["version"] = str(given["version"])
    try:
        return _Choice.model_validate(given)
    except ValidationError as error:
        raise invalid_body(error) from error


_PICTURE = {"schema": {"type": "string", "format": "binary"}}

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/classify",
        endpoint=classify,
        hot=True,
        tag="tasks",
        summary="Classify images",
        description=(
            "The body is a picture (PNG, JPEG, WebP, BMP, GIF or TIFF), a form with one or many parts named `image`, "
            "or JSON with base64 `images` or ready `pixels`. Pictures may have any size, colour or grey, dark on light "
            "or light on dark."
        ),
        body=ClassifyBody,
        response=ClassifyAnswer,
        parameters=(
            {"name": "model", "in": "query", "schema": {"type": "string"}, "description": "Which model."},
            {"name": "version", "in": "query", "schema": {"type": "string"}, "description": "Which version."},
            {
                "name": "top_k",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_TOP_K},
                "description": "How many labels per image; clamped to the labels there are.",
            },
        ),
        contents={f"image/{kind}": _PICTURE for kind in ("png", "jpeg", "webp", "bmp", "gif", "tiff")}
        | {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "model": {"type": "string"},
                        "version": {"type": "string"},
                        "top_k": {"type": "integer", "minimum": 1},
                    },
                }
            }
        },
        errors=(400, 404, 413, 415, 422, 503, 504),
    ),
)
