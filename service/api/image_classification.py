"""POST /v1/classify: images in any of four forms, labels out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import ErrorShape
from service.api.forms import MULTIPART, URLENCODED, parse_multipart, query_fields, single_values
from service.api.io import check_and_parse, media_type, parse_json, read_body, validate
from service.api.json_limits import JsonLimits
from service.api.multipart import TooManyFiles
from service.api.operation import INFERENCE_STATUSES, Context, InlineCall, Operation, context, json_limits
from service.api.task_answer import TaskAnswer, respond, write_answer
from service.bundle.manifest import Task
from service.errors import InvalidRequest, LimitExceeded, UnsupportedMedia
from service.limits import Limits, variable
from service.serving.served_model import ServedModel
from service.tasks.base import invalid_body
from service.tasks.image_classification.preprocessing import MEDIA_TYPES, is_picture, is_recognized
from service.tasks.image_classification.request import ClassifyRequest, to_request
from service.tasks.image_classification.schemas import DEFAULT_TOP_K, TARGET_LABEL, ClassifyBody, ImageResult, TopK
from service.tasks.json_tensors import may_contain_booleans

_MAX_ROWS = 256
"""Rows of one image that `pixels` may have, whatever the model."""

_ONLY_PIXELS = {"pixels"}

_OPTIONS = ("model", "version", "top_k", "split", "explain", "target_label")

_ACCEPTED = f"{', '.join(MEDIA_TYPES)}, {MULTIPART} or application/json"


class ClassifyAnswer(TaskAnswer[ImageResult]):
    """The answer of /v1/classify: one result per image, in order."""


class _Options(BaseModel):
    """The options that may be sent in the query, in form fields and in the JSON body alike."""

    model: str | None = None
    version: str | None = None
    top_k: TopK | None = None
    split: bool | None = None
    explain: bool | None = None
    target_label: str | None = None


@dataclass(frozen=True)
class _ParsedBody:
    """The options that the body holds, not yet checked, and its images."""

    options: dict[str, Any]
    request: ClassifyRequest


async def classify(request: Request) -> Response:
    """Classify the images of one request."""
    parsed = await _read(request)
    served, task_request = _choose(context(request), query_fields(request, *_OPTIONS), parsed)
    return await respond(request, served, task_request)


def classify_inline(call: InlineCall) -> bool:
    """Classify the images of a small request that is JSON or a picture."""
    kind = call.head.media_type
    parsed = _as_picture(kind, call.body)
    if parsed is None:
        if kind != "application/json":
            return False
        parsed = _parse_json(call.body, parse_json(call.body))
    served, request = _choose(call.service, {}, parsed)
    if not served.answers_in_loop(request):
        return False
    return served.start_prediction(request, call.timings, lambda fields: write_answer(served, fields), call)


def _choose(service: Context, query: Mapping[str, str], parsed: _ParsedBody) -> tuple[ServedModel, ClassifyRequest]:
    """The model that the options name, and the request with the options."""
    if not query and not parsed.options:
        return service.registry.find(Task.IMAGE_CLASSIFICATION), parsed.request
    options = _merge_options(query, parsed.options)
    served = service.registry.find(Task.IMAGE_CLASSIFICATION, options.model, options.version)
    request = parsed.request
    if options.top_k is not None:
        request = replace(request, top_k=options.top_k)
    if options.split is not None:
        request = replace(request, split=options.split)
    if options.explain is not None:
        request = replace(request, explain=options.explain)
    if options.target_label is not None:
        request = replace(request, target_label=options.target_label)
    return served, request


async def _read(request: Request) -> _ParsedBody:
    """Read the body: a picture, or the form that its content type names."""
    kind = media_type(request)
    limits = json_limits(request)
    body = await read_body(request, limits if kind == "application/json" else None)
    if (picture := _as_picture(kind, body)) is not None:
        return picture
    if kind == "application/json":
        return _parse_json(body, await check_and_parse(body, limits, context(request).turns))
    if kind == MULTIPART:
        return await _read_form(request, body)
    if is_recognized(body):  # The error about the picture says what it is.
        return _picture(body)
    if not body:
        raise UnsupportedMedia(f"the body is empty; send {_ACCEPTED}")
    problem = f"content-type {kind[:64]!r} is not supported; send" if kind else "name a content-type:"
    # curl's -d takes the line breaks out of a file, and with them what makes a PNG one.
    hint = "; with curl, send a file as --data-binary @FILE" if kind == URLENCODED else ""
    raise UnsupportedMedia(f"{problem} {_ACCEPTED}{hint}")


def _as_picture(kind: str, body: bytes) -> _ParsedBody | None:
    """The body as a picture, if its bytes or its content type say that it is one.

    No other form begins like a picture, and programs send many wrong types: curl's for any data is that of a form.
    """
    if kind == "application/json" and body.startswith(b"{"):  # As no picture does.
        return None
    return _picture(body) if kind.startswith("image/") or is_picture(body) else None


def _picture(body: bytes) -> _ParsedBody:
    return _ParsedBody({}, ClassifyRequest(pictures=(body,), field=None))


def _parse_json(body: bytes, document: Any) -> _ParsedBody:
    if type(document) is dict and document.keys() == _ONLY_PIXELS and document["pixels"] is not None:
        # What `ClassifyBody` would make of it, in a tenth of the time.
        request = ClassifyRequest(pixels=document["pixels"], may_contain_booleans=may_contain_booleans(body))
        return _ParsedBody({}, request)
    content = validate(ClassifyBody, document)
    sent = content.model_fields_set
    options = {name: getattr(content, name) for name in _OPTIONS if name in sent}
    return _ParsedBody(options, to_request(content, may_contain_booleans=may_contain_booleans(body)))


async def _read_form(request: Request, body: bytes) -> _ParsedBody:
    limit = context(request).settings.max_images
    too_many = LimitExceeded(
        f"more than {limit} images, which is the limit ({variable('max_images')}); send several requests", "image"
    )
    try:
        parts = await parse_multipart(request, body, max_files=limit)
    except TooManyFiles as error:
        raise too_many from error
    options: list[tuple[str, str]] = []
    pictures: list[bytes] = []
    for part in parts:
        if not part.content and not part.filename:  # Web pages send every field, files that nobody chose too.
            continue
        if part.name == "image":
            if not part.is_file and not is_picture(part.content):
                raise InvalidRequest("is text; send it as a file, as in: curl -F image=@digit.png", "image")
            pictures.append(part.content)
        elif part.name in _OPTIONS and not part.is_file:
            options.append((part.name, part.text))
        else:
            raise InvalidRequest(f"is not a part of this request; send 'image' and {', '.join(_OPTIONS)}", part.name)
    if len(pictures) > limit:
        raise too_many
    return _ParsedBody(single_values(options), ClassifyRequest(pictures=tuple(pictures), field="image"))


def _merge_options(query: Mapping[str, str], body: dict[str, Any]) -> _Options:
    """Merge the options of the query and the body. One that is empty in the query was not sent.

    Raises:
        InvalidRequest: the two disagree, or a value is invalid.
    """
    for name, value in query.items():
        if value and name in body and body[name] is not None and _as_text(body[name]) != value:
            raise InvalidRequest(f"the query says {value!r}, the body says {_as_text(body[name])!r}", name)
    options = {name: value for name, value in body.items() if value is not None}
    options |= {name: value for name, value in query.items() if value}
    if "version" in options:
        options["version"] = str(options["version"])
    try:
        return _Options.model_validate(options)
    except ValidationError as error:
        raise invalid_body(error) from error


def _as_text(value: object) -> str:
    """An option of the body as a query would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json_limits(limits: Limits) -> JsonLimits:
    """Pictures in base64 may take as much as any body; `pixels` have a list for each row."""
    return JsonLimits(
        max_bytes=limits.max_body_bytes,
        items=limits.max_numbers,
        lists=limits.max_images * _MAX_ROWS,
        texts_are_ascii=True,
        settings=("max_images", "max_numbers"),
    )


