"""How long the largest allowed requests hold the event loop: the longest callback, in processor time.

    python -m tests.benchmarks.loop_callbacks                       # every largest body
    python -m tests.benchmarks.loop_callbacks --only "neighbors"

The application runs in this process, without a socket. A callback is what the event loop runs before it turns again;
other requests wait for it. Processor time of the loop's thread does not count what other processes do, so the machine
need not be quiet. What threads hold of the interpreter's lock is not part of it: `hostile_bodies.py` shows that.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.app import create_app
from service.settings import Settings
from tests.support.bars import Report
from tests.support.hostile_bodies import LARGEST
from tests.support.processes import ROOT

MOST_MILLISECONDS = 20


@contextmanager
def _longest_callback() -> Iterator[list[float]]:
    """The longest callback within the block, in seconds of processor time, as the item of a list."""
    longest = [0.0]
    run: Any = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        start = time.thread_time()
        run(handle)
        longest[0] = max(longest[0], time.thread_time() - start)

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield longest
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]


async def _measure(models: Path, only: Sequence[str], rounds: int) -> int:
    report = Report()
    app = create_app(Settings(models=models, deadline_seconds=600))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=None) as client:
            for body in LARGEST:
                if not body.name.startswith(tuple(only)):
                    continue
                content = body.make()
                figures = []
                size = 0
                for _ in range(rounds):
                    # The client's own share is small. A task of its own, whose last callback is over when it is done.
                    request = client.build_request("POST", body.path, content=content, headers=body.all_headers)
                    with _longest_callback() as longest:
                        response = await asyncio.create_task(client.send(request, stream=True))
                    size = len(b"".join([part async for part in response.aiter_raw()]))
                    assert response.status_code == body.status, response.status_code
                    figures.append(longest[0] * 1e3)
                name = f"{body.name}: {len(content) / 1e3:.0f} kB, answer {size / 1e3:.0f} kB"
                report.add(name, min(figures), "ms", at_most=MOST_MILLISECONDS)
    return report.exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Send every body and print the figures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of names of bodies")
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many counts")
    options = parser.parse_args(arguments)
    return asyncio.run(_measure(options.models, options.only, options.rounds))


if __name__ == "__main__":
    raise SystemExit(main())
