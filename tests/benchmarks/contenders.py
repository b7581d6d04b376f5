"""What tagging.py, translation.py and vectors.py measure: processes of their own, each on one core with one thread.

A worker writes one line when it is ready, {"about": …, "measures": {name: label}, "tags": [[…]], "first": words/s}: the
tags of all sentences, and how fast they were found, every word being new. It then reads lines such as {"measure": name,
"seconds": 2}, tags all sentences again and again for at least so long, and writes {"words": n, "seconds": s, "cpu": s}.
Of translators, what stands for the tags of a sentence is a list of its translation alone, sentences are counted instead
of words, and "others" has what the other measures found, by their names.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Tags = list[list[str]]

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")}


class BenchmarkError(Exception):
    """The benchmark cannot run, or what it measured would mean nothing."""


@dataclass(frozen=True)
class Measured:
    """The result of one contender in one round."""

    words: int
    seconds: float
    cpu: float
    """Processor seconds of the process that tags."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table."""

    name: str
    measure: Callable[[float], Measured]
    """Called with the least seconds to measure for."""
    tags: Tags | None = None
    """Found for the sentences as they are; None where it is given texts, and where another row is the same."""
    first: float | None = None
    """Words/s in the first pass over the sentences, when every word was new."""


@dataclass(frozen=True)
class Worker:
    """A process that is ready to be measured."""

    about: str
    rows: list[Row] = field(default_factory=list)


def pin(core: int | None) -> Callable[[], None] | None:
    """A function that pins a child process to one core; None if the system cannot."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def cores() -> tuple[int | None, int | None]:
    """The core of everything that is measured, and the core of the client."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("bench: there is one core only: the client takes part of the server's", file=sys.stderr)
    return cores[0], cores[-1]


def processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


@contextmanager
def worker(command: Sequence[str | Path], core: int | None) -> Iterator[Worker]:
    """Start a worker; it ends with the block."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        env=os.environ | ONE_THREAD | {"PYTHONIOENCODING": "utf-8"}, preexec_fn=pin(core),
    )  # fmt: skip
    try:
        ready = _answer(process, command)
        rows = [
            Row(
                name=label,
                measure=_measure(process, command, name),
                tags=ready["tags"] if index == 0 else ready.get("others", {}).get(name),
                first=ready["first"] if index == 0 else None,
            )
            for index, (name, label) in enumerate(ready["measures"].items())
        ]
        yield Worker(ready["about"], rows)
    finally:
        process.terminate()
        process.wait()


def serve(measures: Mapping[str, Callable[[], object]], words: int) -> None:
    """In the worker, once it has said that it is ready: measure whatever is asked for.

    Args:
        measures: one pass over all sentences, by name.
        words: how many a pass counts.
    """
    for line in sys.stdin:
        request = json.loads(line)
        run = measures[request["measure"]]
        begun, cpu = time.perf_counter(), time.process_time()
        passes = 0
        while not passes or time.perf_counter() - begun < request["seconds"]:
            run()
            passes += 1
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        print(json.dumps({"words": passes * words, "seconds": seconds, "cpu": cpu}), flush=True)


def _measure(process: subprocess.Popen[str], command: Sequence[str | Path], name: str) -> Callable[[float], Measured]:
    def measure(seconds: float) -> Measured:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps({"measure": name, "seconds": seconds}) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, which is told below
        return Measured(**_answer(process, command))

    return measure


def _answer(process: subprocess.Popen[str], command: Sequence[str | Path]) -> dict[str, Any]:
    """The next line of JSON; lines of libraries that talk are passed over."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return dict(json.loads(line))
    raise BenchmarkError(f"{' '.join(map(str, command))} ended with exit code {process.wait()}; its message is above")
