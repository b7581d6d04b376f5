"""`tritonclient.grpc`, unmodified from PyPI, against a server process."""

from __future__ import annotations

import asyncio
import queue
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service import __version__
from tests.support.classifier_bundles import template, write_classifier
from tests.support.processes import Server, lectern, server
from tests.support.translator_bundles import write_translator

grpc = pytest.importorskip("grpc", reason="needs the extra grpc")
pytest.importorskip("grpc_reflection", reason="needs the extra grpc")
triton = pytest.importorskip("tritonclient.grpc")
import tritonclient.grpc.aio as triton_aio  # noqa: E402  (after the skips)
from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

TRANSLATOR = "translate-en-de"
TEXTS = ["The dog sleeps. I love you!", "", "Good morning"]
TRANSLATIONS = ["Der Hund schläft. Ich liebe du!", "", "Guten Morgen"]
MAX_BODY = 64 * 1024


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_classifier(folder)
    write_translator(folder)
    return folder


@pytest.fixture(scope="module")
def process(repository: Path) -> Iterator[Server]:
    with server(repository, GRPC_PORT="0", MAX_BODY_BYTES=str(MAX_BODY), MAX_NUMBERS="1000") as process:
        yield process


@pytest.fixture(scope="module")
def address(process: Server) -> str:
    grpc_address: str = process.wait_for("serving")["grpc"]
    return grpc_address


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address) as client:
        yield client


def pictures(*digits: int) -> NDArray[np.float32]:
    return np.stack([template(digit) for digit in digits])[:, None].astype(np.float32)


def image_input(images: NDArray[Any], name: str = "image") -> Any:
    tensor = triton.InferInput(name, list(images.shape), "FP64" if images.dtype == np.float64 else "FP32")
    return tensor.set_data_from_numpy(images)


def text_input(*texts: str | bytes) -> Any:
    elements = np.array([text.encode() if isinstance(text, str) else text for text in texts], object)
    return triton.InferInput("TEXT", [len(texts), 1], "BYTES").set_data_from_numpy(elements.reshape(-1, 1))


def digits_of(result: Any) -> list[int]:
    return result.as_numpy("probabilities").argmax(axis=1).tolist()  # type: ignore[no-any-return]


class Stream:
    """The answers of a stream, as the callback of `start_stream` gets them."""

    def __init__(self, client: Any, **options: Any) -> None:
        self._answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        self._client = client
        client.start_stream(lambda result, error: self._answers.put((result, error)), **options)

    def ask(self, model: str, tensors: list[Any], **options: Any) -> None:
        self._client.async_stream_infer(model, tensors, **options)

    def next(self) -> tuple[Any, Any]:
        return self._answers.get(timeout=60)

    def until_final(self) -> list[Any]:
        """The answers to a request."""
        results: list[Any] = []
        while not results or not is_final(results[-1]):
            result, error = self.next()
            assert error is None, error
            results.append(result)
        return results


def is_final(result: Any) -> bool:
    return bool(result.get_response().parameters["triton_final_response"].bool_param)


@pytest.fixture
def stream(address: str) -> Iterator[Stream]:
    with triton.InferenceServerClient(address) as client:
        yield Stream(client)
        client.stop_stream()


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert client.is_model_ready("digits", "1")
    assert not client.is_model_ready("digits", "2")
    assert not client.is_model_ready("nope")
    about = client.get_server_metadata(as_json=True)
    assert (about["name"], about["version"]) == ("lectern", __version__)
    assert "statistics" in about["extensions"]
    model = client.get_model_metadata("digits", as_json=True)
    assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": ["-1", "1", "28", "28"]}]
    assert model["versions"] == ["1"]


def test_config(client: Any) -> None:
    config = client.get_model_config("digits").config
    assert (config.max_batch_size, config.input[0].name, list(config.input[0].dims)) == (64, "image", [1, 28, 28])
    assert config.parameters["task"].string_value == "image-classification"
    assert not config.model_transaction_policy.decoupled
    assert client.get_model_config(TRANSLATOR).config.model_transaction_policy.decoupled


@pytest.mark.parametrize("version", ["", "1", "latest"])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_infer(client: Any, version: str, compression: str | None) -> None:
    result = client.infer(
        "digits",
        [image_input(pictures(7, 2, 0))],
        model_version=version,
        request_id="42",
        compression_algorithm=compression,
    )
    assert digits_of(result) == [7, 2, 0]
    answer = result.get_response()
    assert (answer.model_name, answer.model_version, answer.id) == ("digits", "1", "42")


