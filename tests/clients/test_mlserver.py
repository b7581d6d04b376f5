"""MLServer's codecs, types, gRPC stub and command, unmodified from PyPI, against a real server."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clients import samples
from tests.clients.servers import Address, KeyedServer

if sys.version_info >= (3, 13):
    pytestmark = pytest.mark.skip("MLServer has no release for Python 3.13 and later")
else:
    import grpc
    import pandas as pd
    from mlserver import types
    from mlserver.codecs import (
        Base64Codec,
        DatetimeCodec,
        NumpyCodec,
        NumpyRequestCodec,
        PandasCodec,
        StringCodec,
        StringRequestCodec,
    )
    from mlserver.grpc.converters import ModelInferRequestConverter, ModelInferResponseConverter
    from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub


def call(address: Address, path: str, body: str | None = None) -> str:
    """What the server answers to a request; errors too."""
    data = None if body is None else body.encode()
    request = urllib.request.Request(address.url + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def infer(address: Address, model: str, *inputs: Any, **options: Any) -> Any:
    """MLServer's own reading of the server's answer."""
    request = types.InferenceRequest(inputs=list(inputs), **options)
    return types.InferenceResponse.model_validate_json(
        call(address, f"/v2/models/{model}/infer", request.model_dump_json())
    )


def refusal(address: Address, model: str, request: Any) -> str:
    """The message of an error."""
    answer: dict[str, str] = json.loads(call(address, f"/v2/models/{model}/infer", request.model_dump_json()))
    return answer["error"]


def test_arrays(address: Address) -> None:
    images, figures, scores = samples.digits()
    answer = infer(address, "digits", NumpyCodec.encode_input("image", images), id="seven")
    assert (answer.id, answer.model_name) == ("seven", "digits")
    probabilities = NumpyCodec.decode_output(answer.outputs[0])
    assert probabilities.dtype == np.float32
    assert probabilities.argmax(1).tolist() == figures
    assert np.allclose(probabilities.max(1), scores, atol=1e-4)


def test_chosen_outputs(address: Address) -> None:
    images, _, _ = samples.digits()
    wanted = [types.RequestOutput(name="probabilities", parameters=types.Parameters(content_type="np"))]
    answer = infer(address, "digits", NumpyCodec.encode_input("image", images), outputs=wanted)
    assert [output.name for output in answer.outputs] == ["probabilities"]


@pytest.mark.parametrize("use_bytes", [True, False])
def test_texts(address: Address, use_bytes: bool) -> None:
    pairs, scores = samples.similarities()
    vectors = [
        NumpyCodec.decode_output(
            infer(
                address, samples.WORDS, StringCodec.encode_input("WORD", [pair[index] for pair in pairs], use_bytes)
            ).outputs[0]
        )
        for index in (0, 1)
    ]
    assert np.allclose((vectors[0] * vectors[1]).sum(1), scores, atol=1e-5)
    text, tags = samples.tags()
    answer = infer(address, "pos-en", StringCodec.encode_input("TEXT", [text], use_bytes))
    (document,) = StringCodec.decode_output(answer.outputs[0])
    assert [token["tag"] for token in json.loads(document)["tokens"]] == tags
    english, german = samples.translation()
    answer = infer(address, "translate-en-de", StringCodec.encode_input("TEXT", [english], use_bytes))
    assert StringCodec.decode_output(answer.outputs[0]) == [german]


@pytest.mark.parametrize("use_bytes", [True, False])
def test_pictures_as_base64(address: Address, use_bytes: bool) -> None:
    pictures = Base64Codec.encode_input("IMAGE", [samples.PICTURE] * 2, use_bytes)
    answer = infer(address, "digits", pictures)
    assert NumpyCodec.decode_output(answer.outputs[0]).argmax(1).tolist() == [7, 7]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_arrays_of_texts(address: Address, shape: tuple[int, ...]) -> None:
    words = np.array(samples.similarities()[0][0]).reshape(shape)
    answer = infer(address, samples.WORDS, NumpyCodec.encode_input("WORD", words))
    one, other = NumpyCodec.decode_output(answer.outputs[0])
    assert one @ other == pytest.approx(samples.similarities()[1][0], abs=1e-5)


def test_a_table_of_texts(address: Address) -> None:
    pairs, scores = samples.similarities()
    table = pd.DataFrame({"WORD": pd.Series(pairs[0], dtype=object)})
    request = PandasCodec.encode_request(table)
    answer = infer(address, samples.WORDS, *request.inputs, parameters=request.parameters)
    one, other = NumpyCodec.decode_output(answer.outputs[0])
    assert one @ other == pytest.approx(scores[0], abs=1e-5)


def test_what_would_be_read_as_something_else_is_refused(address: Address) -> None:
    table = pd.DataFrame({"image": [0.0, 1.0]})
    assert "is FP64, the model takes FP32" in refusal(address, "digits", PandasCodec.encode_request(table))
    day = types.InferenceRequest(inputs=[DatetimeCodec.encode_input("WORD", ["2026-11-29T00:00:00"])])
    assert "'datetime' is not supported for BYTES; send str" in refusal(address, samples.WORDS, day)
    for model, request, name in (
        ("digits", NumpyRequestCodec.encode_request(samples.digits()[0]), "image"),
        (samples.WORDS, StringRequestCodec.encode_request(["king"]), "WORD"),
    ):  # These name no input: a model of MLServer takes whatever comes.
        assert f"'input-1' is not an input of model '{model}'; it has: {name}" in refusal(address, model, request)
    unknown = types.InferenceRequest(inputs=[StringCodec.encode_input("WORD", ["king"])])
    assert "no model 'nosuch'" in refusal(address, "nosuch", unknown)


def test_metadata(address: Address) -> None:
    server = types.MetadataServerResponse.model_validate_json(call(address, "/v2"))
    assert server.name == "lectern"
    model = types.MetadataModelResponse.model_validate_json(call(address, "/v2/models/digits"))
    assert [(tensor.name, tensor.datatype, tensor.shape) for tensor in model.inputs or []] == [
        ("image", "FP32", [-1, 1, 28, 28])
    ]
    index = types.RepositoryIndexResponse.model_validate_json(call(address, "/v2/repository/index", "{}"))
    assert {item.name: item.state for item in index.root}[samples.WORDS] == "READY"


def test_grpc(address: Address) -> None:
    images, figures, _ = samples.digits()
    inputs = (NumpyCodec.encode_input("image", images), Base64Codec.encode_input("IMAGE", [samples.PICTURE]))
    with grpc.insecure_channel(address.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for tensor, expected in zip(inputs, (figures, [7]), strict=True):
            message = ModelInferRequestConverter.from_types(types.InferenceRequest(inputs=[tensor]), "digits")
            answer = ModelInferResponseConverter.to_types(stub.ModelInfer(message))
            assert NumpyCodec.decode_output(answer.outputs[0]).argmax(1).tolist() == expected
        words = types.InferenceRequest(inputs=[StringCodec.encode_input("WORD", ["xqzzy"])])
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(ModelInferRequestConverter.from_types(words, samples.WORDS))
        assert "'xqzzy' is not in the vocabulary" in str(caught.value)


@pytest.mark.parametrize("binary", [(), ("--binary-data",)], ids=["json", "binary"])
def test_batches_by_command(keyed: KeyedServer, tmp_path: Path, binary: tuple[str, ...]) -> None:
    texts, expected = samples.embeddings()
    words = [texts[0], "queen", "xqzzy"]
    requests = [{"inputs": [{"name": "WORD", "shape": [1], "datatype": "BYTES", "data": [word]}]} for word in words]
    sent, received = tmp_path / "requests", tmp_path / "answers"
    sent.write_text("".join(json.dumps(request) + "\n" for request in requests))
    program = Path(sys.executable).parent / "mlserver"
    command = [program, "infer", "--url", keyed.address.url.removeprefix("http://"), "--model-name", samples.WORDS]
    files = ["--input-data-path", sent, "--output-data-path", received]
    options = ["--workers", "1", "--batch-size", "2", "--retries", "1", *binary]
    key = ["--request-headers", f"Authorization: Bearer {keyed.key}"]
    done = subprocess.run([*command, *files, *options, *key], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    answers = sorted(
        map(json.loads, received.read_text().splitlines()), key=lambda one: one["parameters"]["batch_index"]
    )
    vectors = [answer["outputs"][0]["data"] for answer in answers[:2]]
    assert [len(vector) for vector in vectors] == [samples.DIMENSIONS] * 2
    assert samples.same_direction(vectors[:1], expected[:1])
    assert "'xqzzy' is not in the vocabulary" in answers[2]["error"]["msg"]
