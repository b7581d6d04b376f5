"""The batcher joins what waits, never mixes what does not fit, and leaves nobody waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime
import pytest

from service.errors import DeadlineExceeded, DeviceLost, ModelFailure, NotReady, OutOfMemory
from service.runtime.batcher import DynamicBatcher, RunResult
from service.runtime.session import Tensors
from tests.support.classifier_bundles import classifier_graph, template
from tests.support.event_loop import run_async

NEVER = float("inf")


class Recorder:
    """A model that doubles `x`, writes down what it got, and can be held or made to fail."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, tensors: Tensors) -> Tensors:
        self.entered.set()
        assert self.go_on.wait(10)
        x = tensors["x"]
        self.batches.append(x.reshape(len(x), -1)[:, 0].tolist())
        if (x < 0).any():
            raise RuntimeError("negative")
        return {"y": 2 * x}

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


def _x(*values: float, width: int = 1) -> Tensors:
    return {"x": np.repeat(np.array(values, np.float32)[:, None], width, axis=1)}


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def _values(answers: list[RunResult]) -> list[list[float]]:
    return [answer.outputs["y"][:, 0].tolist() for answer in answers]


def test_requests_of_one_turn_of_the_loop_are_one_run() -> None:
    async def main() -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=8)
        futures = [batcher.submit(_x(value), NEVER) for value in (1, 2, 3)]
        assert batcher.depth == 3
        answers = await asyncio.gather(*futures)
        assert _values(answers) == [[2], [4], [6]]
        assert model.sizes == [3]
        assert batcher.depth == 0
        assert _values([await batcher.submit(_x(4), NEVER)]) == [[8]]
        assert model.sizes == [3, 1]

    run_async(main())


def test_answers_go_to_the_requests_they_belong_to_whatever_their_rows() -> None:
    async def main() -> None:
        batcher = DynamicBatcher(Recorder(), max_batch_size=8)
        answers = await asyncio.gather(*(batcher.submit(_x(*rows), NEVER) for rows in ([1, 2], [3], [4, 5, 6])))
        assert _values(answers) == [[2, 4], [6], [8, 10, 12]]

    run_async(main())


def test_no_run_is_larger_than_the_limit_and_none_is_lost() -> None:
    async def main() -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=4)
        answers = await asyncio.gather(*(batcher.submit(_x(value), NEVER) for value in range(10)))
        assert _values(answers) == [[2 * value] for value in range(10)]
        assert model.sizes == [4, 4, 2]

    run_async(main())


def test_requests_that_do_not_fit_together_keep_their_order() -> None:
    async def main() -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=4)
        await asyncio.gather(*(batcher.submit(_x(*[value] * rows), NEVER) for value, rows in ((1, 3), (2, 3), (3, 1))))
        assert model.batches == [[1, 1, 1], [2, 2, 2, 3]]

    run_async(main())


def test_unlike_shapes_and_types_are_not_joined() -> None:
    async def main() -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=8)
        tensors = [_x(1), _x(2, width=3), _x(3), {"x": np.array([[4]], np.float64)}, _x(5, width=3)]
        answers = await asyncio.gather(*(batcher.submit(request, NEVER) for request in tensors))
        assert _values(answers) == [[2], [4], [6], [8], [10]]
        assert model.batches == [[1, 3], [2, 5], [4]]

    run_async(main())


def test_batched_answers_are_the_single_ones() -> None:
    session = onnxruntime.InferenceSession(classifier_graph(), providers=["CPUExecutionProvider"])

    def infer(tensors: Tensors) -> Tensors:
        return {"probabilities": session.run(None, tensors)[0]}

    images = np.random.default_rng(0).random((12, 1, 28, 28), np.float32)

    async def main() -> None:
        batcher = DynamicBatcher(infer, max_batch_size=16)
        joined = await asyncio.gather(*(batcher.submit({"image": image[None]}, NEVER) for image in images))
        for image, answer in zip(images, joined, strict=True):
            alone = infer({"image": image[None]})["probabilities"]
            np.testing.assert_allclose(answer.outputs["probabilities"], alone, atol=1e-5)

    run_async(main())