def test_the_numbers_are_those_of_http(client: Any, process: Server) -> None:
    images = pictures(3)
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": images.ravel().tolist()}
    (output,) = httpx.post(f"{process.url}/v2/models/digits/infer", json={"inputs": [tensor]}).json()["outputs"]
    result = client.infer("digits", [image_input(images)]).as_numpy("probabilities")
    np.testing.assert_allclose(result.ravel(), output["data"], rtol=1e-6)


def test_classification(client: Any) -> None:
    requested = [triton.InferRequestedOutput("probabilities", class_count=2)]
    answer = client.infer("digits", [image_input(pictures(7))], outputs=requested).as_numpy("probabilities")
    assert answer.shape == (1, 2)
    assert re.fullmatch(rb"[0-9.]+:7(:7)?", answer[0, 0])


def test_texts(client: Any) -> None:
    answer = client.infer(TRANSLATOR, [text_input(*TEXTS)]).as_numpy("TRANSLATION")
    assert [text.decode() for text in answer.ravel()] == TRANSLATIONS


def test_typed_contents(address: str) -> None:
    """As clients without raw contents send it, by the messages of tritonclient."""
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    request = service_pb2.ModelInferRequest(model_name="digits")
    tensor = request.inputs.add(name="image", datatype="FP32", shape=[1, 1, 28, 28])
    tensor.contents.fp32_contents.extend(pictures(4).ravel().tolist())
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(request, timeout=60)
        tensor.contents.fp32_contents.append(0.0)
        with pytest.raises(grpc.RpcError, match="has 785 values"):
            stub.ModelInfer(request, timeout=60)
    assert np.frombuffer(answer.raw_output_contents[0], np.float32).argmax() == 4
    assert not answer.outputs[0].HasField("contents")


def test_the_answer_names_the_request_and_the_model(address: str) -> None:
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    request = service_pb2.ModelInferRequest(model_name="digits")
    request.inputs.add(name="image", datatype="FP32", shape=[1, 1, 28, 28])
    request.raw_input_contents.append(pictures(4).tobytes())
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        _, call = stub.ModelInfer.with_call(request, metadata=(("x-request-id", "abc-1"),), timeout=60)
        headers = dict(call.initial_metadata())
        assert (headers["x-request-id"], headers["x-lectern-model"]) == ("abc-1", "digits")
        assert "infer;dur=" in dict(call.trailing_metadata())["server-timing"]


@pytest.mark.parametrize(
    ("call", "code", "text"),
    [
        (lambda c: c.infer("nope", [image_input(pictures(1))]), "NOT_FOUND", "no model 'nope'"),
        (lambda c: c.get_model_config("nope"), "NOT_FOUND", "no model 'nope'"),
        (lambda c: c.infer("digits", [image_input(pictures(1))], model_version="9"), "NOT_FOUND", "no version 9"),
        (
            lambda c: c.infer("digits", [image_input(pictures(1).astype(np.float64))]),
            "INVALID_ARGUMENT",
            "inputs[0].datatype: is FP64, the model takes FP32",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1) * np.float32(np.nan))]),
            "INVALID_ARGUMENT",
            "holds NaN or infinity",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1))], outputs=[triton.InferRequestedOutput("x")]),
            "INVALID_ARGUMENT",
            "outputs[0].name: 'x' is not an output",
        ),
        (
            lambda c: c.infer("digits", [image_input(pictures(1))], sequence_id=3, sequence_start=True),
            "INVALID_ARGUMENT",
            "sequences are not implemented",
        ),
        (
            lambda c: c.infer("digits", [triton.InferInput("image", [1, 1, 28, 28], "FP32").set_shared_memory("r", 8)]),
            "UNIMPLEMENTED",
            "image: shared memory is not implemented",
        ),
        (lambda c: c.infer(TRANSLATOR, [text_input(b"\xff")]), "INVALID_ARGUMENT", "TEXT[0]: is not UTF-8"),
        (lambda c: c.infer("digits", [image_input(pictures(1))], timeout=1), "DEADLINE_EXCEEDED", "deadline"),
        (
            lambda c: c.infer("digits", [image_input(pictures(*range(9)))] * 3),
            "RESOURCE_EXHAUSTED",
            "LECTERN_MAX_BODY_BYTES",
        ),
        (lambda c: c.load_model("digits", config="{}"), "INVALID_ARGUMENT", "parameters.config: is not implemented"),
        (lambda c: c.get_system_shared_memory_status(), "UNIMPLEMENTED", "SystemSharedMemoryStatus: the shared memory"),
        (lambda c: c.get_cuda_shared_memory_status(), "UNIMPLEMENTED", "CudaSharedMemoryStatus: the shared memory"),
        (lambda c: c.get_trace_settings(), "UNIMPLEMENTED", "TraceSetting: trace settings"),
        (lambda c: c.get_log_settings(), "UNIMPLEMENTED", "LogSettings: log settings"),
    ],
)
def test_errors_have_the_codes_of_grpc(client: Any, call: Callable[[Any], Any], code: str, text: str) -> None:
    with pytest.raises(InferenceServerException, match=re.escape(text)) as error:
        call(client)
    assert error.value.status() == f"StatusCode.{code}"


