"""Composition root: `create_app` puts the parts of the service together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service import __version__
from service.api import (
    health,
    image_classification,
    libretranslate,
    libretranslate_files,
    libretranslate_info,
    libretranslate_suggest,
    model_inspection,
    open_inference,
    openai,
    page_files,
    token_classification,
    translation,
    word_vectors,
)
from service.api.access import Access
from service.api.bodies import BodyBudget
from service.api.errors import write_error
from service.api.fast_path import FastPath
from service.api.file_workers import FileWorkers
from service.api.inline_path import InlinePath
from service.api.middleware import RequestMiddleware
from service.api.openapi import describe
from service.api.openapi_document import OPENAPI
from service.api.operation import Context, Operation, error_shape
from service.observability import MULTIPROCESS_DIR, Metrics
from service.serving.canary import Canary
from service.serving.registry import ModelRegistry
from service.serving.repository import ModelRepository
from service.serving.states import ModelControl
from service.settings import Settings
from service.storage.suggestions import Suggestions
from service.storage.translated_files import TranslatedFiles

OPERATIONS: tuple[Operation, ...] = (
    *health.OPERATIONS,
    *openai.OPERATIONS,
    *model_inspection.OPERATIONS,
    *image_classification.OPERATIONS,
    *token_classification.OPERATIONS,
    *translation.OPERATIONS,
    *word_vectors.OPERATIONS,
    *libretranslate.OPERATIONS,
    *libretranslate_files.OPERATIONS,
    *libretranslate_suggest.OPERATIONS,
    *libretranslate_info.OPERATIONS,
    *open_inference.OPERATIONS,
)

_UNROUTED = replace(OPENAPI, path="(no route)", summary="Every path and method without an operation")
"""Stands for the operation of a request that has none, in the checks that every request passes."""

Hook = Callable[[Context], None]
MakeControl = Callable[[Settings, ModelRegistry], ModelControl]


class Lectern(FastAPI):
    """The application: FastAPI with the fast path in front of it, and an OpenAPI document of all operations.

    The operations are plain Starlette routes.
    """

    def __init__(self, context: Context, **options: Any) -> None:
        super().__init__(title="Lectern", version=__version__, redirect_slashes=False, openapi_url=None, **options)
        self.context = context
        shared: dict[str, Any] = {
            "metrics": context.metrics,
            "access_log": context.settings.access_log,
            "cors": context.access.cors,
        }
        self.add_middleware(RequestMiddleware, **shared)
        self.add_exception_handler(HTTPException, _refuse)
        served = (*OPERATIONS, OPENAPI, *(page_files.PAGES if context.settings.page else ()))
        self.router.routes += [Route(operation.path, operation, methods=[operation.method]) for operation in served]
        self.inline_path = InlinePath(self, context, OPERATIONS)
        """Answers what needs no ASGI; servers that have it ask it first."""
        self._fast_path = FastPath(OPERATIONS)
        self._fast_app = RequestMiddleware(self._fast_path, **shared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._fast_path.matches(scope) or (_drop_trailing_slash(scope) and self._fast_path.matches(scope)):
            scope["app"] = self
            await self._fast_app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made at the first call."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(OPERATIONS)
        return self.openapi_schema


def create_app(settings: Settings, *, on_ready: Hook | None = None, control: MakeControl | None = None) -> Lectern:
    """Create the application.

    Models load when its lifespan begins, or earlier by `app.context.control.start()`.

    Args:
        settings: the settings of the service.
        on_ready: called in the event loop once every model is loaded.
        control: makes what loads and unloads models; by default this process decides for itself.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    metrics = Metrics()
    registry = ModelRegistry(settings, metrics)
    context = Context(
        settings=settings,
        registry=registry,
        control=(control or _decide_here)(settings, registry),
        metrics=metrics,
        access=Access(settings),
        body_budget=BodyBudget(settings.max_total_body_bytes),
        files=_translated_files(settings),
        file_workers=FileWorkers(settings.max_concurrent_files, settings.max_queue_seconds),
        suggestions=Suggestions(settings.suggestions, settings.max_suggestions_bytes) if settings.suggestions else None,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings.page:
            await asyncio.to_thread(page_files.prepare, settings)
        await context.control.start()
        if on_ready is not None:
            on_ready(context)
        context.control.watch()
        canary = _start_canary(context)
        if settings.file_translation:
            context.files.watch()
        yield
        if canary is not None:
            canary.cancel()
        context.file_workers.close()
        await asyncio.to_thread(context.files.close)
        await context.control.close()
        await context.registry.close()

    return Lectern(context, lifespan=lifespan)


def _start_canary(context: Context) -> asyncio.Task[None] | None:
    seconds = context.settings.canary_seconds
    if not seconds:
        return None
    return asyncio.get_running_loop().create_task(Canary(context.registry, context.metrics, seconds).run())


def _translated_files(settings: Settings) -> TranslatedFiles:
    """The store of translated files: of all worker processes, or of this one where it is the only one."""
    shared = os.environ.get(MULTIPROCESS_DIR)
    folder = Path(shared, "files") if shared else None
    return TranslatedFiles(folder, seconds=settings.file_seconds, max_bytes=settings.max_stored_bytes)


def _decide_here(settings: Settings, registry: ModelRegistry) -> ModelControl:
    return ModelRepository(settings, registry.apply)


def _drop_trailing_slash(scope: Scope) -> bool:
    """Take a slash from the end of a path, where it makes no difference; return whether there was one."""
    if scope["type"] != "http":
        return False
    path = scope["path"]
    if not path.endswith("/") or path == "/":
        return False
    scope["path"] = path[:-1]
    return True


async def _refuse(request: Request, error: Exception) -> Response:
    """Answer a request that the router refuses: an unknown path, or a method that the path does not have.

    A browser's question whether a page may send a request (a preflight) has such a method.

    Raises:
        LecternError: what the checks of `Access` raise.
    """
    assert isinstance(error, HTTPException)
    access: Access = request.app.context.access
    operation = request.scope.get("endpoint")
    access.check_connection(operation if isinstance(operation, Operation) else _UNROUTED, request.scope)
    if access.cors is not None and (answer := access.cors.preflight(request.scope)):
        return answer
    access.check_sender(_UNROUTED, request.scope)
    path = request.url.path
    docs = request.app.context.settings.docs_path
    texts = {404: f"no route {path}; {docs} lists them", 405: f"{request.method} is not allowed on {path}"}
    text = texts.get(error.status_code, str(error.detail))
    headers = {"allow": _methods_of(request)} if error.status_code == 405 else error.headers
    return write_error(error.status_code, text, error_shape(request.scope), path, headers=headers)


def _methods_of(request: Request) -> str:
    """The methods that the path of a request has, of all its routes."""
    routes = (route for route in request.app.router.routes if isinstance(route, Route))
    paths = (route for route in routes if route.path_regex.match(request.scope["path"]))
    return ", ".join(sorted({method for route in paths for method in route.methods or ()}))
