"""Training of one model by several processes, on one machine or several, that `torchrun` starts.

Every process holds the data and plans the same batches, each of them as large as those of all processes together; it
computes its own share of a batch, and DistributedDataParallel adds the gradients up (Li et al. 2020, "PyTorch
Distributed"). So all hold the same weights after each step, those that a single process would have with a batch as
large. The main process alone writes the run, evaluates and exports.

Without `torchrun` the functions here do nothing and cost nothing.
"""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from training.common.config import differences
from training.common.errors import DatasetError, ProcessLostError
from training.common.processes import is_main, local_rank, process_count, process_rank

T = TypeVar("T")
B = TypeVar("B", bound="_Batch")
M = TypeVar("M", bound=nn.Module)

_LONGEST_WAIT = timedelta(hours=2)
"""How long a process waits for the others: as long as the main one may take to evaluate. A process that dies is
noticed at once."""
_SIGNS_OF_LOSS = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe", "timed out", "timeout")


class _Batch(Protocol):
    """A list or a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Self: ...


@dataclass(frozen=True)
class Share(Generic[B]):
    """The part of a batch that one process computes."""

    items: B
    """Never empty, as every process takes part in every step; where there are fewer items than processes, some hold an
    item whose gradient does not count."""
    count: int
    """Items that count."""
    weight: float
    """Factor of their mean loss such that the mean over processes is the mean loss of the batch; 1 for one process."""


def share_of(batch: B) -> Share[B]:
    """This process's share of a batch that all processes have: every n-th item, so that lengths are alike."""
    if process_count() == 1:
        return Share(batch, len(batch), 1.0)
    own = batch[process_rank() :: process_count()]
    if not len(own):
        return Share(batch[:1], 0, 0.0)
    return Share(own, len(own), process_count() * len(own) / len(batch))


def parallel(module: M) -> M:
    """The module; with several processes one whose gradients are the mean over them, beginning with equal weights."""
    if process_count() == 1:
        return module
    # Buffers are equal by construction; older PyTorch has another name for the option that leaves them alone.
    known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {name: False}
    return cast(M, nn.parallel.DistributedDataParallel(module, **options))


def summed(values: Tensor) -> Tensor:
    """The sum of a tensor over the processes."""
    if process_count() > 1:
        distributed.all_reduce(values)
    return values


def from_main(make: Callable[[], T]) -> T:
    """What `make` returns in the main process, in every process.

    Raises:
        ProcessLostError: it failed there; the main process raises its own error.
    """
    if process_count() == 1:
        return make()
    message: list[Any] = [None]
    if is_main():
        try:
            message = [(make(),)]
        except Exception:
            _broadcast(message)  # the others wait for it
            raise
    _broadcast(message)
    if message[0] is None:
        raise ProcessLostError("the main process ended with an error")
    return cast(T, message[0][0])


def _broadcast(message: list[Any]) -> None:
    distributed.broadcast_object_list(message, device=torch.device("cpu"))


def files_from_main(folder: Path, make: Callable[[], T]) -> T:
    """Call `make` in the main process, copy the files that it left in `folder` to the other processes, call it there.

    Args:
        folder: the run's folder, each process's own.
        make: finds what is in the folder, and makes what is not.
    """
    if process_count() == 1:
        return make()
    result: list[T] = []

    def made() -> dict[str, bytes]:
        result.append(make())
        return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    files = from_main(made)
    if is_main():
        return result[0]
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return make()


@contextmanager
def first_on_each_machine() -> Iterator[None]:
    """Let one process of each machine go through the `with` before the others, which then find what it downloaded."""
    if process_count() == 1:
        yield
        return
    if local_rank() != 0:
        _wait_for_all()
    yield
    if local_rank() == 0:
        _wait_for_all()


def _wait_for_all() -> None:
    distributed.all_reduce(torch.zeros(1))  # on the CPU: a barrier of NCCL would not notice a process that ended


def check_equal(fingerprint: Mapping[str, Any]) -> None:
    """Refuse to train where the processes have other settings or data than the main one.

    Raises:
        DatasetError: naming the machine and what differs, in every process.
    """
    if process_count() == 1:
        return
    expected = from_main(lambda: dict(fingerprint))
    changed = "; ".join(differences(expected, fingerprint))
    found: list[Any] = [None] * process_count()
    distributed.all_gather_object(found, (socket.gethostname(), changed))
    for number, (host, difference) in enumerate(found, start=1):
        if difference:
            raise DatasetError(
                f"process {number} on {host} has other settings or data than process 1 ({difference}); "
                "give every machine the same files and the same version of Lectern"
            )


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Connect the processes that torchrun started, for the `with`; nothing where there is one process.

    Raises:
        ProcessLostError: another process ended, or does not answer.
    """
    if process_count() == 1:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with lost_processes():
        distributed.init_process_group(backend, timeout=_LONGEST_WAIT)
        yield
        distributed.destroy_process_group()


@contextmanager
def lost_processes() -> Iterator[None]:
    """Turn PyTorch's errors about lost connections into ProcessLostError."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if process_count() == 1 or not any(sign in text.lower() for sign in _SIGNS_OF_LOSS):
            raise
        raise ProcessLostError(text.strip().partition("\n")[0]) from error