@pytest.mark.parametrize("threaded", [False, True])
def test_a_poisoned_request_fails_alone(threaded: bool) -> None:
    session = onnxruntime.InferenceSession(classifier_graph(fails_above=0.5), providers=["CPUExecutionProvider"])
    runs: list[int] = []

    def infer(tensors: Tensors) -> Tensors:
        return {"probabilities": session.run(None, tensors)[0]}

    async def main(executor: ThreadPoolExecutor | None) -> None:
        batcher = DynamicBatcher(infer, max_batch_size=8, executor=executor, on_execution=runs.append)
        images = [0.5 * template(digit)[None, None] for digit in range(4)]
        images[2] = template(2)[None, None]
        outcomes = await asyncio.gather(
            *(batcher.submit({"image": image}, NEVER) for image in images), return_exceptions=True
        )
        assert isinstance(outcomes[2], ModelFailure)
        assert outcomes[2].__cause__ is not None
        for digit in (0, 1, 3):
            answer = outcomes[digit]
            assert isinstance(answer, RunResult)
            assert int(answer.outputs["probabilities"].argmax()) == digit
        assert runs == [1, 1, 1]

    with _thread() as executor:
        run_async(main(executor if threaded else None))


class SmallDevice(Recorder):
    """A model on a device with memory for three rows."""

    def __call__(self, tensors: Tensors) -> Tensors:
        outputs = super().__call__(tensors)
        if len(tensors["x"]) > 3:
            raise RuntimeError("CUDA failure 2: out of memory ; GPU=0")
        return outputs


def test_where_memory_runs_out_smaller_batches_are_tried() -> None:
    infer = SmallDevice()

    async def main() -> None:
        batcher = DynamicBatcher(infer, max_batch_size=64)
        large = batcher.submit(_x(*range(8)), NEVER)
        small = [batcher.submit(_x(value), NEVER) for value in (10, 20)]
        answer, *others = await asyncio.gather(large, *small)
        assert _values([answer]) == [[0, 2, 4, 6, 8, 10, 12, 14]]
        assert _values(others) == [[20], [40]]
        assert answer.infer > 0

    run_async(main())
    # The batch, then its first half, which is the large request: by itself, in halves, and in quarters.
    assert infer.sizes == [10, 8, 4, 2, 2, 4, 2, 2, 2]


def test_a_row_without_enough_memory_fails_with_its_request_alone() -> None:
    def infer(tensors: Tensors) -> Tensors:
        if tensors["x"].max() > 9 or len(tensors["x"]) > 2:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 4096")
        return {"y": tensors["x"]}

    async def main() -> None:
        batcher = DynamicBatcher(infer, max_batch_size=64)
        requests = [batcher.submit(_x(1, 2, 10), NEVER), batcher.submit(_x(3, 4, 5), NEVER)]
        failed, answered = await asyncio.gather(*requests, return_exceptions=True)
        assert isinstance(failed, OutOfMemory)
        assert isinstance(answered, RunResult)
        assert _values([answered]) == [[3, 4, 5]]

    run_async(main())


def test_nothing_is_tried_again_on_a_lost_device() -> None:
    runs = []

    def infer(tensors: Tensors) -> Tensors:
        runs.append(len(tensors["x"]))
        raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")

    async def main() -> None:
        batcher = DynamicBatcher(infer, max_batch_size=64)
        requests = [batcher.submit(_x(1), NEVER), batcher.submit(_x(2), NEVER)]
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        assert all(isinstance(outcome, DeviceLost) for outcome in outcomes)

    run_async(main())
    assert runs == [2]


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("error", [MemoryError(), ValueError("bad"), KeyError("y"), ModelFailure("known")])
def test_every_failure_completes_its_waiters_and_the_next_request_is_served(threaded: bool, error: Exception) -> None:
    failing = [True]

    def infer(tensors: Tensors) -> Tensors:
        if failing[0]:
            raise error
        return tensors

    async def main(executor: ThreadPoolExecutor | None) -> None:
        batcher = DynamicBatcher(infer, max_batch_size=8, executor=executor)
        futures = [batcher.submit(_x(value), NEVER) for value in range(3)]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        expected = OutOfMemory if isinstance(error, MemoryError) else ModelFailure
        assert [type(outcome) for outcome in outcomes] == [expected] * 3
        failing[0] = False
        assert await batcher.submit(_x(1), NEVER)

    with _thread() as executor:
        run_async(main(executor if threaded else None))


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize(
    "outputs", [{"y": np.zeros((2, 1))}, {"y": np.zeros((4, 1))}, {"y": np.float32(1)}, {"y": None}, None]
)
def test_a_wrong_number_of_rows_is_a_failure_not_an_answer(requests: int, outputs: Any) -> None:
    async def main() -> None:
        batcher = DynamicBatcher(lambda tensors: outputs, max_batch_size=8)
        futures = [batcher.submit(_x(value), NEVER) for value in range(requests)]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ModelFailure] * requests

    run_async(main())


