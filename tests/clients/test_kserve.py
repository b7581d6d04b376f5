"""KServe's clients of the Open Inference Protocol, unmodified from PyPI, against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from tests.clients import samples
from tests.clients.servers import Address, KeyedServer

kserve = pytest.importorskip("kserve", reason="KServe has no release for Python 3.14 and later")
grpc = pytest.importorskip("grpc")
httpx = pytest.importorskip("httpx")


def tensor(name: str, values: Any, datatype: str, *, binary: bool) -> Any:
    tensor = kserve.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def request(model: str, tensor: Any, **options: Any) -> Any:
    return kserve.InferRequest(model, [tensor], **options)


def output(answer: Any, name: str) -> Any:
    return next(output for output in answer.outputs if output.name == name).as_numpy()


def over_http(address: Address, test: Callable[[Any], Awaitable[None]]) -> None:
    """Run a test with a client that has the address."""

    async def main() -> None:
        async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2")) as client:
            await test(client)

    asyncio.run(main())


def over_grpc(address: Address, test: Callable[[Any], Awaitable[None]], **options: Any) -> None:
    """Run a test with a client of the gRPC port."""

    async def main() -> None:
        async with kserve.InferenceGRPCClient(address.grpc, retries=0, **options) as client:
            await test(client)

    asyncio.run(main())


def texts(*values: str) -> Any:
    return np.array([[value.encode()] for value in values], object)


@pytest.mark.parametrize("trailing", ["", "/"])
def test_health(address: Address, trailing: str) -> None:
    url = address.url + trailing

    async def test(client: Any) -> None:
        assert await client.is_server_live(url) is True
        assert await client.is_server_ready(url) is True
        assert await client.is_model_ready(url, "digits") is True
        assert await client.is_model_ready(url, "nosuch") is False

    over_http(address, test)


@pytest.mark.parametrize("binary", [True, False])
def test_digits(address: Address, binary: bool) -> None:
    images, figures, scores = samples.digits()

    async def test(client: Any) -> None:
        data = request("digits", tensor("image", images, "FP32", binary=binary), request_id="seven")
        answer = await client.infer(address.url, data, model_name="digits")
        assert (answer.id, answer.model_name) == ("seven", "digits")
        probabilities = output(answer, "probabilities")
        assert probabilities.argmax(1).tolist() == figures
        assert np.allclose(probabilities.max(1), scores, atol=1e-4)

    over_http(address, test)


@pytest.mark.parametrize("binary", [True, False])
def test_chosen_outputs(address: Address, binary: bool) -> None:
    images, figures, _ = samples.digits()
    wanted = kserve.protocol.infer_type.RequestedOutput("probabilities", parameters={"binary_data": binary})

    async def test(client: Any) -> None:
        data = request("digits", tensor("image", images, "FP32", binary=True), request_outputs=[wanted])
        headers: dict[str, str] = {}
        answer = await client.infer(address.url, data, model_name="digits", response_headers=headers)
        assert [one.name for one in answer.outputs] == ["probabilities"]
        assert output(answer, "probabilities").argmax(1).tolist() == figures
        assert headers["x-lectern-model"] == "digits"

    over_http(address, test)


@pytest.mark.parametrize("binary", [True, False])
def test_words_and_texts(address: Address, binary: bool) -> None:
    pairs, scores = samples.similarities()
    text, tags = samples.tags()

    async def test(client: Any) -> None:
        for index in (0, 1):
            words = texts(*(pair[index] for pair in pairs))
            data = request(samples.WORDS, tensor("WORD", words, "BYTES", binary=binary))
            vectors.append(output(await client.infer(address.url, data, model_name=samples.WORDS), "EMBEDDING"))
        assert np.allclose((vectors[0] * vectors[1]).sum(1), scores, atol=1e-5)
        data = request("pos-en", tensor("TEXT", texts(text), "BYTES", binary=binary))
        (answer,) = output(await client.infer(address.url, data, model_name="pos-en"), "TAGS").ravel()
        assert [token["tag"] for token in json.loads(answer)["tokens"]] == tags

    vectors: list[Any] = []
    over_http(address, test)


def test_a_document_of_json(address: Address) -> None:
    """A request that is written by hand, as in KServe's documentation."""
    english, german = samples.translation()

    async def test(client: Any) -> None:
        data = {"inputs": [{"name": "TEXT", "shape": [1], "datatype": "BYTES", "data": [english]}]}
        answer = await client.infer(address.url, data, model_name="translate-en-de")
        assert answer.outputs[0].data == [german]

    over_http(address, test)


@pytest.mark.parametrize(
    ("model", "shape", "status", "message"),
    [
        ("nosuch", (1, 1, 28, 28), 404, "no model 'nosuch'"),
        ("digits", (1, 784), 400, "the model takes [-1, 1, 28, 28]"),
    ],
)
def test_errors(address: Address, model: str, shape: tuple[int, ...], status: int, message: str) -> None:
    data = tensor("image", np.zeros(shape, np.float32), "FP32", binary=True)

    async def http(client: Any) -> None:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            await client.infer(address.url, request(model, data), model_name=model)
        assert caught.value.response.status_code == status
        assert message in str(caught.value)

    async def rpc(client: Any) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.infer(request(model, data))
        assert caught.value.code().name == {404: "NOT_FOUND", 400: "INVALID_ARGUMENT"}[status]
        assert message in caught.value.details()

    over_http(address, http)
    over_grpc(address, rpc)


def test_health_by_grpc(address: Address) -> None:
    async def test(client: Any) -> None:
        assert await client.is_server_live() is True
        assert await client.is_server_ready() is True
        assert await client.is_model_ready("digits") is True
        assert await client.is_model_ready("nosuch") is False

    over_grpc(address, test)


@pytest.mark.parametrize("binary", [True, False])
def test_inference_by_grpc(address: Address, binary: bool) -> None:
    images, figures, scores = samples.digits()
    pairs, cosines = samples.similarities()

    async def test(client: Any) -> None:
        data = tensor("image", images, "FP32", binary=binary)
        answer = await client.infer(request("digits", data, request_id="seven"))
        assert (answer.id, answer.model_name) == ("seven", "digits")
        assert output(answer, "probabilities").argmax(1).tolist() == figures
        assert np.allclose(output(answer, "probabilities").max(1), scores, atol=1e-4)
        words = tensor("WORD", texts(*pairs[0]), "BYTES", binary=binary)
        vectors = output(await client.infer(request(samples.WORDS, words)), "EMBEDDING")
        assert vectors[0] @ vectors[1] == pytest.approx(cosines[0], abs=1e-5)

    over_grpc(address, test)


def test_an_api_key(keyed: KeyedServer) -> None:
    images, figures, _ = samples.digits()
    data = request("digits", tensor("image", images, "FP32", binary=True))
    url = keyed.address.url

    async def http(client: Any) -> None:
        assert await client.is_server_ready(url) is True
        answer = await client.infer(url, data, "digits", headers={"authorization": f"Bearer {keyed.key}"})
        assert output(answer, "probabilities").argmax(1).tolist() == figures
        with pytest.raises(httpx.HTTPStatusError, match="API key"):
            await client.infer(url, data, "digits", headers={"authorization": "Bearer lectern_wrong"})

    async def rpc(client: Any) -> None:
        answer = await client.infer(data, headers=[("authorization", f"Bearer {keyed.key}")])
        assert output(answer, "probabilities").argmax(1).tolist() == figures
        with pytest.raises(grpc.aio.AioRpcError, match="API key"):
            await client.infer(data)

    over_http(keyed.address, http)
    over_grpc(keyed.address, rpc)
