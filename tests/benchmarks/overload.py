"""Overload: how many answers a server still gives when too many clients ask, and how everybody else fares meanwhile.

    python -m tests.benchmarks.overload                      # all cases, half an hour
    python -m tests.benchmarks.overload --only translate --seconds 5

Capacity is the most answers a second of 1 to 64 clients, each of which waits for its answer. Then as many clients as
reach it and three (or ten) times as many ask in turn, while /livez and a single small picture are asked for. Run it
with nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from PIL import Image

from tests.benchmarks.overload_clients import LIVE, Outcome, load, post, probe
from tests.support.bars import Report

_CLIENTS = (1, 2, 4, 8, 16, 32, 64)
_SENTENCE = "The old house stood at the end of a long road that nobody had taken for many years."
_ROOT = Path(__file__).parents[2]


def _translate() -> bytes:
    """20 sentences at beam 8."""
    texts = [f"{_SENTENCE[:-1]}, and number {index} was its name." for index in range(20)]
    return post("/v1/translate", orjson.dumps({"source": "en", "target": "de", "texts": texts, "beam_size": 8}))


def _tag() -> bytes:
    """3,400 words."""
    return post("/v1/tag", orjson.dumps({"model": "pos-en", "text": " ".join([_SENTENCE] * 189)}))


def _digit() -> list[list[float]]:
    """The pixels of a sample of the shipped classifier, 0 for paper to 1 for ink."""
    samples = json.loads(next((_ROOT / "models/digits").glob("*/samples.json")).read_text())
    samples = samples["samples"] if isinstance(samples, dict) else samples
    pixels: list[list[float]] = np.round(samples[0]["request"]["pixels"][0], 4).tolist()
    return pixels


def _picture() -> bytes:
    """A JPEG of 20 megapixels: a digit on paper."""
    ink = Image.fromarray((np.array(_digit()) * 200).astype(np.uint8)).resize((4000, 4000), Image.Resampling.BICUBIC)
    paper = np.full((4000, 5000), 240, np.uint8)
    paper[:, 500:4500] -= np.asarray(ink)
    content = io.BytesIO()
    Image.fromarray(paper).save(content, "JPEG", quality=90)
    return post("/v1/classify", content.getvalue(), "image/jpeg")


def _words(count: int) -> list[str]:
    lines = (_ROOT / "models/words-en").glob("*/vocabulary.txt")
    words = next(lines).read_text().split("\n")
    return [word.split()[0] for word in words[1000 : 1000 + count]]


def _neighbors() -> bytes:
    """1,000 words, 100 neighbors of each."""
    return post("/v1/neighbors", orjson.dumps({"model": "words-en", "words": _words(1000), "k": 100}))


def _embeddings() -> bytes:
    """2,048 texts."""
    texts = [f"{_SENTENCE} number {index}" for index in range(2048)]
    return post("/v1/embeddings", orjson.dumps({"model": "words-en", "input": texts}))


def _pixels() -> bytes:
    """One picture of 28 by 28 numbers."""
    return post("/v1/classify", orjson.dumps({"pixels": [_digit()]}))


_HEAVY: dict[str, Callable[[], bytes]] = {
    "translate": _translate,
    "tag": _tag,
    "picture": _picture,
    "neighbors": _neighbors,
    "embeddings": _embeddings,
}
_CASES = _HEAVY | {"pixels": _pixels}


class _Stretch(NamedTuple):
    """What was measured at one time."""

    outcome: Outcome
    live: list[float]
    """Latencies of /livez in seconds."""
    pictures: list[float]
    """Latencies of one small picture in seconds."""


def _merged(stretches: Sequence[_Stretch]) -> _Stretch:
    total = _Stretch(Outcome(), [], [])
    for stretch in stretches:
        total.outcome.add(stretch.outcome)
        total.live.extend(stretch.live)
        total.pictures.extend(stretch.pictures)
    return total


class Bench:
    """Measures one server.

    Args:
        port: where it listens.
        pool: processes of the clients.
        seconds: of each measurement.
        rounds: how often capacity and overload are measured in turn.
        report: gets the figures.
    """

    def __init__(self, port: int, pool: ProcessPoolExecutor, seconds: float, rounds: int, report: Report) -> None:
        self._port, self._pool, self._seconds, self._rounds, self._report = port, pool, seconds, rounds, report

    def run(self, name: str, clients: Sequence[int]) -> None:
        """Measure one case, all its figures."""
        request = _CASES[name]()
        probe(self._port, request, 0, 0)  # Raises where the answer is an error.
        alone = statistics.median(probe(self._port, _pixels(), 0, 1.5))
        capacity, reached = 0.0, 1
        for count in clients:
            rate = self._load(request, count).result().goodput
            print(f"       {name}: {count} clients {rate:.2f}/s", flush=True)
            if rate > capacity * 1.03:
                reached = count
            capacity = max(capacity, rate)
        self._report.add(f"{name}: capacity, reached by {reached} clients", capacity, "answers/s")
        for times in (3, 10) if name in _HEAVY else (3,):
            self._overload(name, request, times, reached, alone)

    def _overload(self, name: str, request: bytes, times: int, reached: int, alone: float) -> None:
        """Alternate rounds at capacity with rounds of too many clients, all beside the same probes.

        The ratio is of their sums, so that neither the probes nor a machine that slows down meanwhile counts.
        """
        label = f"{name} x{times}"
        rounds = [
            (self._beside_probes(request, reached), self._beside_probes(request, times * reached))
            for _ in range(self._rounds)
        ]
        full, over = (_merged([pair[side] for pair in rounds]) for side in range(2))
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(over.outcome.statuses.items()))
        slowest = max(over.outcome.latencies, default=float("nan"))
        after = ", ".join(f"{seconds} s: {count}" for seconds, count in sorted(over.outcome.retry_after.items()))
        print(f"       {label}: {times * reached} clients: {statuses}; slowest {slowest:.2f} s; Retry-After {after}")
        ratios = sorted(too_many.outcome.goodput / enough.outcome.goodput for enough, too_many in rounds)
        print(f"       {label}: rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)}; {full.outcome.goodput:.2f}/s")
        self._report.add(f"{label}: goodput / capacity", over.outcome.goodput / full.outcome.goodput, at_least=0.9)
        self._report.add(f"{label}: answers 504", over.outcome.statuses[504], at_most=0)
        live = float(np.percentile(over.live, 99)) * 1e3
        self._report.add(f"{label}: /livez p99", live, "ms", at_most=100)
        if name in _HEAVY:
            p50 = statistics.median(over.pictures) * 1e3
            bar = max(3 * alone * 1e3, 5.0)
            self._report.add(f"{label}: one picture p50 (alone {alone * 1e3:.2f} ms)", p50, "ms", at_most=bar)

    def _beside_probes(self, request: bytes, clients: int) -> _Stretch:
        future = self._load(request, clients)
        settle = _settle(self._seconds)
        live = self._pool.submit(probe, self._port, LIVE, settle, self._seconds)
        pictures = self._pool.submit(probe, self._port, _pixels(), settle, self._seconds)
        stretch = _Stretch(future.result(), live.result(), pictures.result())
        time.sleep(1.0)
        return stretch

    def _load(self, request: bytes, clients: int):  # type: ignore[no-untyped-def]
        return self._pool.submit(load, self._port, request, clients, _settle(self._seconds), self._seconds)


def _settle(seconds: float) -> float:
    return max(1.0, seconds / 3)


@contextmanager
def _server(models: Path) -> Iterator[int]:
    """The port of `lectern serve` with its defaults."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LECTERN_")}
    env |= {"LECTERN_PORT": "0", "LECTERN_MODELS": str(models), "LECTERN_DRAIN_SECONDS": "0"}
    env |= {name: value for name, value in os.environ.items() if name.startswith("LECTERN_MODEL__")}
    process = subprocess.Popen([sys.executable, "-m", "service", "serve"], stderr=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("message") == "serving":
                break
        else:
            raise SystemExit("the server did not start")
        threading.Thread(target=lambda: [sys.stderr.write(line) for line in process.stderr or ()], daemon=True).start()
        yield int(entry["address"].rpartition(":")[2])
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=_CASES, help="cases (all)")
    parser.add_argument("--clients", nargs="+", type=int, default=_CLIENTS, help="of the capacity (1 to 64)")
    parser.add_argument("--seconds", type=float, default=10, help="seconds of each measurement (10)")
    parser.add_argument("--rounds", type=int, default=3, help="of capacity and overload in turn (3)")
    parser.add_argument("--models", type=Path, default=_ROOT / "models", help="the model repository (models)")
    arguments = parser.parse_args(argv)
    report = Report()
    for name in arguments.only or _CASES:
        with _server(arguments.models) as port, ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
            Bench(port, pool, arguments.seconds, arguments.rounds, report).run(name, arguments.clients)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
