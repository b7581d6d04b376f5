"""What http_floor.py, http_cpu.py and peers.py send and how they measure it: one image in several bodies, and wrk."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import orjson

from service.bundle.files import Bundle, read_bundle, versions
from tests.benchmarks.contenders import BenchmarkError
from tests.benchmarks.side_by_side import spread

_SCRIPT = Path(__file__).with_name("post.lua")


class Body(StrEnum):
    """How a request holds the image."""

    PIXELS = "pixels as JSON"
    PNG = "PNG"
    TENSOR = "tensor as JSON"
    """Of the Open Inference Protocol, as is the next."""
    BINARY = "binary tensor"


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


def newest_bundle(models: Path, name: str) -> Bundle:
    """The highest version of a model."""
    numbers = versions(models / name) if (models / name).is_dir() else []
    if not numbers:
        raise BenchmarkError(f"there is no model {name!r} in {models}: train one, or name another folder by --models")
    return read_bundle(models / name / str(max(numbers)))


def sample_pixels(bundle: Bundle) -> Any:
    """The first image of the model's samples, [28, 28], with four decimals."""
    return np.round(np.asarray(bundle.samples()[0].request["pixels"][0], dtype=np.float64), 4)


def load(name: str, url: str, kind: Body, pixels: Any) -> Load:
    """The request that sends an image in a body of this kind and asks for its probabilities."""
    tensor = {"name": "image", "shape": [1, 1, *pixels.shape], "datatype": "FP32"}
    output = {"name": "probabilities"}
    match kind:
        case Body.PIXELS:
            return Load(name=name, url=url, body=orjson.dumps({"pixels": [pixels.tolist()]}))
        case Body.PNG:
            png = cv2.imencode(".png", np.uint8(np.round(255 * pixels)))[1].tobytes()
            return Load(name=name, url=url, body=png, content_type="image/png")
        case Body.TENSOR:
            document = {"inputs": [tensor | {"data": pixels.ravel().tolist()}], "outputs": [output]}
            return Load(name=name, url=url, body=orjson.dumps(document))
        case Body.BINARY:
            raw = pixels.astype("<f4").tobytes()
            inputs = [tensor | {"parameters": {"binary_data_size": len(raw)}}]
            head = orjson.dumps({"inputs": inputs, "outputs": [output | {"parameters": {"binary_data": True}}]})
            media_type = "application/octet-stream"
            return Load(name=name, url=url, body=head + raw, content_type=media_type, json_length=len(head))


def check_labels(loads: Sequence[Load], labels: Sequence[str]) -> None:
    """Hold every answer against the first load's: all must name the same label."""
    found = {load.name: answered_label(load, labels) for load in loads}
    if len(set(found.values())) != 1:
        raise BenchmarkError(f"the answers differ: {found}")


def answered_label(load: Load, labels: Sequence[str]) -> str:
    """Send the request once; returns the most probable label of the answer."""
    try:
        answer = httpx.post(
            load.url, content=load.body, headers=load.headers, timeout=30, trust_env=False, verify=False
        )
    except httpx.HTTPError as error:
        raise BenchmarkError(f"{load.name}: no answer: {error}") from error
    if answer.status_code != 200:
        raise BenchmarkError(f"{load.name}: {answer.status_code} {answer.text}")
    if length := answer.headers.get("inference-header-content-length"):
        return labels[int(np.argmax(np.frombuffer(answer.content[int(length) :], "<f4")))]
    content = answer.json()
    if isinstance(content, list):
        return labels[int(np.argmax(content))]
    if "results" in content:
        return str(content["results"][0]["predictions"][0]["label"])
    if "outputs" in content:
        return labels[int(np.argmax(content["outputs"][0]["data"]))]
    return labels[int(np.argmax(content["probabilities"]))]


class Wrk:
    """The client: wrk with one thread, which posts the same body again and again."""

    def __init__(self, folder: Path) -> None:
        """Bodies are written into the folder."""
        program = shutil.which("wrk")
        if program is None:
            install = "apt-get install wrk (Debian, Ubuntu), or brew install wrk (macOS)"
            raise BenchmarkError(f"wrk is not installed: {install}")
        self._program = program
        self._body = folder / "body"

    def measure(self, load: Load, connections: int, seconds: int) -> Measurement:
        """Keep so many connections busy for so long, each with one request at a time."""
        self._body.write_bytes(load.body)
        options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "30s"]
        extra = [load.content_type, *([] if load.json_length is None else [str(load.json_length)])]
        command = [self._program, *options, "--script", _SCRIPT, load.url, "--", self._body, *extra]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise BenchmarkError(f"wrk failed: {result.stderr or result.stdout}")
        seen = json.loads(result.stdout.splitlines()[-1])
        if seen["failed"]:
            raise BenchmarkError(f"{load.name}: {seen['failed']} of {seen['requests']} requests failed")
        if not seen["requests"]:
            raise BenchmarkError(f"{load.name}: no answer within {seconds} s")
        return Measurement(seen["requests"] / seen["seconds"], seen["p50_ms"], seen["p99_ms"])


HEADINGS = ("requests/s", "p50 ms", "p99 ms", "of the floor")


def summary(pairs: Sequence[tuple[Measurement, Measurement]]) -> tuple[str, ...]:
    """The cells below HEADINGS: medians over the rounds, and the lowest and highest ratio of one round.

    Args:
        pairs: of each round, the floor and what is held against it.
    """
    rows = [row for _, row in pairs]
    ratios = [row.rate / floor.rate for floor, row in pairs]
    return (
        f"{statistics.median(row.rate for row in rows):,.0f}",
        f"{statistics.median(row.p50_ms for row in rows):.2f}",
        f"{statistics.median(row.p99_ms for row in rows):.2f}",
        spread(ratios),
    )