def test_a_failing_counter_completes_the_waiters_too() -> None:
    def count(rows: int) -> None:
        raise OSError("no space left for metrics")

    async def main() -> None:
        batcher = DynamicBatcher(Recorder(), max_batch_size=8, on_execution=count)
        for _ in range(2):
            with pytest.raises(ModelFailure):
                await batcher.submit(_x(1), NEVER)

    run_async(main())


@pytest.mark.parametrize("threaded", [False, True])
def test_a_request_whose_client_left_is_dropped(threaded: bool) -> None:
    async def main(executor: ThreadPoolExecutor | None) -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=8, executor=executor)
        futures = [batcher.submit(_x(value), NEVER) for value in (1, 2, 3)]
        futures[1].cancel()
        await asyncio.wait(futures)
        assert model.batches == [[1, 3]]
        assert futures[1].cancelled()

    with _thread() as executor:
        run_async(main(executor if threaded else None))


def test_when_all_clients_left_nothing_runs_and_the_next_is_served() -> None:
    async def main() -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=8)
        batcher.submit(_x(1), NEVER).cancel()
        await asyncio.sleep(0)
        await batcher.submit(_x(2), NEVER)
        assert model.batches == [[2]]

    run_async(main())


def test_a_request_cancelled_while_it_runs_does_not_disturb_the_others() -> None:
    async def main(executor: ThreadPoolExecutor) -> None:
        model = Recorder()
        model.go_on.clear()
        batcher = DynamicBatcher(model, max_batch_size=8, executor=executor)
        first, second = batcher.submit(_x(1), NEVER), batcher.submit(_x(2), NEVER)
        await asyncio.to_thread(model.entered.wait, 10)
        first.cancel()
        model.go_on.set()
        assert _values([await second]) == [[4]]

    with _thread() as executor:
        run_async(main(executor))


def test_a_deadline_that_passed_while_waiting_is_told_and_nothing_is_run_for_it() -> None:
    async def main() -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=8)
        late = batcher.submit(_x(1), time.perf_counter() - 1)
        good = batcher.submit(_x(2), time.perf_counter() + 60)
        assert _values([await good]) == [[4]]
        with pytest.raises(DeadlineExceeded, match="deadline passed while the request waited"):
            await late
        assert model.batches == [[2]]

    run_async(main())


def test_what_arrives_while_the_thread_is_busy_is_the_next_batch() -> None:
    async def main(executor: ThreadPoolExecutor) -> None:
        model = Recorder()
        model.go_on.clear()
        batcher = DynamicBatcher(model, max_batch_size=8, executor=executor)
        first = batcher.submit(_x(0), NEVER)
        await asyncio.to_thread(model.entered.wait, 10)
        rest = [batcher.submit(_x(value), NEVER) for value in (1, 2)]
        await asyncio.sleep(0)
        rest.append(batcher.submit(_x(3), NEVER))
        assert batcher.depth == 3
        model.go_on.set()
        answers = await asyncio.gather(first, *rest)
        assert model.batches == [[0], [1, 2, 3]]
        assert answers[-1].queue > 0

    with _thread() as executor:
        run_async(main(executor))


def test_an_executor_that_was_shut_down_tells_its_waiters() -> None:
    async def main() -> None:
        executor = ThreadPoolExecutor(1)
        executor.shutdown()
        batcher = DynamicBatcher(Recorder(), max_batch_size=1, executor=executor)
        futures = [batcher.submit(_x(value), NEVER) for value in range(3)]
        outcomes = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [NotReady] * 3

    run_async(main())


