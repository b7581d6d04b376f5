"""`tritonclient.http`, unmodified from PyPI, against a real server on a real socket."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from service import __version__
from service.settings import Settings
from tests.support.classifier_bundles import template, write_classifier
from tests.support.classify_requests import picture
from tests.support.server import running

triton = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402  (after the skip)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_classifier(folder)
    return folder


@pytest.fixture(scope="module")
def address(repository: Path) -> Iterator[str]:
    with running(Settings(models=repository)) as url:
        yield url.removeprefix("http://")


@pytest.fixture
def client(address: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address) as client:
        yield client


@pytest.fixture(scope="module")
def direct(repository: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The same graph, run by onnxruntime without any server."""
    session = onnxruntime.InferenceSession(
        repository / "digits" / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(None, {"image": images})[0]


def pictures(*digits: int) -> NDArray[np.float32]:
    """Templates with noise, [n, 1, 28, 28]."""
    noise = np.random.default_rng(0).random((len(digits), 1, 28, 28), np.float32) / 10
    return np.clip(np.stack([template(digit) for digit in digits])[:, None] + noise, 0, 1).astype(np.float32)


def image_input(images: NDArray[Any], binary: bool = True, name: str = "image") -> Any:
    tensor = triton.InferInput(name, list(images.shape), "FP64" if images.dtype == np.float64 else "FP32")
    return tensor.set_data_from_numpy(images, binary_data=binary)


def test_health(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert client.is_model_ready("digits", "1")
    assert not client.is_model_ready("digits", "2")
    assert not client.is_model_ready("nope")


def test_metadata(client: Any) -> None:
    server = client.get_server_metadata()
    assert (server["name"], server["version"]) == ("lectern", __version__)
    for version in ("", "1"):
        model = client.get_model_metadata("digits", version)
        assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 28, 28]}]
        assert model["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]


def test_config(client: Any) -> None:
    for version in ("", "1"):
        config = client.get_model_config("digits", version)
        assert config["max_batch_size"] == 64
        assert config["input"] == [{"name": "image", "data_type": "TYPE_FP32", "dims": [1, 28, 28]}]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
@pytest.mark.parametrize("version", ["", "1"])
def test_infer_equals_onnxruntime(
    client: Any, direct: Any, binary_in: bool, binary_out: bool | None, version: str
) -> None:
    images = pictures(7, 2, 0)
    outputs = None if binary_out is None else [triton.InferRequestedOutput("probabilities", binary_data=binary_out)]

    result = client.infer(
        "digits", [image_input(images, binary_in)], model_version=version, outputs=outputs, request_id="42"
    )

    scores = result.as_numpy("probabilities")
    np.testing.assert_array_equal(scores, direct(images))
    assert scores.argmax(axis=1).tolist() == [7, 2, 0]
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("digits", "1", "42")
    assert ("data" in answer["outputs"][0]) is (binary_out is False)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("sent", ["gzip", "deflate", None])
@pytest.mark.parametrize("received", ["gzip", "deflate", None])
def test_compression(client: Any, direct: Any, binary: bool, sent: str | None, received: str | None) -> None:
    images = pictures(*range(10), *range(10), *range(10))

    result = client.infer(
        "digits",
        [image_input(images, binary)],
        outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary)],
        request_compression_algorithm=sent,
        response_compression_algorithm=received,
    )

    np.testing.assert_allclose(result.as_numpy("probabilities"), direct(images), rtol=0, atol=1e-6)


