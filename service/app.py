"""create_app: the composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from service import __version__
from service.api import health, image_classification, open_inference, openai
from service.api.errors import plain_error
from service.api.http import Context, Operation
from service.api.middleware import RequestMiddleware
from service.api.openapi import describe
from service.observability import Metrics
from service.registry import ModelRegistry
from service.settings import Settings

OPERATIONS: tuple[Operation, ...] = (*image_classification.OPERATIONS, *open_inference.OPERATIONS)

Hook = Callable[[Context], None]


def create_app(settings: Settings, *, on_ready: Hook | None = None) -> FastAPI:
    """Make the application.

    Models load when its lifespan begins, or before that, by `app.state.context.registry.load_all()`.

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

    app = FastAPI(title="Lectern", version=__version__, lifespan=lifespan)
    app.state.context = context
    app.include_router(health.router)
    app.include_router(openai.router)
    # Plain routes first: matching goes in order, and these are the ones that must be fast.
    app.router.routes[:0] = [
        Route(operation.path, operation.endpoint, methods=[operation.method]) for operation in OPERATIONS
    ]
    app.add_middleware(RequestMiddleware, metrics=metrics, access_log=settings.access_log, operations=OPERATIONS)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    _describe_lazily(app)
    return app


def _describe_lazily(app: FastAPI) -> None:
    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, OPERATIONS)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


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
