"""Loading and unloading from a worker: the supervisor decides, and its errors arrive as they would in one process."""

from __future__ import annotations

import asyncio
from typing import Any

from service import errors
from service.errors import LecternError, ModelFailure, NotReady
from service.server.channel import Channel, Message


class SupervisorControl:
    """A `ModelControl` that asks the supervisor, which has all workers do it.

    Args:
        channel: the channel to the supervisor.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._calls: dict[int, asyncio.Future[None]] = {}
        self._count = 0
        self._closed = False

    async def start(self) -> None:
        """Do nothing: a worker applies what the supervisor sends before it serves."""

    def watch(self) -> None:
        """Do nothing: the supervisor watches the repository."""

    async def load(self, name: str, version: int | None = None) -> None:
        """Load versions of a model, and return once all workers serve them."""
        await self._ask("load", name=name, version=version)

    async def unload(self, name: str) -> None:
        """Take a model out of service, and return once its last request in any worker is answered."""
        await self._ask("unload", name=name)

    def stop(self) -> None:
        """Do nothing: the supervisor gives up its loads when it drains."""

    async def close(self) -> None:
        """Give up what is still waited for."""
        self.disconnect()

    def disconnect(self) -> None:
        """Fail what is waited for: the supervisor answers no more."""
        self._closed = True
        for call in self._calls.values():
            if not call.done():
                call.set_exception(_shutting_down())

    def settle(self, message: Message) -> None:
        """Take the supervisor's answer to a call."""
        call = self._calls.get(message["call"])
        if call is None or call.done():
            return
        if (document := message["error"]) is None:
            call.set_result(None)
        else:
            call.set_exception(read_error(document))

    async def _ask(self, method: str, **arguments: Any) -> None:
        if self._closed:
            raise _shutting_down()
        self._count += 1
        number = self._count
        self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            await self._channel.send("call", call=number, method=method, arguments=arguments)
            await self._calls[number]
        finally:
            del self._calls[number]


def _shutting_down() -> NotReady:
    return NotReady("the server is shutting down", retry_after=5)


def write_error(error: Exception) -> dict[str, Any]:
    """An error as JSON; of one that nobody foresaw only that there was one, as its text is not for clients."""
    if not isinstance(error, LecternError):
        error = ModelFailure("the model could not be loaded; the log says why")
    kind = next(kind for kind in type(error).__mro__ if getattr(errors, kind.__name__, None) is kind)
    return {"type": kind.__name__, "text": str(error), "attributes": vars(error)}


def read_error(document: dict[str, Any]) -> LecternError:
    """The error that `write_error` wrote."""
    kind = getattr(errors, document["type"])
    assert issubclass(kind, LecternError)
    # Without the initializer, which would add to the text what it adds once.
    error: LecternError = kind.__new__(kind, document["text"])
    vars(error).update(document["attributes"])
    return error