def test_the_answer_is_compressed(client: Any) -> None:
    body, length = client.generate_request_body([image_input(pictures(*range(64 // 2)))])
    headers = {"Inference-Header-Content-Length": length, "Accept-Encoding": "deflate"}
    response = client._post("v2/models/digits/infer", body, headers, None)
    assert response.get("Content-Encoding") == "deflate"
    parsed = client.parse_response_body(
        bytes(response.read()),
        header_length=int(response.get("Inference-Header-Content-Length")),
        content_encoding="deflate",
    )
    assert parsed.as_numpy("probabilities").shape == (32, 10)


@pytest.mark.parametrize("binary", [True, False])
def test_classification(client: Any, direct: Any, binary: bool) -> None:
    images = pictures(7, 2)

    result = client.infer(
        "digits",
        [image_input(images)],
        outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=3)],
    )

    texts = np.vectorize(lambda text: text.decode() if isinstance(text, bytes) else text)(
        result.as_numpy("probabilities")
    )
    assert texts.shape == (2, 3)
    for row, scores in zip(texts, direct(images), strict=True):
        for text, index in zip(row, np.argsort(-scores, kind="stable"), strict=False):
            value, position, label = text.split(":")
            assert np.float32(value) == scores[index]
            assert (int(position), label) == (index, str(index))


def test_concurrent_requests(address: str, direct: Any) -> None:
    batches = [pictures(digit, 9 - digit) for digit in range(10)]
    # With fewer connections than requests the client's own queue (gevent's) gives up now and then on a busy machine.
    with triton.InferenceServerClient(address, concurrency=len(batches)) as client:
        waiting = [client.async_infer("digits", [image_input(images)]) for images in batches]
        for images, request in zip(batches, waiting, strict=True):
            scores = request.get_result().as_numpy("probabilities")
            np.testing.assert_allclose(scores, direct(images), rtol=0, atol=1e-6)


def test_the_asyncio_client(address: str, direct: Any) -> None:
    aio = pytest.importorskip("tritonclient.http.aio")
    images = pictures(3, 4)

    async def ask() -> NDArray[np.float32]:
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            with pytest.raises(InferenceServerException, match="no model 'nope'"):
                await client.get_model_metadata("nope")
            tensor = aio.InferInput("image", list(images.shape), "FP32").set_data_from_numpy(images)
            result = await client.infer("digits", [tensor], request_compression_algorithm="gzip")
            return result.as_numpy("probabilities")

    np.testing.assert_array_equal(asyncio.run(ask()), direct(images))


def test_priority_and_timeout_are_accepted(client: Any) -> None:
    client.infer("digits", [image_input(pictures(1))], priority=1, timeout=10_000_000, parameters={"mine": 1})


@pytest.mark.parametrize(
    ("call", "status", "text"),
    [
        (lambda c: c.infer("nope", [image_input(pictures(1))]), "404", "no model 'nope'; there are: digits"),
        (
            lambda c: c.infer("digits", [image_input(pictures(1))], model_version="9"),
            "404",
            "no version 9 of model 'digits'",
        ),
        (lambda c: c.get_model_metadata("nope"), "404", "no model 'nope'"),
        (lambda c: c.get_model_config("nope"), "404", "no model 'nope'"),
        (lambda c: c.get_inference_statistics("nope"), "404", "no model 'nope'"),
        (lambda c: c.load_model("nope"), "404", "no model 'nope'"),
        (lambda c: c.unload_model("nope"), "404", "no model 'nope'"),
        (lambda c: c.load_model("digits", config="{}"), "400", "parameters.config: is not implemented"),
        (
            lambda c: c.infer("digits", [image_input(pictures(1), name="x")]),
            "400",
            "inputs[0].name: 'x' is not an input of model 'digits'; it has: image",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1)[0])]),
            "400",
            "inputs[0].shape: is [1, 28, 28], the model takes [-1, 1, 28, 28]",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1).astype(np.float64))]),
            "400",
            "inputs[0].datatype: is FP64, the model takes FP32",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1))], outputs=[triton.InferRequestedOutput("x")]),
            "400",
            "outputs[0].name: 'x' is not an output",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1) * np.float32(np.nan))]),
            "400",
            "holds NaN or infinity",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1) * np.float32(np.nan), binary=False)]),
            "400",
            "not valid JSON, which has no NaN",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1))], sequence_id=3, sequence_start=True),
            "400",
            "parameters.sequence_id: sequences are not implemented",
        ),
        (
            lambda c: c.infer("digits", [triton.InferInput("image", [1, 1, 28, 28], "FP32").set_shared_memory("r", 8)]),
            "400",
            "the shared memory extensions are not implemented",
        ),
        (lambda c: c.infer("digits", [image_input(pictures(1))], timeout=1), "504", "deadline"),
        (lambda c: c.get_system_shared_memory_status(), "404", "no route /v2/systemsharedmemory/status"),
        (lambda c: c.get_trace_settings(), "404", "no route /v2/trace/setting"),
    ],
)
def test_errors_arrive_as_the_clients_own(client: Any, call: Callable[[Any], Any], status: str, text: str) -> None:
    with pytest.raises(InferenceServerException, match=re.escape(text)) as error:
        call(client)
    assert error.value.status() == status


