"""Stops runs that go on after their deadline, such as those of a graph with a loop that never ends.

onnxruntime looks at `RunOptions.terminate` between two nodes of a graph. Each thread that runs models has one such
object, and one thread sets it where a deadline has passed: nothing else could while the event loop itself is in a run.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from service.errors import DeadlineExceeded

_INTERVAL_SECONDS = 0.1


class _Guard:
    """The deadline of the runs of one thread."""

    __slots__ = ("__weakref__", "deadline", "options", "stopped")

    def __init__(self) -> None:
        import onnxruntime

        self.deadline: float | None = None
        self.options = onnxruntime.RunOptions()
        self.stopped = False


_threads = threading.local()
_guards: weakref.WeakSet[_Guard] = weakref.WeakSet()
_starting = threading.Lock()
_watching = False


class stop_at:  # noqa: N801 (reads as what it does: `with stop_at(deadline):`)
    """Stop the runs in this block, in this thread, at `deadline`, a `time.perf_counter()`."""

    __slots__ = ("_deadline", "_guard")

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __enter__(self) -> None:
        self._guard: _Guard = getattr(_threads, "guard", None) or _new_guard()
        self._guard.deadline = self._deadline

    def __exit__(self, *_: object) -> None:
        self._guard.deadline = None


def run(session: Any, outputs: list[str] | None, feeds: Any, *, bound: bool = False) -> Any:
    """Run an onnxruntime session within the deadline of this thread's block of `stop_at`, if there is one.

    Args:
        session: the session.
        outputs: names of the outputs.
        feeds: the inputs by name.
        bound: `feeds` is an `IOBinding` instead, which names the outputs and gets them.

    Raises:
        DeadlineExceeded: the run was stopped.
    """
    call = _run_bound(session) if bound else session.run
    guard: _Guard | None = getattr(_threads, "guard", None)
    if guard is None or guard.deadline is None:
        return call(outputs, feeds)
    while True:
        if guard.deadline <= time.perf_counter():
            raise DeadlineExceeded("the deadline passed before the answer was ready")
        try:
            return call(outputs, feeds, guard.options)
        except Exception:
            # Where the deadline has not passed, this was meant for the run before, which ended at that moment.
            if not guard.options.terminate:
                raise
            guard.options.terminate = False
        finally:
            if guard.stopped:
                guard.stopped = guard.options.terminate = False


def _run_bound(session: Any) -> Callable[..., None]:
    """A function with the arguments of `session.run` that runs an `IOBinding`."""
    return lambda _outputs, binding, options=None: session.run_with_iobinding(binding, options)


def _new_guard() -> _Guard:
    global _watching
    guard = _threads.guard = _Guard()
    with _starting:
        _guards.add(guard)
        if not _watching:
            _watching = True
            threading.Thread(target=_watch, name="run-deadlines", daemon=True).start()
    return guard


def _watch() -> None:
    """The thread that stops late runs."""
    while True:
        time.sleep(_INTERVAL_SECONDS)
        now = time.perf_counter()
        with _starting:
            guards = list(_guards)
        for guard in guards:
            deadline = guard.deadline
            if deadline is not None and deadline <= now:
                guard.stopped = True
                guard.options.terminate = True
        guards.clear()
