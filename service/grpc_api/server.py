"""The gRPC server of one process: beside its HTTP server, on the same event loop and with the same models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service.api.operation import Context
from service.errors import ConfigurationError
from service.grpc_api import health
from service.grpc_api.call import FindClient
from service.grpc_api.methods import METHODS, UnaryHandler
from service.grpc_api.protocol import METHODS as DESCRIBED
from service.grpc_api.protocol import POOL, SERVICE, message
from service.grpc_api.streaming import StreamHandler

log = logging.getLogger(__name__)

KeyPair = tuple[bytes, bytes]
"""A key and the chain of its certificates, as PEM."""

_MESSAGE_MARGIN = 2
"""How many times the limit of a message gRPC reads, so that what is too large gets an error that names the setting."""
_MAX_CALLS = 4096
"""Calls of one process at the same time; gRPC refuses further ones as RESOURCE_EXHAUSTED."""


class GrpcServer:
    """Serves gRPC.

    Args:
        service: the parts of the service.
        find_client: finds the client of a call behind proxies.
        key_pair: what connections are encrypted with; called for each of them. None: they are not encrypted.
    """

    def __init__(
        self, service: Context, find_client: FindClient, key_pair: Callable[[], KeyPair] | None = None
    ) -> None:
        self._service = service
        self._find_client = find_client
        self._key_pair = key_pair
        self._stopping = asyncio.Event()

    async def start(self, address: str) -> None:
        """Accept connections.

        Args:
            address: host and port.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        limits = self._service.settings
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 1),  # Every process has a socket of its own on the same port.
                ("grpc.max_receive_message_length", _MESSAGE_MARGIN * limits.max_body_bytes),
                ("grpc.max_metadata_size", limits.max_header_bytes),
                ("grpc.absolute_max_metadata_size", limits.max_header_bytes),
            ],
            maximum_concurrent_rpcs=_MAX_CALLS,
        )
        self._server.add_generic_rpc_handlers((self._handlers(), _Refused()))
        health_pb2_grpc.add_HealthServicer_to_server(health.Health(self._service, self._stopping), self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, _described())
        try:
            if self._key_pair is None:
                self._server.add_insecure_port(address)
            else:
                self._server.add_secure_port(address, _credentials(self._key_pair))
        except RuntimeError as error:
            raise ConfigurationError(f"cannot listen on {address}; set LECTERN_GRPC_PORT") from error
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Accept no more, end the streams once what they asked is answered, and return once all calls are answered.

        Args:
            seconds: what is in flight after that is cut off.
        """
        self._stopping.set()
        await self._server.stop(seconds)

    def _handlers(self) -> grpc.GenericRpcHandler:
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for method in DESCRIBED:
            path = f"/{SERVICE}/{method.name}"
            if method.client_streaming:
                stream = StreamHandler(self._service, path, self._find_client, self._stopping)
                handlers[method.name] = grpc.stream_stream_rpc_method_handler(
                    stream.__call__, response_serializer=_serialize
                )
            else:
                unary = UnaryHandler(
                    self._service, path, METHODS[method.name], message(method.input_type.name), self._find_client
                )
                handlers[method.name] = grpc.stream_unary_rpc_method_handler(
                    unary.__call__, response_serializer=_serialize
                )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)


class _Refused(grpc.GenericRpcHandler):
    """Names the methods of Triton's service that Lectern does not have."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        prefix, _, name = str(handler_call_details.method).rpartition("/")
        if prefix != f"/{SERVICE}":
            return None

        async def refuse(messages: Any, context: Any) -> None:
            what = _NOT_IMPLEMENTED.get(name)
            reason = f"{what} are not implemented" if what else "there is no such method"
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{name[:100]}: {reason}")

        return grpc.stream_unary_rpc_method_handler(refuse)


_NOT_IMPLEMENTED = {
    **dict.fromkeys(
        (f"{kind}SharedMemory{call}" for kind in ("System", "Cuda") for call in ("Status", "Register", "Unregister")),
        "the shared memory extensions",
    ),
    "TraceSetting": "trace settings",
    "LogSettings": "log settings",
}


def _serialize(response: Any) -> bytes:
    return bytes(response.SerializeToString())


def _credentials(key_pair: Callable[[], KeyPair]) -> grpc.ServerCredentials:
    """Credentials that follow a change of the certificate."""

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([key_pair()])

    return grpc.dynamic_ssl_server_credentials(configuration(), configuration)


def _described() -> Any:
    """The pool for reflection, which describes the services of other packages too."""
    for file in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        POOL.AddSerializedFile(file.serialized_pb)
    return POOL