def test_repository_and_statistics(tmp_path: Path) -> None:
    write_classifier(tmp_path)
    with (
        running(Settings(models=tmp_path)) as url,
        triton.InferenceServerClient(url.removeprefix("http://")) as client,
    ):
        assert client.get_model_repository_index() == [
            {"name": "digits", "version": "1", "state": "READY", "reason": ""}
        ]
        client.infer("digits", [image_input(pictures(1, 2, 3))])
        for stats in (
            client.get_inference_statistics(),
            client.get_inference_statistics("digits"),
            client.get_inference_statistics("digits", "1"),
        ):
            (line,) = stats["model_stats"]
            assert (line["inference_count"], line["execution_count"]) == (3, 1)
            assert line["inference_stats"]["success"]["count"] == 1

        client.unload_model("digits")
        assert not client.is_model_ready("digits")
        assert client.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
        with pytest.raises(InferenceServerException, match="not ready"):
            client.infer("digits", [image_input(pictures(1))])

        write_classifier(tmp_path)
        client.load_model("digits")
        assert client.infer("digits", [image_input(pictures(1))]).get_response()["model_version"] == "2"


def test_statistics_are_summed_over_worker_processes_and_models_load_in_all(repository: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LECTERN_")} | {
        "LECTERN_MODELS": str(repository),
        "LECTERN_WORKERS": "2",
        "LECTERN_PORT": "0",
        "LECTERN_DRAIN_SECONDS": "0",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "service", "serve"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        address = _address(server)

        def ask(digit: int) -> int:
            with triton.InferenceServerClient(address) as client:  # A connection of its own: any worker may take it.
                client.infer("digits", [image_input(pictures(digit, digit))])
                return digit

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(ask, range(10))) == list(range(10))
        time.sleep(0.1)  # A worker writes what it counted every 10 ms.
        for _ in range(6):
            with triton.InferenceServerClient(address) as client:
                (line,) = client.get_inference_statistics()["model_stats"]
                assert (line["inference_count"], line["inference_stats"]["success"]["count"]) == (20, 10)
                client.load_model("digits")
    finally:
        server.terminate()
        server.communicate(timeout=30)


def _address(server: subprocess.Popen[str]) -> str:
    """Read the log until the line with the server's address."""
    assert server.stderr is not None
    for line in server.stderr:
        if match := re.search(r'"address":"http://([^"]+)"', line):
            return match[1]
    raise AssertionError("the server did not start")


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_pictures_as_bytes(client: Any, shape: list[int]) -> None:
    tensor = triton.InferInput("IMAGE", shape, "BYTES")
    tensor.set_data_from_numpy(np.array([picture(7), picture(2)], object).reshape(shape))  # As binary data.
    answer = client.infer("digits", [tensor], model_version="-1")
    assert answer.as_numpy("probabilities").argmax(axis=1).tolist() == [7, 2]


def test_a_batch_without_rows(client: Any) -> None:
    tensor = triton.InferInput("image", [0, 1, 28, 28], "FP32")
    tensor.set_data_from_numpy(np.zeros((0, 1, 28, 28), np.float32))
    assert client.infer("digits", [tensor]).as_numpy("probabilities").shape == (0, 10)
