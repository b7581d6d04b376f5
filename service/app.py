"""create_app: the composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from service import __version__
from service.api import (
    health,
    image_classification,
    libretranslate,
    open_inference,
    openai,
    token_classification,
    translation,
    word_vectors,
)
from service.api.errors import plain_error
from service.api.fast_path import HotRoutes
from service.api.middleware import RequestMiddleware
from service.api.openapi import describe
from service.api.operation import Context, Operation
from service.observability import Metrics
from service.serving.registry import ModelRegistry
from service.settings import Settings

OPERATIONS: tuple[Operation, ...] = (
    *image_classification.OPERATIONS,
    *token_classification.OPERATIONS,
    *translation.OPERATIONS,
    *word_vectors.OPERATIONS,
    *libretranslate.OPERATIONS,
    *open_inference.OPERATIONS,
)

Hook = Callable[[Context], None]


class Lectern(FastAPI):
    """The application: FastAPI, with a short way to the hot routes in front and all operations in its description."""

    def __init__(self, context: Context, **options: Any) -> None:
        super().__init__(title="Lectern", version=__version__, **options)
        self.context = context
        access_log = context.settings.access_log
        self.add_middleware(RequestMiddleware, metrics=context.metrics, access_log=access_log)
        self._hot = HotRoutes(OPERATIONS)
        self._hot_way = RequestMiddleware(self._hot, metrics=context.metrics, access_log=access_log)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._hot.matches(scope):
            scope["app"] = self
            await self._hot_way(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made when it is first asked for."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(self, OPERATIONS)
        return self.openapi_schema


def create_app(settings: Settings, *, on_ready: Hook | None = None) -> Lectern:
    """Make the application.

    Models load when its lifespan begins, or before that, by `app.context.registry.load_all()`.

    Args:
        settings: everything that can be set.
        on_ready: called in the event loop once every model is loaded.
    """
    metrics = Metrics()
    context = Context(settings=settings, registry=ModelRegistry(settings, metrics), metrics=metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context.registry.load_all()
        if on_ready is not None:
            on_ready(context)
        yield
        await context.registry.close()

    app = Lectern(context, lifespan=lifespan)
    app.include_router(health.router)
    app.include_router(openai.router)
    app.router.routes += [
        Route(operation.path, operation.endpoint, methods=[operation.method]) for operation in OPERATIONS
    ]
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    return app


async def _http_exception(request: Request, error: Exception) -> Response:
    """What the router itself refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    text = {404: f"no route {path}; /docs lists them", 405: f"{request.method} is not allowed on {path}"}
    return plain_error(error.status_code, text.get(error.status_code, str(error.detail)), path, headers=error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return plain_error(422, first["msg"], request.url.path, field=str(first["loc"][-1]))
