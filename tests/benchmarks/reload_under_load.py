"""Reloads every family of models while clients ask: nothing may fail, be mixed, or take much longer than without.

    python -m tests.benchmarks.reload_under_load
    python -m tests.benchmarks.reload_under_load --models models --reloads 50 --clients 32 --only digits pos-en

Each model is served from a copy with two versions, which answer alike but for their number (a classifier's labels and
a tagger's tags differ too), and each reload changes from one to the other. Every client waits for its answer before it
asks again; each answer must be that of the version that it names.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from service.bundle.files import read_bundle, versions, write_bundle
from tests.support.bars import Report
from tests.support.processes import server

ROUTES = {
    "image-classification": "/v1/classify",
    "token-classification": "/v1/tag",
    "translation": "/v1/translate",
    "word-vectors": "/v1/neighbors",
}
QUESTIONS: dict[str, dict[str, Any]] = {
    "token-classification": {"text": "The committee met in Geneva on Monday. Nobody from Acme Corp. was there."},
    "translation": {"text": "The house is small.", "beam_size": 2},
    "word-vectors": {"words": ["king", "river", "seven"], "k": 5},
}
RENAMED = {"image-classification", "token-classification"}


@dataclass
class Answers:
    """What the clients got."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)


class Client:
    """One connection that asks the same question again and again."""

    def __init__(self, url: str, route: str, body: bytes) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        head = f"POST {route} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        self._request = head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        self._writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)


def main() -> int:
    """Measure every family; return the exit code."""
    options = _parse()
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or sorted(path.name for path in options.models.iterdir() if path.is_dir()):
            repository = Path(folder) / name
            task = _two_versions(options.models / name, repository)
            with server(repository, DRAIN_SECONDS="0", MAX_QUEUE_SIZE="4096", DEADLINE_SECONDS="120") as running:
                asyncio.run(_measure(report, running.url, name, task, options))
    return report.exit_code


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--only", nargs="*", help="models; all by default")
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0, help="time without reloads, for comparison")
    return parser.parse_args()


def _two_versions(source: Path, repository: Path) -> str:
    """Copy the highest version of a model twice; returns its task."""
    bundle = read_bundle(source / str(versions(source)[-1]))
    files = {name: bundle.file(name).read_bytes() for name in bundle.manifest.files}
    task = bundle.manifest.task.value
    write_bundle(repository, bundle.manifest, files)
    manifest = bundle.manifest
    if task in RENAMED:
        labels = {label: label if label == "O" else f"{label}X" for label in manifest.labels or ()}
        manifest = manifest.model_copy(update={"labels": tuple(labels.values())})
        samples = orjson.loads(files["samples.json"])
        files["samples.json"] = orjson.dumps(dict(_rename(samples, labels)))
    write_bundle(repository, manifest, files)
    return task


def _rename(value: Any, labels: dict[str, str], key: str = "") -> Any:
    """A document with other labels."""
    if isinstance(value, dict):
        return {name: _rename(item, labels, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_rename(item, labels, key) for item in value]
    if key in ("label", "tag") and isinstance(value, str):
        return labels.get(value, f"{value}X")
    return value


async def _measure(report: Report, url: str, name: str, task: str, options: argparse.Namespace) -> None:
    question = _question(task, options.models / name)
    if task == "translation":
        question = {**question, "source": name.split("-")[1]}
    body, route = orjson.dumps(question), ROUTES[task]
    expected = {}
    for version in ("1", "2"):
        await _load(url, name, version)
        async with Client(url, route, body) as client:
            status, answer = await client.ask()
            assert status == 200, answer
            expected[version] = orjson.loads(answer)["results"]
    without = await _ask_until(url, route, body, expected, options.clients, asyncio.sleep(options.seconds))
    times: list[float] = []
    reloads = _reload(url, name, options.reloads, times)
    answers = await _ask_until(url, route, body, expected, options.clients, reloads)
    longest, before = max(answers.seconds), max(without.seconds)
    print(f"{name}: without reloads {_summary(without.seconds)}")
    print(f"{name}: with {options.reloads} of {statistics.median(times):.2f} s each {_summary(answers.seconds)}")
    for failure in answers.failures[:3]:
        print("  ", failure)
    report.add(f"{name}: failed or mixed answers", len(answers.failures) + len(without.failures), at_most=0)
    report.add(f"{name}: versions seen", len(answers.versions), at_least=2)
    report.add(f"{name}: longest answer beyond that without reloads", (longest - before) * 1e3, "ms", at_most=250)


def _question(task: str, source: Path) -> dict[str, Any]:
    if task in QUESTIONS:
        return QUESTIONS[task]
    samples = orjson.loads((source / str(versions(source)[-1]) / "samples.json").read_bytes())["samples"]
    return next(sample["request"] for sample in samples if "pixels" in sample["request"])  # type: ignore[no-any-return]


async def _ask_until(url: str, route: str, body: bytes, expected: dict[str, Any], clients: int, work: Any) -> Answers:
    """Have clients ask until some work is done."""
    answers, stop = Answers(), asyncio.Event()

    async def ask() -> None:
        async with Client(url, route, body) as client:
            while not stop.is_set():
                started = time.perf_counter()
                status, content = await client.ask()
                answers.seconds.append(time.perf_counter() - started)
                document = orjson.loads(content)
                version = document.get("version", "")
                answers.versions.add(version)
                if status != 200:
                    answers.failures.append(f"{status} {content[:200]!r}")
                elif document["results"] != expected[version] and not _alike(document["results"], expected[version]):
                    answers.failures.append(f"version {version} answers {str(document['results'])[:200]}")

    tasks = [asyncio.create_task(ask()) for _ in range(clients)]
    try:
        await work
    finally:
        stop.set()
        await asyncio.gather(*tasks)
    return answers


def _alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same but for the last digits of numbers: those depend on the batch."""
    return all(
        a == b if isinstance(a, str) or isinstance(b, str) else abs(a - b) < 2e-3
        for a, b in zip_longest(_leaves(one), _leaves(other), fillvalue="")
    )


def _leaves(value: Any) -> Iterator[str | float]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value if isinstance(value, str) else float(value or 0)


async def _reload(url: str, name: str, reloads: int, times: list[float]) -> None:
    for number in range(reloads):
        started = time.perf_counter()
        await _load(url, name, str(1 + number % 2))
        times.append(time.perf_counter() - started)


async def _load(url: str, name: str, version: str) -> None:
    body = orjson.dumps({"parameters": {"version": version}})
    async with Client(url, f"/v2/repository/models/{name}/load", body) as client:
        status, answer = await client.ask()
        assert status == 200, answer


def _summary(seconds: list[float]) -> str:
    percentiles = statistics.quantiles(seconds, n=100)
    figures = {"median": percentiles[49], "p99": percentiles[98], "max": max(seconds)}
    return f"{len(seconds)} answers: " + ", ".join(f"{name} {value * 1e3:.1f} ms" for name, value in figures.items())


if __name__ == "__main__":
    raise SystemExit(main())