def test_a_translation_comes_piece_by_piece(stream: Stream) -> None:
    stream.ask(TRANSLATOR, [text_input(*TEXTS)], request_id="a", enable_empty_final_response=True)
    results = stream.until_final()
    assert len(results) > 1
    assert {result.get_response().id for result in results} == {"a"}
    pieces = [[text.decode() for text in result.as_numpy("TRANSLATION").ravel()] for result in results]
    assert ["".join(texts) for texts in zip(*pieces, strict=True)] == TRANSLATIONS


def test_requests_of_a_stream_are_answered_in_order_and_an_error_does_not_end_it(stream: Stream) -> None:
    stream.ask(TRANSLATOR, [text_input(*TEXTS)], request_id="a")
    stream.ask("nope", [image_input(pictures(1))], request_id="b")
    stream.ask("digits", [image_input(pictures(6))], request_id="c")
    stream.ask("digits", [image_input(pictures(8))], request_id="d")
    assert {result.get_response().id for result in stream.until_final()} == {"a"}
    result, error = stream.next()
    assert result is None
    assert "no model 'nope'" in error.message()
    for name, digit in (("c", 6), ("d", 8)):
        (answer,) = stream.until_final()
        assert (answer.get_response().id, digits_of(answer)) == (name, [digit])


def test_a_stream_ends_with_a_status_where_the_client_asks_for_it(address: str) -> None:
    with triton.InferenceServerClient(address) as client:
        stream = Stream(client, headers={"triton_grpc_error": "true"})
        stream.ask("nope", [image_input(pictures(1))])
        result, error = stream.next()
        assert result is None
        assert error.status() == "StatusCode.NOT_FOUND"
        client.stop_stream()


def test_asyncio(address: str) -> None:
    async def requests(text: Any) -> Any:
        yield {"model_name": TRANSLATOR, "inputs": [text]}
        yield {"model_name": "digits", "inputs": [image_input(pictures(2))]}

    async def main() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            answers = await asyncio.gather(
                *(client.infer("digits", [image_input(pictures(digit))]) for digit in range(10))
            )
            assert [digits_of(answer) for answer in answers] == [[digit] for digit in range(10)]
            translated = ""
            async for result, error in client.stream_infer(requests(text_input(TEXTS[0]))):
                assert error is None
                if result.get_response().model_name == "digits":
                    assert digits_of(result) == [2]
                    break
                translated += result.as_numpy("TRANSLATION")[0, 0].decode()
            assert translated == TRANSLATIONS[0]

    asyncio.run(main())


def test_a_cancelled_call_leaves_nothing_behind(address: str, process: Server) -> None:
    with triton.InferenceServerClient(address) as client:
        stream = Stream(client)
        stream.ask(TRANSLATOR, [text_input(*["The dog sleeps. " * 50] * 8)])
        stream.next()
        client.stop_stream(cancel_requests=True)
        with pytest.raises(InferenceServerException) as error:
            client.infer(TRANSLATOR, [text_input(*["The dog sleeps. " * 50] * 8)], client_timeout=0.05)
        assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    end = time.monotonic() + 60
    while "lectern_in_flight 1.0" not in (metrics := httpx.get(f"{process.url}/metrics").text):  # The request itself.
        assert time.monotonic() < end, metrics
        time.sleep(0.05)


