"""All workers serve the same, whatever happens to one of them; workers are faked here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from service.bundle.manifest import Task
from service.server.fleet import Fleet
from service.server.worker_handle import WorkerHandle
from service.serving.states import ModelVersions, PreparedVersion, RepositoryState
from tests.support.event_loop import run_async

Reasons = dict[str, str]


class FakeWorker(WorkerHandle):
    """A worker that reports what it is told to.

    Args:
        fleet: who it reports to.
        outcomes: why it serves no model as a state says, state by state, the last one for ever; None: it dies.
    """

    def __init__(self, fleet: Fleet, *outcomes: Reasons | None) -> None:
        super().__init__(1)
        self._fleet = fleet
        self._outcomes = list(outcomes) or [{}]
        self.sent: list[str] = []

    async def send(self, kind: str, **fields: Any) -> None:
        self.post(kind, **fields)

    def post(self, kind: str, **fields: Any) -> None:
        self.sent.append(kind)
        if kind == "state":
            outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
            if outcome is None:
                self._fleet.leave(self)
            else:
                report = {"kind": "applied", "number": fields["number"], "reasons": outcome}
                asyncio.get_running_loop().call_soon(self._fleet.take, self, report)


def _state(**loads: int) -> RepositoryState:
    """A state that serves version 1 of each model, prepared by the load of that number."""

    def prepared(name: str, load: int) -> PreparedVersion:
        return PreparedVersion(
            name=name,
            version=1,
            task=Task.IMAGE_CLASSIFICATION,
            folder=Path("folder"),
            optimized=True,
            manifest_sha256="",
            threads=1,
            inline=True,
            warm_up_seconds=0.001,
            load=load,
        )

    return RepositoryState(
        models={
            name: ModelVersions(revision=load, versions=(1,), prepared={1: prepared(name, load)})
            for name, load in loads.items()
        }
    )


async def _fleet(
    *outcomes: list[Reasons | None], on_unopened: Callable[[Iterable[str]], None] = lambda names: None
) -> tuple[Fleet, list[FakeWorker]]:
    """A fleet of workers with these outcomes, all of which have joined."""
    fleet = Fleet(len(outcomes), 60, on_unopened)
    workers = [FakeWorker(fleet, *each) for each in outcomes]
    for worker in workers:
        fleet.join(worker)
    return fleet, workers


def test_all_workers_apply_a_state_and_then_serve() -> None:
    async def main() -> None:
        fleet, workers = await _fleet([{}], [{}])
        assert await fleet.publish(_state(digits=1)) == {}
        assert [worker.sent for worker in workers] == [["state"], ["state"]]
        fleet.open()
        assert [worker.sent for worker in workers] == [["state", "serve"], ["state", "serve"]]

    run_async(main())


def test_a_state_waits_until_all_workers_were_started() -> None:
    async def main() -> None:
        fleet = Fleet(2, seconds=60)
        first, second = FakeWorker(fleet), FakeWorker(fleet)
        publishing = asyncio.ensure_future(fleet.publish(_state(digits=1)))
        fleet.join(first)
        await asyncio.sleep(0)
        assert not publishing.done()
        fleet.join(second)
        assert await publishing == {}

    run_async(main())


def test_what_no_worker_can_open_is_refused() -> None:
    async def main() -> None:
        bad = {"digits": "it is damaged"}
        fleet, workers = await _fleet([{}, bad], [{}, bad])
        await fleet.publish(_state(digits=1, letters=1))
        assert await fleet.publish(_state(digits=2, letters=1)) == bad
        assert all("drain" not in worker.sent for worker in workers)

    run_async(main())


def test_a_worker_that_cannot_open_what_others_do_tries_again() -> None:
    async def main() -> None:
        fleet, (good, weak) = await _fleet([{}], [{}, {"digits": "out of memory"}, {}])
        await fleet.publish(_state(digits=1))
        assert await fleet.publish(_state(digits=2)) == {}
        assert good.sent == ["state", "state"]
        assert weak.sent == ["state", "state", "state"]

    run_async(main())


def test_a_worker_that_fails_again_is_replaced() -> None:
    async def main() -> None:
        fleet, (_, weak) = await _fleet([{}], [{}, {"digits": "out of memory"}])
        await fleet.publish(_state(digits=1))
        assert await fleet.publish(_state(digits=2)) == {}
        assert weak.sent[-1] == "drain"
        assert "out of memory" in weak.failure
        before = list(weak.sent)
        await fleet.publish(_state(digits=3))
        assert weak.sent == before, "nothing more is asked of it"

    run_async(main())


def test_a_worker_that_dies_holds_nothing_up() -> None:
    async def main() -> None:
        fleet, _ = await _fleet([{}], [{}, None])
        await fleet.publish(_state(digits=1))
        assert await fleet.publish(_state(digits=2)) == {}

    run_async(main())


def test_what_kills_every_worker_is_refused() -> None:
    async def main() -> None:
        fleet, _ = await _fleet([{}, None], [{}, None])
        await fleet.publish(_state(digits=1, letters=1))
        refused = await fleet.publish(_state(digits=2, letters=1))
        assert list(refused) == ["digits"]
        assert "died" in refused["digits"]

    run_async(main())


def test_a_worker_that_does_not_answer_is_killed() -> None:
    async def main() -> None:
        fleet = Fleet(1, seconds=0.05)
        worker = FakeWorker(fleet)
        worker.send = _send_nothing  # type: ignore[method-assign]
        fleet.join(worker)
        await fleet.publish(_state(digits=1))
        assert "within 0.05 s" in worker.failure

    run_async(main())


async def _send_nothing(kind: str, **fields: Any) -> None:
    """Send nothing."""


def test_a_worker_that_comes_later_serves_the_newest_state_before_it_accepts() -> None:
    async def main() -> None:
        unopened: list[str] = []
        fleet, (first,) = await _fleet([{}], on_unopened=unopened.extend)
        await fleet.publish(_state(digits=1))
        fleet.open()
        late, weak = FakeWorker(fleet), FakeWorker(fleet, {"digits": "out of memory"})
        fleet.join(late)
        assert late.sent == ["state"]
        fleet.join(weak)
        for _ in range(5):
            await asyncio.sleep(0)
        assert late.sent == ["state", "serve"]
        assert weak.sent == ["state", "serve"], "it serves the other models"
        assert unopened == ["digits"]
        assert first.sent == ["state", "serve"]


def test_a_model_that_a_worker_could_not_open_does_not_end_it_when_another_one_changes() -> None:
    async def main() -> None:
        unopened: list[str] = []
        fleet, (_, weak) = await _fleet([{}], [{}, {"digits": "it is damaged"}], on_unopened=unopened.extend)
        await fleet.publish(_state(digits=1, letters=1))
        assert await fleet.publish(_state(digits=1, letters=2)) == {}
        assert weak.sent == ["state", "state"]
        assert unopened == ["digits"]

    run_async(main())

    run_async(main())