def test_an_executor_that_is_shut_down_with_work_queued_tells_its_waiters() -> None:
    async def main() -> None:
        executor = ThreadPoolExecutor(1)
        hold, entered = threading.Event(), threading.Event()
        executor.submit(lambda: (entered.set(), hold.wait(10)))
        await asyncio.to_thread(entered.wait, 10)
        batcher = DynamicBatcher(Recorder(), max_batch_size=8, executor=executor)
        future = batcher.submit(_x(1), NEVER)
        await asyncio.sleep(0)
        executor.shutdown(wait=False, cancel_futures=True)
        hold.set()
        with pytest.raises(ModelFailure):
            await future

    run_async(main())


def test_with_a_delay_a_batch_waits_for_company_but_not_when_it_is_full() -> None:
    async def main() -> None:
        model = Recorder()
        waiting = DynamicBatcher(model, max_batch_size=8, max_queue_delay=0.2)
        first = waiting.submit(_x(1), NEVER)
        await asyncio.sleep(0)
        await asyncio.gather(first, waiting.submit(_x(2), NEVER))
        assert model.batches == [[1, 2]]

        full = DynamicBatcher(model, max_batch_size=3, max_queue_delay=60)
        await asyncio.gather(full.submit(_x(3, 4), NEVER), full.submit(_x(5), NEVER))
        assert model.batches[1:] == [[3, 4, 5]]
        await full.submit(_x(6, 7, 8), NEVER)

    run_async(main())


def test_executions_are_counted_with_their_rows() -> None:
    async def main() -> None:
        counted: list[int] = []
        batcher = DynamicBatcher(Recorder(), max_batch_size=8, on_execution=counted.append)
        await asyncio.gather(batcher.submit(_x(1, 2), NEVER), batcher.submit(_x(3), NEVER))
        assert counted == [3]

    run_async(main())


def test_the_pieces_of_a_large_request_make_one_answer() -> None:
    parts = [RunResult({"y": np.array([[1]])}, 0.1, 0.2), RunResult({"y": np.array([[2], [3]])}, 0.3, 0.4)]
    combined = RunResult.concatenate(parts)
    assert combined.outputs["y"].ravel().tolist() == [1, 2, 3]
    assert combined.queue == pytest.approx(0.4)
    assert combined.infer == pytest.approx(0.6)


def test_a_run_has_a_budget_of_what_requests_cost() -> None:
    async def main() -> None:
        model = Recorder()
        batcher = DynamicBatcher(model, max_batch_size=10)
        costs = (4, 6, 1, 25, 5, 5)
        await asyncio.gather(*(batcher.submit(_x(value), NEVER, cost) for value, cost in enumerate(costs)))
        assert model.batches == [[0, 1], [2], [3], [4, 5]]

        full = DynamicBatcher(model, max_batch_size=10, max_queue_delay=60)
        await asyncio.gather(full.submit(_x(7), NEVER, 6), full.submit(_x(8), NEVER, 4))
        assert model.batches[4:] == [[7, 8]]

    run_async(main())


class _Waiter:
    """Someone who is called back, and may fail at that."""

    def __init__(self, *, fails: bool = False) -> None:
        self.outcomes: list[object] = []
        self._fails = fails

    def done(self) -> bool:
        return False

    def set_result(self, result: RunResult, /) -> None:
        self._take(result.outputs["y"][:, 0].tolist())

    def set_exception(self, exception: Exception, /) -> None:
        self._take(type(exception))

    def _take(self, outcome: object) -> None:
        self.outcomes.append(outcome)
        if self._fails:
            raise RuntimeError("the connection is closed")


def test_a_waiter_that_fails_stops_neither_the_others_nor_the_batcher() -> None:
    async def main() -> None:
        batcher = DynamicBatcher(Recorder(), max_batch_size=8)
        waiters = [_Waiter(fails=True), _Waiter(), _Waiter(fails=True), _Waiter()]
        for value, waiter in enumerate(waiters):
            batcher.queue(_x(value), 0.0 if value > 1 else NEVER, waiter)
        await asyncio.sleep(0.01)
        assert [waiter.outcomes for waiter in waiters] == [[[0.0]], [[2.0]], [DeadlineExceeded], [DeadlineExceeded]]
        assert (await batcher.submit(_x(3), NEVER)).outputs["y"].tolist() == [[6.0]]

    run_async(main())
