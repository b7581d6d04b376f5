"""Measures `lectern serve` against the bare floor of floor.py with wrk, in alternating rounds of one run.

    python tests/benchmarks/http_floor.py --rounds 5 --seconds 5

Both are one process each on the same machine with the same model and the same image. README.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import orjson
from contenders import processor

from service.bundle.files import Bundle, BundleError, read_bundle, versions

HERE = Path(__file__).parent


class BenchmarkError(Exception):
    """The benchmark cannot run, or what it measured would mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """One row of the table: the same request, again and again."""

    name: str
    url: str
    body: bytes
    content_type: str = "application/json"
    json_length: int | None = None
    """Value of Inference-Header-Content-Length, for bodies with binary tensors."""

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers."""
        extra = {} if self.json_length is None else {"Inference-Header-Content-Length": str(self.json_length)}
        return {"Content-Type": self.content_type, **extra}


@dataclass(frozen=True)
class Measurement:
    """The result of wrk in one round."""

    rate: float
    p50_ms: float
    p99_ms: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    arguments = _parse(argv)
    try:
        _benchmark(arguments)
    except (BenchmarkError, BundleError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the figures are their medians (5)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of load per row and round (5)")
    parser.add_argument("--connections", type=int, default=32, help="connections that wrk keeps busy (32)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the model repository (models)")
    parser.add_argument("--model", default="digits", help="the model to measure (digits)")
    return parser.parse_args(argv)


def _benchmark(arguments: argparse.Namespace) -> None:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchmarkError("wrk is not installed: apt-get install wrk (Debian, Ubuntu), or brew install wrk (macOS)")
    bundle = _bundle(arguments.models, arguments.model)
    pixels = np.round(np.asarray(bundle.samples()[0].request["pixels"][0], dtype=np.float64), 4)
    with ExitStack() as stack:
        floor = stack.enter_context(_floor(bundle))
        server = stack.enter_context(_server(arguments.models))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        loads = _loads(floor, server, bundle, pixels)
        _check(loads, bundle)
        command = [wrk, "--threads", "1", "--connections", str(arguments.connections), "--script", HERE / "post.lua"]
        for load in loads:  # Warm, and not counted.
            _measure(command, load, folder, 1)
        rounds = []
        for number in range(arguments.rounds):
            order = loads if number % 2 == 0 else loads[::-1]
            rounds.append({load.name: _measure(command, load, folder, arguments.seconds) for load in order})
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    _print_conditions(arguments, bundle, len(loads[0].body))
    _print_table([load.name for load in loads], rounds)


def _bundle(models: Path, name: str) -> Bundle:
    numbers = versions(models / name) if (models / name).is_dir() else []
    if not numbers:
        raise BenchmarkError(f"there is no model {name!r} in {models}: train one, or name another folder by --models")
    return read_bundle(models / name / str(max(numbers)))


@contextmanager
def _floor(bundle: Bundle) -> Iterator[str]:
    """The address of the floor, running."""
    model = bundle.path / bundle.manifest.graphs["model"].file
    process = subprocess.Popen([sys.executable, HERE / "floor.py", model], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise BenchmarkError("the floor did not start; its message is above")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _server(models: Path) -> Iterator[str]:
    """The address of `lectern serve` with its defaults, running."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LECTERN_")}
    env |= {"LECTERN_PORT": "0", "LECTERN_MODELS": str(models), "LECTERN_DRAIN_SECONDS": "0"}
    command = [sys.executable, "-m", "service", "serve"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stderr is not None
        log = []
        for line in process.stderr:
            log.append(line)
            if '"serving"' in line:
                break
        else:
            raise BenchmarkError(f"the server did not start:\n{''.join(log)}")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # A full pipe would stop the server.
        yield json.loads(line)["address"]
    finally:
        process.terminate()
        process.wait()


def _loads(floor: str, server: str, bundle: Bundle, pixels: Any) -> list[Load]:
    """The rows; the first is the floor, the second what is held against it."""
    name = bundle.manifest.name
    body = orjson.dumps({"pixels": [pixels.tolist()]})
    png = cv2.imencode(".png", np.uint8(np.round(255 * pixels)))[1].tobytes()
    tensor = {"name": "image", "shape": [1, 1, *pixels.shape], "datatype": "FP32"}
    infer = f"{server}/v2/models/{name}/infer"
    numbers = orjson.dumps({"inputs": [tensor | {"data": pixels.ravel().tolist()}]})
    raw = pixels.astype("<f4").tobytes()
    head = orjson.dumps(
        {
            "inputs": [tensor | {"parameters": {"binary_data_size": len(raw)}}],
            "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}],
        }
    )
    return [
        Load(name="floor, pixels as JSON", url=f"{floor}/", body=body),
        Load(name="/v1/classify, pixels as JSON", url=f"{server}/v1/classify", body=body),
        Load(name="/v1/classify, PNG", url=f"{server}/v1/classify", body=png, content_type="image/png"),
        Load(name="/v2 infer, JSON", url=infer, body=numbers),
        Load(
            name="/v2 infer, binary",
            url=infer,
            body=head + raw,
            content_type="application/octet-stream",
            json_length=len(head),
        ),
    ]


def _check(loads: Sequence[Load], bundle: Bundle) -> None:
    """Hold every answer against the floor's: all must name the same label."""
    labels = {}
    for load in loads:
        try:
            answer = httpx.post(load.url, content=load.body, headers=load.headers, timeout=30, trust_env=False)
        except httpx.HTTPError as error:
            raise BenchmarkError(f"{load.name}: no answer: {error}") from error
        if answer.status_code != 200:
            raise BenchmarkError(f"{load.name}: {answer.status_code} {answer.text}")
        labels[load.name] = _label(answer, bundle)
    if len(set(labels.values())) != 1:
        raise BenchmarkError(f"the answers differ: {labels}")


def _label(answer: httpx.Response, bundle: Bundle) -> str:
    if length := answer.headers.get("inference-header-content-length"):
        scores = np.frombuffer(answer.content[int(length) :], "<f4")
    else:
        content = answer.json()
        if "results" in content:
            return str(content["results"][0]["predictions"][0]["label"])
        scores = content["outputs"][0]["data"] if "outputs" in content else content["probabilities"][0]
    return bundle.manifest.labels[int(np.argmax(scores))]


def _measure(command: Sequence[str | Path], load: Load, folder: Path, seconds: int) -> Measurement:
    body = folder / "body"
    body.write_bytes(load.body)
    extra = [body, load.content_type, *([] if load.json_length is None else [str(load.json_length)])]
    result = subprocess.run(
        [*command, "--duration", f"{seconds}s", load.url, "--", *extra], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise BenchmarkError(f"wrk failed: {result.stderr or result.stdout}")
    seen = json.loads(result.stdout.splitlines()[-1])
    if seen["failed"]:
        raise BenchmarkError(f"{load.name}: {seen['failed']} of {seen['requests']} requests failed")
    return Measurement(seen["requests"] / seen["seconds"], seen["p50_ms"], seen["p99_ms"])


def _print_conditions(arguments: argparse.Namespace, bundle: Bundle, size: int) -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "numpy", "uvicorn", "fastapi"))
    print(f"{arguments.model}/{bundle.manifest.version}, one image of {size} bytes as JSON; one process each")
    print(f"wrk, {arguments.connections} connections, {arguments.rounds} rounds of {arguments.seconds} s, medians")
    print(f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, {packages}\n")


def _print_table(names: Sequence[str], rounds: Sequence[dict[str, Measurement]]) -> None:
    print(f"{'':30} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}   of the floor (lowest to highest round)")
    for name in names:
        rate, p50, p99 = (
            statistics.median(getattr(measurements[name], field) for measurements in rounds)
            for field in ("rate", "p50_ms", "p99_ms")
        )
        ratios = [measurements[name].rate / measurements[names[0]].rate for measurements in rounds]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{name:30} {rate:10,.0f} {p50:8.2f} {p99:8.2f}   {statistics.median(ratios):.2f} {spread}")


if __name__ == "__main__":
    sys.exit(main())
