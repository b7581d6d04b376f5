"""The model repository extension: list, load and unload models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.access.scopes import KeyScope
from service.api.errors import ErrorShape
from service.api.io import check_and_parse, model_response, read_body, validate
from service.api.open_inference.schemas import ControlRequest, Index, IndexLine, IndexRequest
from service.api.operation import Context, Operation, context, json_limits
from service.api.path_privacy import hide_paths
from service.errors import Forbidden, InvalidRequest, RefusalReason
from service.serving.registered_model import HIGHEST
from service.serving.states import State

_TAG = "open inference protocol"

BodyT = TypeVar("BodyT", bound=BaseModel)


async def index(request: Request) -> Response:
    """List every version of every model."""
    body = await _read(request, IndexRequest)
    return model_response(list_versions(context(request), only_ready=body.ready))


async def load(request: Request) -> Response:
    """Load or reload a model, and answer once it serves."""
    body = await _read(request, ControlRequest)
    await load_model(context(request), request.path_params["model"], body.parameters)
    return Response()


async def unload(request: Request) -> Response:
    """Unload a model, and answer once its last request is finished."""
    await _read(request, ControlRequest)
    await unload_model(context(request), request.path_params["model"])
    return Response()


def list_versions(service: Context, *, only_ready: bool) -> Index:
    """Every version of every model, with its state and the reason for it."""
    return Index(
        [
            IndexLine(
                name=entry.name,
                version=entry.version,
                state=entry.state.value,
                reason=hide_paths(entry.reason, service.settings.models),
            )
            for entry in service.registry.index()
            if entry.state is State.READY or not only_ready
        ]
    )


async def load_model(service: Context, name: str, parameters: Mapping[str, Any]) -> None:
    """Load or reload a model in all processes, and return once it serves.

    Args:
        service: the parts of the service.
        name: the model.
        parameters: `version` for a single version; others that would change what is loaded are refused.

    Raises:
        InvalidRequest: naming the parameter that is wrong or not implemented.
        Forbidden: the settings do not allow it.
        LecternError: what `ModelControl.load` raises.
    """
    for parameter, value in parameters.items():
        if value is None:
            continue
        if parameter == "config" or parameter.startswith("file:"):
            field = f"parameters.{parameter}"
            raise InvalidRequest("is not implemented: models load as they are in the repository", field)
    _check_allowed(service)
    await service.control.load(name, _pinned(parameters.get("version")))


async def unload_model(service: Context, name: str) -> None:
    """Unload a model in all processes, and return once its last request is finished.

    Raises:
        Forbidden: the settings do not allow it.
        LecternError: what `ModelControl.unload` raises.
    """
    _check_allowed(service)
    await service.control.unload(name)


def _pinned(value: object) -> int | None:
    """The version that a request asks for, as a number; None if it asks for none."""
    if value is None or str(value) in HIGHEST:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"[1-9][0-9]{0,8}", str(value)):
        raise InvalidRequest("must be the number of a version, such as 3", "parameters.version")
    return int(value)


async def _read(request: Request, model: type[BodyT]) -> BodyT:
    """Read and check the body; an empty body is an empty object."""
    limits = json_limits(request)
    body = await read_body(request, limits)
    return validate(model, await check_and_parse(body, limits, context(request).turns) if body.strip() else {})


def _check_allowed(service: Context) -> None:
    """Raise Forbidden unless the settings allow callers to load and unload models."""
    settings = service.settings
    if not service.access.model_control:
        reason = (
            "LECTERN_MODEL_CONTROL=none; set it to explicit"
            if settings.model_control == "none"
            else "LECTERN_HOST is no loopback address; set LECTERN_MODEL_CONTROL=explicit"
        )
        raise Forbidden(f"loading and unloading is off: {reason} and restart", RefusalReason.CONTROL)


INDEX = Operation(
    method="POST",
    path="/v2/repository/index",
    endpoint=index,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="List the models of the repository",
    description="Every version of every model, with its state and the reason for it.",
    body=IndexRequest,
    body_required=False,
    response=Index,
    statuses=(400,),
    key_scope=KeyScope.ADMIN,
)

LOAD = Operation(
    method="POST",
    path="/v2/repository/models/{model}/load",
    endpoint=load,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Load or reload a model",
    description=(
        "Loads the versions that LECTERN_VERSION_POLICY asks for (by default the highest that verifies), or only "
        "that of `parameters.version`. What serves goes on until they are ready, and stays if none is."
    ),
    body=ControlRequest,
    body_required=False,
    statuses=(400, 403, 404, 503),
    key_scope=KeyScope.ADMIN,
    changes_state=True,
)

UNLOAD = Operation(
    method="POST",
    path="/v2/repository/models/{model}/unload",
    endpoint=unload,
    errors=ErrorShape.PLAIN,
    tag=_TAG,
    summary="Unload a model",
    description="Requests in flight are finished first.",
    body=ControlRequest,
    body_required=False,
    statuses=(400, 403, 404, 503),
    key_scope=KeyScope.ADMIN,
    changes_state=True,
)
