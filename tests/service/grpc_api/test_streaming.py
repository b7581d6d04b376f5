"""Streams of gRPC: what is left of one that its client cancels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("grpc", reason="needs the extra grpc")
from service.api.operation import Context
from service.grpc_api import streaming


class _Call:
    """Counts the requests that have begun and those that have ended."""

    begun = ended = 0

    def __init__(self, *arguments: Any) -> None:
        self.scope: dict[str, Any] = {"state": {}}
        type(self).begun += 1

    def check(self, checked: _Call | None = None) -> None:
        """Let it pass."""

    async def send_metadata(self) -> None:
        """Send nothing."""

    def end(self, code: Any) -> None:
        type(self).ended += 1


def test_a_request_that_was_read_as_the_stream_is_cancelled_is_not_in_flight_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "Call", _Call)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def messages() -> AsyncIterator[bytes]:
            # At the turn of the loop in which the task of this request is made, but has not run.
            loop.call_soon(loop.call_soon, stream.cancel)
            yield b""
            await asyncio.sleep(60)

        rpc = SimpleNamespace(invocation_metadata=tuple)
        handler = streaming.StreamHandler(cast(Context, None), "/", lambda *each: "", asyncio.Event())
        stream = asyncio.ensure_future(handler(messages(), cast(Any, rpc)))
        with pytest.raises(asyncio.CancelledError):
            await stream

    asyncio.run(main())
    assert _Call.begun == _Call.ended
