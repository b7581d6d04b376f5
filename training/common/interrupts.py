"""Ctrl-C and SIGTERM as an exception that a training loop can catch, to keep what it has done."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from training.common.processes import process_count


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM arrived. Not an `Exception`, so that no handler on the way swallows it.

    Attributes:
        code: the exit code that a shell expects.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def interrupts() -> Iterator[None]:
    """Raise `Interrupted` on SIGINT and SIGTERM inside the `with`; the former handlers are restored after it."""

    def stop(number: int, _frame: FrameType | None) -> None:
        if process_count() > 1:  # torchrun passes on each signal, and a terminal sends it to every process too
            for repeated in (signal.SIGINT, signal.SIGTERM):
                signal.signal(repeated, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
