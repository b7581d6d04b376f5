"""Declares a route: its endpoint, the shape of its errors, and its description in the OpenAPI file."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.access.scopes import KeyScope
from service.api.access import Access
from service.api.bodies import BodyBudget, release_body
from service.api.errors import ErrorShape, shape_by_prefix
from service.api.file_workers import FileWorkers
from service.api.json_limits import JsonLimits
from service.api.negotiation import parse_media_type
from service.api.turns import Turns
from service.limits import Limits
from service.observability import Metrics, Timings
from service.serving.registry import ModelRegistry
from service.serving.states import ModelControl
from service.settings import Settings
from service.storage.suggestions import Suggestions
from service.storage.translated_files import TranslatedFiles

Endpoint = Callable[[Request], Awaitable[Response]]
InlineEndpoint = Callable[["InlineCall"], bool]
"""Begins to answer a request on the inline path; returns False, and does nothing, if `Endpoint` must answer it."""


class InlineHead:
    """What the inline path knows of a head; the requests of a connection that repeats its head share it.

    Args:
        scope: the head of the first of them.
    """

    __slots__ = ("is_admitted", "media_type", "values")

    def __init__(self, scope: Scope) -> None:
        self.values: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        """The first value of each header; that of Content-Length may be another in the requests that follow."""
        content_type = self.values.get(b"content-type")
        self.media_type = parse_media_type(None if content_type is None else str(content_type, "latin-1"))
        """Of their bodies, as `parse_media_type` returns it."""
        self.is_admitted = False
        """Whether one of them has passed the checks of `Access`."""


class InlineCall(ABC):
    """A request on the inline path (`service.api.inline_path`), and the `Reply` of its run.

    Args:
        service: the parts of the service.
        scope: the head of the request.
        head: the same, with what is known of it.
        body: the whole body, which is small.
        timings: the stage times of the request.
    """

    __slots__ = ("body", "head", "scope", "service", "timings")

    def __init__(self, service: Context, scope: Scope, head: InlineHead, body: bytes, timings: Timings) -> None:
        self.service = service
        self.scope = scope
        self.head = head
        self.body = body
        self.timings = timings

    def header(self, name: bytes) -> str | None:
        """The first value of a header other than Content-Length; None if the request does not have it."""
        value = self.head.values.get(name)
        return None if value is None else str(value, "latin-1")

    @abstractmethod
    def send(self, response: Response, /) -> None:
        """Send the answer."""

    @abstractmethod
    def fail(self, error: Exception, /) -> None:
        """Send the answer to an error."""


IS_CHECKED = "is_checked"
"""Key in the state of a scope: set if the inline path has left it a request that passed the checks of `Access`."""

INFERENCE_STATUSES = (400, 404, 413, 415, 422, 503, 504)
"""Error statuses of a route that runs a model."""
INFERENCE_STATUSES_WITHOUT_422 = (400, 404, 413, 415, 503, 504)
"""The same where an invalid request is 400."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation:
    """A route: one method on one path.

    It is the ASGI application that Starlette routes to, without FastAPI's per-request work, and it holds the route's
    description for the OpenAPI file. The pydantic models that check requests also describe them.
    """

    method: str
    path: str
    endpoint: Endpoint
    errors: ErrorShape
    """Shape of the body of its errors; also decides whether an invalid request is 400 or 422."""
    tag: str
    """Its group in the OpenAPI file."""
    summary: str
    description: str = ""
    operation_id: str = ""
    """Its identifier in the OpenAPI file, which generated clients use as a name; by default endpoint and path."""
    body: type[BaseModel] | None = None
    """The JSON body."""
    body_required: bool = True
    body_media_types: dict[str, Any] = field(default_factory=dict)
    """Media types that the body may have besides JSON, as OpenAPI's Media Type Objects."""
    example: Any = None
    """An example of the JSON body."""
    response: type[BaseModel] | None = None
    """The JSON answer."""
    response_media_types: dict[str, Any] = field(default_factory=dict)
    """Media types that the answer may have besides JSON, as OpenAPI's Media Type Objects."""
    parameters: tuple[dict[str, Any], ...] = ()
    """Query and header parameters, as OpenAPI's Parameter Objects."""
    statuses: tuple[int, ...] = ()
    """Error statuses that the OpenAPI file lists."""
    key_scope: KeyScope | None = KeyScope.INFER
    """What the caller's API key must allow, where there are keys; None: open to all."""
    key_in_fields: bool = False
    """Whether the key may also come as the field `api_key`, as LibreTranslate's clients send it."""
    changes_state: bool = False
    """Whether it changes what the server does; then it is refused to web pages of other origins."""
    path_is_secret: bool = False
    """Whether whoever knows the path may have what is there; then the log does not have it."""
    is_uncounted: bool = False
    """Whether the limits of callers do not count it: it costs next to nothing, and a browser sends dozens at once."""
    is_probe: bool = False
    """Whether it is a health probe: those name the server by any host."""
    json_limits: Callable[[Limits], JsonLimits] = lambda limits: JsonLimits()
    """What its counts allow a JSON body to hold."""
    inline: InlineEndpoint | None = None
    """Answers small requests to inline models on the inline path."""
    fast_path: bool = False
    """Whether the route is latency-critical and dispatched by `FastPath`, in front of FastAPI's middleware."""

    @property
    def is_administration(self) -> bool:
        """Whether it is on the port of LECTERN_ADMIN_PORT, where that is set; all others but probes are not."""
        return self.key_scope in (KeyScope.ADMIN, KeyScope.METRICS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        access: Access = scope["app"].context.access
        if not scope["state"].pop(IS_CHECKED, False):
            access.check(self, scope)
        answer = self.endpoint(Request(scope, receive))
        client_left = False
        try:
            try:
                response = await (access.record(scope, answer) if self.changes_state else answer)
            except Exception:
                access.confirm(self, scope)
                raise
            finally:
                release_body(scope)
            access.confirm(self, scope)
            await response(scope, receive, send)
        except ClientDisconnect:
            client_left = True
            raise
        finally:
            if access.limits_callers:
                access.charge(scope, client_left=client_left)


@dataclass(frozen=True, kw_only=True)
class Context:
    """The parts of the service that endpoints use."""

    settings: Settings
    registry: ModelRegistry
    """The models that this process serves."""
    control: ModelControl
    """Loads and unloads models, in all processes."""
    metrics: Metrics
    access: Access
    body_budget: BodyBudget
    """The memory that the bodies of all requests may take."""
    files: TranslatedFiles
    """The translated files that are kept for download, of all processes."""
    file_workers: FileWorkers
    """The files that this process translates."""
    suggestions: Suggestions | None = None
    """Where suggested translations are kept; None if they are refused."""
    turns: Turns = field(default_factory=Turns)
    """The turns of the event loop, for steps that take long."""
    draining: threading.Event = field(default_factory=threading.Event)
    """Set once the process is asked to stop; from then on the readiness probe answers 503."""


def context(request: Request) -> Context:
    """The context of the application that received this request."""
    result: Context = request.scope["app"].context
    return result


def json_limits(request: Request) -> JsonLimits:
    """What the JSON of this request may hold."""
    operation: Operation = request.scope["endpoint"]
    return operation.json_limits(context(request).settings)


def timings(request: Request) -> Timings:
    """The stage times of this request; the middleware writes them into `Server-Timing`."""
    result: Timings = request.scope["state"]["timings"]
    return result


def logged_path(scope: Scope) -> str:
    """The path of a request for the log: that of its route, where the caller's is a secret."""
    operation = scope.get("endpoint")
    if isinstance(operation, Operation) and operation.path_is_secret:
        return operation.path
    path: str = scope["path"]
    return path


def error_shape(scope: Scope) -> ErrorShape:
    """The shape of errors for a request: that of its operation, or by prefix if no operation has its path.

    Starlette's router and `FastPath` put the operation that matches the path into the scope as its endpoint; Starlette
    does so even if the method does not match.
    """
    operation = scope.get("endpoint")
    return operation.errors if isinstance(operation, Operation) else shape_by_prefix(scope["path"])