def test_health_service_and_reflection(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "inference.GRPCInferenceService"):
            request = health_pb2.HealthCheckRequest(service=service)
            assert health.Check(request, timeout=60).status == health_pb2.HealthCheckResponse.SERVING
            watch = health.Watch(request, timeout=60)
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            watch.cancel()
        with pytest.raises(grpc.RpcError) as error:
            health.Check(health_pb2.HealthCheckRequest(service="nope"), timeout=60)
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        database = ProtoReflectionDescriptorDatabase(channel)
        names = {"inference.GRPCInferenceService", "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
        assert set(database.get_services()) == names
        file = database.FindFileContainingSymbol("inference.GRPCInferenceService")
        assert "ModelStreamInfer" in [method.name for method in file.service[0].method]


def test_a_request_is_counted_once_whatever_its_protocol(client: Any, process: Server) -> None:
    def count() -> tuple[int, int]:
        (line,) = client.get_inference_statistics("digits").model_stats
        return line.inference_count, line.inference_stats.success.count

    rows, requests = count()
    client.infer("digits", [image_input(pictures(1, 2, 3))])
    body = {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": [0.5] * 784}]}
    assert httpx.post(f"{process.url}/v2/models/digits/infer", json=body).status_code == 200
    assert count() == (rows + 4, requests + 2)
    assert len(client.get_inference_statistics().model_stats) == 2


def test_models_are_listed_unloaded_and_loaded(client: Any) -> None:
    assert [(line.name, line.version, line.state) for line in client.get_model_repository_index().models] == [
        ("digits", "1", "READY"),
        (TRANSLATOR, "1", "READY"),
    ]
    client.unload_model("digits")
    assert not client.is_model_ready("digits")
    with pytest.raises(InferenceServerException, match="not ready") as error:
        client.infer("digits", [image_input(pictures(1))])
    assert error.value.status() == "StatusCode.UNAVAILABLE"
    client.load_model("digits")
    assert digits_of(client.infer("digits", [image_input(pictures(1))])) == [1]


def test_keys_limits_certificates_workers_and_the_end(repository: Path, tmp_path: Path) -> None:
    from tests.support.certificates import write_certificate

    keys = tmp_path / "keys"
    settings = {"API_KEYS": str(keys)}
    asks = lectern("keys", "new", "asks", "--scope", "infer", "--limit", "6/min", **settings).stdout.split()[-1]
    manages = lectern("keys", "new", "manages", "--scope", "admin", **settings).stdout.split()[-1]
    certificate, key = write_certificate(tmp_path)
    settings |= {"TLS_CERT": str(certificate), "TLS_KEY": str(key), "WORKERS": "2", "GRPC_PORT": "0"}
    with server(repository, DRAIN_SECONDS="0", **settings) as process:
        address = process.wait_for("serving")["grpc"].replace("127.0.0.1", "localhost")
        credentials = {"ssl": True, "root_certificates": str(certificate)}
        bearer, header = {"authorization": f"Bearer {asks}"}, {"x-api-key": asks}
        with triton.InferenceServerClient(address, **credentials) as client:
            assert client.is_server_live()  # A probe needs no key.
            tensors = [image_input(pictures(1))]
            for headers in (None, {"x-api-key": "wrong"}):
                with pytest.raises(InferenceServerException, match="API key") as error:
                    client.infer("digits", tensors, headers=headers)
                assert error.value.status() == "StatusCode.UNAUTHENTICATED"
            for headers in (bearer, header):
                assert digits_of(client.infer("digits", tensors, headers=headers)) == [1]
            for call in (client.get_model_repository_index, client.get_inference_statistics):
                with pytest.raises(InferenceServerException, match="lacks the scope") as error:
                    call(headers=bearer)
                assert error.value.status() == "StatusCode.PERMISSION_DENIED"
            assert client.get_model_repository_index(headers={"x-api-key": manages}).models

            def use_up() -> None:
                for _ in range(6):
                    client.infer("digits", tensors, headers=bearer)

            with pytest.raises(InferenceServerException, match="try again in") as error:
                use_up()
            assert error.value.status() == "StatusCode.RESOURCE_EXHAUSTED"

            other = lectern("keys", "new", "streams", "--scope", "infer", API_KEYS=str(keys)).stdout.split()[-1]
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:  # The file of keys is read again within a second.
                try:
                    client.infer("digits", tensors, headers={"x-api-key": other})
                    break
                except InferenceServerException:
                    time.sleep(0.2)
            stream = Stream(client, headers={"x-api-key": other})
            stream.ask("digits", tensors)
            assert digits_of(stream.next()[0]) == [1]
            process.process.terminate()
            _, error_of_stream = stream.next()
            assert error_of_stream.status() == "StatusCode.UNAVAILABLE"
            client.stop_stream()
        assert process.wait() == 0


def test_a_port_that_is_taken_is_said(repository: Path, address: str) -> None:
    taken = address.rpartition(":")[2]
    ended = lectern("serve", MODELS=str(repository), PORT="0", GRPC_PORT=taken)
    assert (ended.returncode, "set LECTERN_GRPC_PORT" in ended.stderr) == (2, True)
