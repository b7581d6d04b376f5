"""The workers that run, and the one state of the repository that all of them serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from service.server.channel import Message
from service.server.worker_handle import WorkerHandle
from service.serving.states import ModelVersions, RepositoryState

log = logging.getLogger(__name__)

Reasons = dict[str, str]
"""Why a worker does not serve a model as the state says, by the model's name."""


class Fleet:
    """Has all workers serve the same versions.

    What no worker can open is refused. A worker that cannot open a new version which others could open tries once more,
    and is then replaced. A worker that starts accepts connections only once it serves the newest state, without the
    models that it cannot open.

    Args:
        size: the number of workers.
        seconds: what a worker gets to apply a state; then it is killed.
        on_unopened: called with the names of models that a worker cannot open and that are not new; it serves the rest.
    """

    def __init__(
        self, size: int, seconds: float, on_unopened: Callable[[Iterable[str]], None] = lambda names: None
    ) -> None:
        self._size = size
        self._seconds = seconds
        self._on_unopened = on_unopened
        self._workers: set[WorkerHandle] = set()
        self._complete = asyncio.Event()
        self._state = RepositoryState()
        self._number = 0
        """Of the newest state; 0 while there is none."""
        self._open = False

    def __iter__(self) -> Iterator[WorkerHandle]:
        return iter(list(self._workers))

    def join(self, worker: WorkerHandle) -> None:
        """Add a worker that was started, and have it apply the newest state."""
        self._workers.add(worker)
        if len(self._workers) == self._size:
            self._complete.set()
        if self._number:
            worker.post("state", **_document(self._number, self._state))

    def leave(self, worker: WorkerHandle) -> None:
        """Remove a worker that has ended."""
        self._workers.discard(worker)
        for answer in worker.answers.values():
            if not answer.done():
                answer.set_result(None)

    def open(self) -> None:
        """Let the workers accept connections, now and when later ones have applied the newest state."""
        self._open = True
        for worker in self:
            if worker.applied == self._number:
                self._let_serve(worker)

    async def publish(self, state: RepositoryState) -> Reasons:
        """Have all workers serve what a state says.

        Returns:
            Why a model does not serve as the state says, by name: for those that no worker can open.
        """
        await self._complete.wait()  # Without effect once the server has started.
        self._number += 1
        number, before, self._state = self._number, self._state, state
        workers = list(self._workers)
        answers = await asyncio.gather(*(self._apply(worker, number, state) for worker in workers))
        answered = {worker: reasons for worker, reasons in zip(workers, answers, strict=True) if reasons is not None}
        new = _new(before, state)
        if not answered:
            return dict.fromkeys(new if workers else (), "every worker process died while it opened this")
        refused = new.intersection(*answered.values())
        for worker, reasons in answered.items():
            if reasons.keys() & new - refused:
                await self._insist(worker, number, state, new - refused)
            if missing := reasons.keys() - new:
                self._on_unopened(missing)
        return {name: next(iter(answered.values()))[name] for name in sorted(refused)}

    def take(self, worker: WorkerHandle, message: Message) -> None:
        """Take a worker's report of what it has applied."""
        number, reasons = message["number"], message["reasons"]
        worker.applied = max(worker.applied, number)
        answer = worker.answers.get(number)
        if answer is not None and not answer.done():
            answer.set_result(reasons)
        elif reasons and number == self._number and worker in self._workers:
            self._on_unopened(reasons)
        if self._open and worker.applied == self._number:
            self._let_serve(worker)

    async def _apply(self, worker: WorkerHandle, number: int, state: RepositoryState) -> Reasons | None:
        """Have one worker apply a state; None if it ends meanwhile."""
        answer: asyncio.Future[Reasons | None] = asyncio.get_running_loop().create_future()
        worker.answers[number] = answer
        try:
            async with asyncio.timeout(self._seconds):
                await worker.send("state", **_document(number, state))
                return await answer
        except TimeoutError:
            worker.failure = f"it did not serve the new versions within {self._seconds:g} s, so it was killed"
            worker.kill()
            return None
        finally:
            del worker.answers[number]

    async def _insist(self, worker: WorkerHandle, number: int, state: RepositoryState, names: set[str]) -> None:
        """Have a worker try again to open new versions that others have opened, and replace it if it fails again."""
        reasons = await self._apply(worker, number, state)
        if reasons is not None and (left := {name: reasons[name] for name in set(reasons) & names}):
            self._replace(worker, left)

    def _replace(self, worker: WorkerHandle, reasons: Reasons) -> None:
        """Have a worker finish its requests and end: its successor starts anew."""
        worker.failure = "it cannot open what the others serve: " + "; ".join(reasons.values())
        self._workers.discard(worker)
        worker.post("drain", seconds=0.0, by_all=False)

    def _let_serve(self, worker: WorkerHandle) -> None:
        if not worker.may_serve:
            worker.may_serve = True
            worker.post("serve")


def _document(number: int, state: RepositoryState) -> dict[str, object]:
    return {"number": number, "state": state.model_dump(mode="json")}


def _new(before: RepositoryState, after: RepositoryState) -> set[str]:
    """Names of the models of which other versions should be served, or the same ones loaded anew."""
    return {
        name
        for name, model in after.models.items()
        if not _loads(model).items() <= _loads(before.models.get(name, ModelVersions())).items()
    }


def _loads(model: ModelVersions) -> dict[int, int]:
    return {version: prepared.load for version, prepared in model.prepared.items()}