_IMAGE_FILE = {"schema": {"type": "string", "format": "binary"}}

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/classify",
        endpoint=classify,
        inline=classify_inline,
        fast_path=True,
        errors=ErrorShape.PROBLEM,
        tag="tasks",
        summary="Classify images",
        description=(
            "The body is an image (PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF, and HEIC where the extra `heif` is "
            "installed; known by its bytes whatever the content type), a form with one or more parts named `image`, or "
            "JSON with base64 `images` or ready `pixels`. Images may have any size, be in color or grayscale, and dark "
            "on light or light on dark."
        ),
        body=ClassifyBody,
        json_limits=_json_limits,
        response=ClassifyAnswer,
        parameters=(
            {"name": "model", "in": "query", "schema": {"type": "string"}, "description": "Which model."},
            {"name": "version", "in": "query", "schema": {"type": "string"}, "description": "Which version."},
            {
                "name": "top_k",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_TOP_K},
                "description": "How many labels per image; at most all of the model's labels are returned.",
            },
            {
                "name": "split",
                "in": "query",
                "schema": {"type": "boolean", "default": False},
                "description": "Classify each figure of a picture too.",
            },
            {
                "name": "explain",
                "in": "query",
                "schema": {"type": "boolean", "default": False},
                "description": "Answer with what the network saw of each image, and which pixels mattered.",
            },
            {"name": "target_label", "in": "query", "schema": {"type": "string"}, "description": TARGET_LABEL},
        ),
        body_media_types=dict.fromkeys(MEDIA_TYPES, _IMAGE_FILE)
        | {
            "application/octet-stream": _IMAGE_FILE,
            MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "model": {"type": "string"},
                        "version": {"type": "string"},
                        "top_k": {"type": "integer", "minimum": 1},
                        "split": {"type": "boolean"},
                        "explain": {"type": "boolean"},
                        "target_label": {"type": "string"},
                    },
                }
            },
        },
        statuses=INFERENCE_STATUSES,
    ),
)
