"""Messages between supervisor and workers, and errors that cross them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from service import errors
from service.errors import InvalidRequest, LecternError, ModelFailure, NotReady
from service.server.channel import Channel
from service.server.control import SupervisorControl, read_error, write_error
from tests.support.event_loop import run_async

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LecternError)]


def _example(kind: type[LecternError]) -> LecternError:
    if issubclass(kind, InvalidRequest):
        return kind("is wrong", "parameters.version")
    try:
        return kind("later", 7)  # type: ignore[call-arg]
    except TypeError:
        return kind("why")


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_arrives_as_it_was_raised(kind: type[LecternError]) -> None:
    error = _example(kind)
    again = read_error(write_error(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_an_error_that_nobody_foresaw_says_nothing_of_the_machine() -> None:
    again = read_error(write_error(OSError("/secret/path")))
    assert type(again) is ModelFailure
    assert "secret" not in str(again)


def _channels() -> tuple[Channel, Channel]:
    first, second = socket.socketpair()
    return Channel(first), Channel(second)


def test_messages_of_any_size_arrive_in_order() -> None:
    async def main() -> None:
        ours, theirs = _channels()
        texts = ["x" * size for size in (0, 1, 70_000, 3_000_000, 5)]

        async def send() -> None:
            for text in texts:
                await ours.send("text", text=text)
            ours.close()

        sending = asyncio.ensure_future(send())
        for text in texts:
            assert await theirs.receive() == {"kind": "text", "text": text}
        assert await theirs.receive() is None
        await sending
        theirs.close()

    run_async(main())


def test_a_receive_that_is_canceled_loses_nothing() -> None:
    async def main() -> None:
        ours, theirs = _channels()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await theirs.receive()
        await ours.send("one")
        assert await theirs.receive() == {"kind": "one"}
        ours.close()
        theirs.close()

    run_async(main())


def test_a_closed_end_stops_nobody_who_sends() -> None:
    async def main() -> None:
        ours, theirs = _channels()
        theirs.close()
        await ours.send("lost")
        assert await ours.receive() is None
        ours.close()

    run_async(main())


def test_calls_are_answered_each_with_its_own_outcome() -> None:
    async def main() -> None:
        ours, theirs = _channels()
        control = SupervisorControl(ours)
        first = asyncio.ensure_future(control.load("digits", 3))
        second = asyncio.ensure_future(control.unload("letters"))
        calls = [await theirs.receive(), await theirs.receive()]
        assert [(call["method"], call["arguments"]) for call in calls if call] == [
            ("load", {"name": "digits", "version": 3}),
            ("unload", {"name": "letters"}),
        ]
        assert calls[0]
        assert calls[1]
        control.settle({"call": calls[1]["call"], "error": write_error(errors.UnknownModel("no model 'letters'"))})
        control.settle({"call": calls[0]["call"], "error": None})
        await first
        with pytest.raises(errors.UnknownModel, match="letters"):
            await second
        waiting = asyncio.ensure_future(control.load("digits"))
        await asyncio.sleep(0)
        control.disconnect()
        with pytest.raises(NotReady, match="shutting down"):
            await waiting
        with pytest.raises(NotReady, match="shutting down"):
            await control.load("digits")
        ours.close()
        theirs.close()

    run_async(main())
