"""Bodies are read within the memory that all of them may take, and the oldest can always be completed."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from starlette.requests import ClientDisconnect, Request

from service.api.bodies import BodyBudget, receive_body, release_body
from service.api.json_limits import JsonLimits, check_json
from service.api.turns import Turns
from service.errors import DeadlineExceeded, InvalidRequest, LecternError, MalformedBody, PayloadTooLarge, Saturated
from service.errors import UnsupportedMedia as Unsupported
from tests.support.event_loop import run_async, yield_to_other_tasks

CHUNK = bytes(100_000)


class Upload:
    """A body that comes in parts, each when the test says so."""

    def __init__(
        self, budget: BodyBudget, *headers: tuple[bytes, bytes], limit: int = 1_000_000, turns: Turns | None = None
    ) -> None:
        self.parts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads = 0
        self._scope: dict[str, Any] = {"type": "http", "headers": list(headers), "state": {}}
        self._budget = budget
        self._limit = limit
        self._turns = turns or Turns()

    async def _receive(self) -> dict[str, Any]:
        self.reads += 1
        return await self.parts.get()

    def send(self, *parts: bytes, complete: bool = False) -> None:
        """Send parts; with `complete`, the last ends the body."""
        for index, part in enumerate(parts, start=1):
            more = not (complete and index == len(parts))
            self.parts.put_nowait({"type": "http.request", "body": part, "more_body": more})

    async def read(self, deadline: float = 60) -> bytes:
        """Read the body as a route does."""
        request = Request(self._scope, self._receive)
        return await receive_body(
            request, self._budget, self._turns, limit=self._limit, described="LECTERN_X", deadline=deadline
        )

    def answer(self) -> None:
        """The request is answered."""
        release_body(self._scope)


def test_a_body_waits_in_its_socket_while_others_take_all_memory() -> None:
    async def main() -> None:
        budget = BodyBudget(150_000)
        first, second, third = (Upload(budget) for _ in range(3))
        uploads = (first, second, third)
        tasks = [asyncio.create_task(upload.read()) for upload in uploads]
        for upload in uploads:
            upload.send(CHUNK, CHUNK, CHUNK)
        await yield_to_other_tasks()
        assert first.reads == 4  # The oldest is read on beyond the budget.
        assert second.reads == third.reads == 1
        first.send(b"", complete=True)
        assert await tasks[0] == CHUNK * 3
        await yield_to_other_tasks()
        assert second.reads == 4  # Now it is the oldest that is not complete.
        assert third.reads == 1
        second.send(b"", complete=True)
        third.send(b"", complete=True)
        await asyncio.gather(*tasks)
        for upload in uploads:
            upload.answer()
        assert budget.used == 0
        assert not budget.reading

    run_async(main())


def test_a_small_body_never_waits() -> None:
    async def main() -> None:
        budget = BodyBudget(1)
        large, small = Upload(budget), Upload(budget, (b"content-length", b"9"))
        task = asyncio.create_task(large.read())
        large.send(CHUNK, CHUNK)
        await yield_to_other_tasks()
        small.send(b"123456789", complete=True)
        assert await small.read() == b"123456789"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        large.answer()
        assert budget.used == 0

    run_async(main())


def test_a_body_that_waits_beyond_its_deadline_is_refused_as_saturated() -> None:
    async def main() -> None:
        budget = BodyBudget(1)
        oldest, late, slow = (Upload(budget) for _ in range(3))
        task = asyncio.create_task(oldest.read())
        oldest.send(CHUNK)
        await yield_to_other_tasks()
        late.send(CHUNK, CHUNK)
        with pytest.raises(Saturated, match="LECTERN_MAX_TOTAL_BODY_BYTES"):
            await late.read(deadline=0.05)
        late.answer()
        with pytest.raises(DeadlineExceeded, match="did not arrive within"):
            await slow.read(deadline=0.05)
        oldest.send(b"", complete=True)
        assert await task == CHUNK

    run_async(main())


def test_the_memory_of_a_client_that_left_is_given_back() -> None:
    async def main() -> None:
        budget = BodyBudget(1)
        gone, waiting = Upload(budget), Upload(budget)
        tasks = [asyncio.create_task(upload.read()) for upload in (gone, waiting)]
        for upload in (gone, waiting):
            upload.send(CHUNK)
        await yield_to_other_tasks()
        gone.parts.put_nowait({"type": "http.disconnect"})
        with pytest.raises(ClientDisconnect):
            await tasks[0]
        gone.answer()
        waiting.send(CHUNK, complete=True)
        assert await tasks[1] == CHUNK * 2
        waiting.answer()
        assert budget.used == 0

    run_async(main())


BODY = orjson.dumps(list(range(100_000)))


def raw_deflate(content: bytes) -> bytes:
    """Deflate without the header of zlib, as many clients send it."""
    return zlib.compress(content, wbits=-15)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("deflate", gzip.compress),
    ],
    ids=["gzip", "x-gzip", "zlib", "raw deflate", "gzip called deflate"],
)
@pytest.mark.parametrize("size", [1, 1000, 10**9])
def test_a_compressed_body_may_come_in_any_parts(encoding: str, compress: Callable[[bytes], bytes], size: int) -> None:
    async def main() -> None:
        body = BODY[:3000] if size == 1 else BODY
        content = compress(body)
        upload = Upload(BodyBudget(10**6), (b"content-encoding", encoding.encode()))
        upload.send(*(content[start : start + size] for start in range(0, len(content), size)), complete=True)
        assert await upload.read() == body

    run_async(main())


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("window", [9, 15])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED, zlib.Z_RLE])
def test_deflate_is_read_with_and_without_its_header(level: int, window: int, strategy: int) -> None:
    async def main() -> None:
        for wbits in (window, -window):
            for body in (b"", b"x", b"{}", bytes(700), bytes(range(256)) * 300):
                stream = zlib.compressobj(level, zlib.DEFLATED, wbits, 8, strategy)
                upload = Upload(BodyBudget(10**6), (b"content-encoding", b"deflate"))
                upload.send(stream.compress(body) + stream.flush(), complete=True)
                assert await upload.read() == body, (wbits, body[:2])

    run_async(main())


@pytest.mark.parametrize(
    ("headers", "content", "error"),
    [
        ([b"gzip"], gzip.compress(bytes(1_000_001)), PayloadTooLarge),
        ([b"gzip"], gzip.compress(BODY)[:-9], MalformedBody),
        ([b"gzip"], gzip.compress(BODY) + b"x", MalformedBody),
        ([b"gzip"], gzip.compress(BODY) * 2, MalformedBody),
        ([b"gzip"], BODY, MalformedBody),
        ([b"gzip"], raw_deflate(BODY), MalformedBody),
        ([b"deflate"], b"", MalformedBody),
        ([b"deflate"], b"{", MalformedBody),
        ([b"deflate"], b"[1, 2, 3]", MalformedBody),
        ([b"deflate"], raw_deflate(BODY)[:-1], MalformedBody),
        ([b"deflate"], raw_deflate(BODY) + b"x", MalformedBody),
        ([b"deflate"], raw_deflate(bytes(1_000_001)), PayloadTooLarge),
        ([b"compress"], BODY, Unsupported),
        ([b"zstd"], BODY, Unsupported),
        ([b"br"], BODY, Unsupported),
        ([b"gzip, gzip"], gzip.compress(gzip.compress(BODY)), Unsupported),
        ([b"gzip", b"gzip"], gzip.compress(gzip.compress(BODY)), Unsupported),
        ([b"identity", b"gzip"], gzip.compress(BODY), Unsupported),
    ],
)
def test_a_bad_compressed_body_is_refused(headers: list[bytes], content: bytes, error: type[LecternError]) -> None:
    async def main() -> None:
        upload = Upload(BodyBudget(10**6), *((b"content-encoding", header) for header in headers))
        upload.send(content, complete=True)
        with pytest.raises(error):
            await upload.read()

    run_async(main())


@pytest.mark.parametrize(
    "length", [b"1000001", b"9223372036854775808", b"18446744073709551615", b"0" * 9000 + b"1000001"]
)
def test_a_length_beyond_the_limit_is_refused_before_the_body_is_read(length: bytes) -> None:
    async def main() -> None:
        upload = Upload(BodyBudget(10**6), (b"content-length", length))
        with pytest.raises(PayloadTooLarge):
            await upload.read(deadline=5)
        assert upload.reads == 0

    run_async(main())


def test_a_compressed_body_that_holds_nothing_has_the_same_limit() -> None:
    empty_blocks = zlib.compress(b"")[:2] + b"\x00\x00\x00\xff\xff" * 250_000

    async def main() -> None:
        upload = Upload(BodyBudget(10**6), (b"content-encoding", b"deflate"))
        upload.send(empty_blocks[:900_000], empty_blocks[900_000:])
        with pytest.raises(PayloadTooLarge):
            await upload.read(deadline=5)

    run_async(main())


def _fill(text: str) -> str:
    return text + " " * 40_000


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: _fill('{"a":' + "[[]," * 200), "a"),
        (lambda: _fill('{"text":"[,[,[,","b" : [' + "1," * 400), "b"),
        (lambda: _fill('{"text":"\\\\","c":[' + "1," * 400), "c"),
        (lambda: _fill('{"text":"\\"","c":[' + "1," * 400), "c"),
        (lambda: '{"text":"' + "x" * 262_133 + '\\\\","d":[' + "1," * 400, "d"),
        (lambda: '{"text":"' + "x" * 262_134 + '\\\\","d":[' + "1," * 400, "d"),
        (lambda: '{"text":"' + "x" * 262_135 + '\\\\","d":[' + "1," * 400, "d"),
        (lambda: '{"text":"' + "\\\\" * 300_000 + '","d":[' + "1," * 400, "d"),
    ],
)
def test_what_json_holds_is_counted_outside_of_its_texts(make: Callable[[], str], field: str) -> None:
    async def main() -> None:
        limits = JsonLimits(items=100, lists=50, objects=3, fields=9)
        with pytest.raises(InvalidRequest, match="holds more than") as error:
            await check_json(make().encode(), limits, Turns())
        assert error.value.field == field

    run_async(main())


@pytest.mark.parametrize(
    "text",
    [
        "[{:," * 100_000,
        '\\"[{:,' * 100_000,
        "\\\\\\\\" * 50_000 + "[{:," * 1000,
        "x" * 262_133 + '\\"' + "[{:," * 1000,
        "x" * 262_134 + '\\"' + "[{:," * 1000,
        "x" * 262_135 + '\\"' + "[{:," * 1000,
        "\\\\" * 300_000 + '\\"' + "[{:," * 1000,
        "é[{:," * 100_000,
    ],
)
def test_texts_may_hold_anything(text: str) -> None:
    async def main() -> None:
        limits = JsonLimits(items=100, lists=50, objects=3, fields=9)
        await check_json(f'{{"text":"{text}"}}'.encode(), limits, Turns())

    run_async(main())


def test_long_steps_run_in_turns_of_their_own() -> None:
    async def main() -> None:
        turns = Turns()
        loop_turns: list[int] = []
        turn = 0

        async def count() -> None:
            nonlocal turn
            while True:
                await asyncio.sleep(0)
                turn += 1

        async def step() -> None:
            await turns.next()
            loop_turns.append(turn)

        counter = asyncio.create_task(count())
        await asyncio.gather(*(step() for _ in range(9)))
        counter.cancel()
        assert len(set(loop_turns)) == 9

    run_async(main())


def test_large_bodies_that_are_complete_at_once_are_looked_at_one_after_the_other() -> None:
    """What a route does first with a large body would else add up, to one silence of all of them."""

    async def main() -> None:
        turns, turn = Turns(), 0
        done = asyncio.Event()
        read_in: list[int] = []

        async def count() -> None:
            nonlocal turn
            while not done.is_set():
                turn += 1
                await asyncio.sleep(0)

        async def read() -> None:
            upload = Upload(BodyBudget(10_000_000), turns=turns)
            upload.send(CHUNK, CHUNK, complete=True)
            assert len(await upload.read()) == 2 * len(CHUNK)
            read_in.append(turn)

        counting = asyncio.create_task(count())
        await asyncio.gather(*(read() for _ in range(5)))
        done.set()
        await counting
        assert len(set(read_in)) == 5

    run_async(main())


def test_a_large_body_is_never_in_memory_twice() -> None:
    count, size = 40, 100_000

    async def receive() -> dict[str, Any]:
        nonlocal count
        count -= 1
        return {"type": "http.request", "body": bytes(size), "more_body": count > 0}

    async def main() -> int:
        request = Request({"type": "http", "headers": [], "state": {}}, receive)
        tracemalloc.start()
        try:
            body = await receive_body(
                request, BodyBudget(10**9), Turns(), limit=10**9, described="LECTERN_X", deadline=60
            )
            assert len(body) == 40 * size
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert asyncio.run(main()) < 1.5 * 40 * size
