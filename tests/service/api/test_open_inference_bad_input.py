"""Every way in which an inference request can be wrong: 400 or its own status, naming the part and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.testclient import TestClient

from service.api.open_inference.requests import read_inference
from service.app import create_app
from service.artifacts.manifest import Datatype, TensorSpec
from service.errors import InvalidRequest
from service.settings import Settings
from tests.bundles import classifier_graph, template, write_classifier

PATH = "/v2/models/digits/infer"
LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for all: nothing here changes it."""
    repository = tmp_path_factory.mktemp("models")
    write_classifier(repository)
    with TestClient(create_app(Settings(models=repository)), raise_server_exceptions=False) as found:
        yield found


def good() -> dict[str, Any]:
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": template(7).ravel().tolist()}
    return {"inputs": [tensor], "outputs": [{"name": "probabilities"}], "parameters": {}}


def refused(response: Any, status: int = 400) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["error"]
    return str(body["error"])


def at(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    """A change: the value at `path` becomes `to`."""

    def change(body: dict[str, Any]) -> None:
        place: Any = body
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def without(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        place: Any = body
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return change


_IMAGE = [[[[0.5] * 28] * 28]]

BAD = {
    "no inputs": (without("inputs"), "inputs: Field required"),
    "inputs is an object": (at("inputs", to={}), "inputs: Input should be a valid list"),
    "inputs is null": (at("inputs", to=None), "inputs: Input should be a valid list"),
    "no input": (at("inputs", to=[]), "inputs: the input 'image' of model 'digits' is missing"),
    "input is a number": (at("inputs", 0, to=5), "inputs[0]: Input should be"),
    "unknown input": (
        at("inputs", 0, "name", to="x"),
        "inputs[0].name: 'x' is no input of model 'digits'; it takes: image",
    ),
    "input without name": (without("inputs", 0, "name"), "inputs[0].name: Field required"),
    "name is a number": (at("inputs", 0, "name", to=1), "inputs[0].name: Input should be a valid string"),
    "input twice": (
        lambda body: body["inputs"].append(body["inputs"][0]),
        "inputs[1].name: 'image' is there twice; send it once",
    ),
    "no shape": (without("inputs", 0, "shape"), "inputs[0].shape: Field required"),
    "shape is text": (at("inputs", 0, "shape", to="1,1,28,28"), "inputs[0].shape: Input should be a valid list"),
    "size is text": (at("inputs", 0, "shape", 0, to="1"), "inputs[0].shape[0]: Input should be a valid integer"),
    "size is a boolean": (at("inputs", 0, "shape", 0, to=True), "inputs[0].shape[0]: Input should be a valid integer"),
    "size is a float": (at("inputs", 0, "shape", 0, to=1.0), "inputs[0].shape[0]: Input should be a valid integer"),
    "size is negative": (
        at("inputs", 0, "shape", 0, to=-1),
        "inputs[0].shape[0]: Input should be greater than or equal to 1",
    ),
    "empty batch": (
        at("inputs", 0, "shape", 0, to=0),
        "inputs[0].shape[0]: Input should be greater than or equal to 1",
    ),
    "too few axes": (
        at("inputs", 0, "shape", to=[1, 28, 28]),
        "inputs[0].shape: is [1, 28, 28], the model takes [-1, 1, 28, 28] (-1 = any size)",
    ),
    "another size": (
        at("inputs", 0, "shape", to=[1, 1, 28, 29]),
        "inputs[0].shape: is [1, 1, 28, 29], the model takes [-1, 1, 28, 28] (-1 = any size)",
    ),
    "huge shape": (
        at("inputs", 0, "shape", 0, to=2**62),
        "inputs[0].data: holds 784 values, the shape [4611686018427387904, 1, 28, 28] takes",
    ),
    "no datatype": (without("inputs", 0, "datatype"), "inputs[0].datatype: Field required"),
    "unknown datatype": (
        at("inputs", 0, "datatype", to="float32"),
        "inputs[0].datatype: Input should be 'BOOL', 'UINT8',",
    ),
    "another datatype": (at("inputs", 0, "datatype", to="FP64"), "inputs[0].datatype: is FP64, the model takes FP32"),
    "no data": (without("inputs", 0, "data"), "inputs[0].data: is missing; send the values, or binary_data_size"),
    "data is null": (at("inputs", 0, "data", to=None), "inputs[0].data: is missing; send the values"),
    "data is a number": (at("inputs", 0, "data", to=0.5), "inputs[0].data: must be a list of the tensor's values"),
    "data is text": (at("inputs", 0, "data", to="0.5"), "inputs[0].data: must be a list of the tensor's values"),
    "data is empty": (at("inputs", 0, "data", to=[]), "inputs[0].data: holds 0 values"),
    "too few values": (
        at("inputs", 0, "data", to=[0.5] * 783),
        "inputs[0].data: holds 783 values, the shape [1, 1, 28, 28] takes 784",
    ),
    "too many values": (
        at("inputs", 0, "data", to=[0.5] * 785),
        "inputs[0].data: holds 785 values, the shape [1, 1, 28, 28] takes 784",
    ),
    "ragged": (
        at("inputs", 0, "data", to=[[[[0.5] * 28] * 27 + [[0.5] * 27]]]),
        "inputs[0].data[0][0][27]: holds 27 items, the shape [1, 1, 28, 28] takes a list of 28 here",
    ),
    "a row is a number": (
        at("inputs", 0, "data", to=[[[[0.5] * 28] * 27 + [1]]]),
        "inputs[0].data[0][0][27]: is no list, the shape",
    ),
    "nested otherwise": (at("inputs", 0, "data", to=_IMAGE[0][0]), "inputs[0].data: holds 28 items, the shape"),
    "nested too deep": (
        at("inputs", 0, "data", to=[[[[[0.5]] * 28] * 28]]),
        "inputs[0].data[0][0][0][0]: a list is not a number",
    ),
    "a string": (at("inputs", 0, "data", 3, to="0.5"), 'inputs[0].data[3]: "0.5" is not a number'),
    "a boolean": (at("inputs", 0, "data", 3, to=True), "inputs[0].data[3]: true is not a number"),
    "a null": (at("inputs", 0, "data", 3, to=None), "inputs[0].data[3]: null is not a number"),
    "beyond float32": (at("inputs", 0, "data", 3, to=1e300), "inputs[0].data[3]: 1e+300 is beyond FP32"),
    "batch over the limit": (
        lambda body: body["inputs"][0].update(shape=[65, 1, 28, 28], data=[0.5] * 784 * 65),
        "inputs: a batch of 65, the limit is 64; send several requests",
    ),
    "binary without header": (
        lambda body: body["inputs"][0].update(parameters={"binary_data_size": 3136}),
        "inputs: binary_data_size needs the header Inference-Header-Content-Length",
    ),
    "unknown output": (
        at("outputs", 0, "name", to="x"),
        "outputs[0].name: 'x' is no output of model 'digits'; it gives: probabilities",
    ),
    "output twice": (
        at("outputs", to=[{"name": "probabilities"}] * 2),
        "outputs[1].name: 'probabilities' is there twice; ask for it once",
    ),
    "output without name": (at("outputs", 0, to={}), "outputs[0].name: Field required"),
    "outputs is text": (at("outputs", to="probabilities"), "outputs: Input should be a valid list"),
    "classification is text": (
        at("outputs", 0, "parameters", to={"classification": "3"}),
        "outputs[0].parameters.classification: Input should be a valid integer",
    ),
    "classification is negative": (
        at("outputs", 0, "parameters", to={"classification": -1}),
        "outputs[0].parameters.classification: Input should be greater than or equal to 0",
    ),
    "binary_data is text": (
        at("outputs", 0, "parameters", to={"binary_data": "yes"}),
        "outputs[0].parameters.binary_data: Input should be a valid boolean",
    ),
    "input in shared memory": (
        at("inputs", 0, "parameters", to={"shared_memory_region": "r", "shared_memory_byte_size": 3136}),
        "inputs[0].parameters.shared_memory_region: the shared memory extensions are not implemented; send the tensor",
    ),
    "output in shared memory": (
        at("outputs", 0, "parameters", to={"shared_memory_region": "r"}),
        "outputs[0].parameters.shared_memory_region: the shared memory extensions are not implemented",
    ),
    "sequence": (
        at("parameters", to={"sequence_id": 5, "sequence_start": True}),
        "parameters.sequence_id: sequences are not implemented",
    ),
    "sequence start": (at("parameters", "sequence_start", to=True), "parameters.sequence_start: sequences are not"),
    "timeout is text": (at("parameters", "timeout", to="1"), "parameters.timeout: Input should be a valid integer"),
    "timeout is negative": (at("parameters", "timeout", to=-1), "parameters.timeout: Input should be greater than"),
    "parameters is a list": (at("parameters", to=[]), "parameters: Input should be"),
    "id is a number": (at("id", to=42), "id: Input should be a valid string"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_field_is_named(client: TestClient, case: str) -> None:
    change, text = BAD[case]
    body = good()
    change(body)
    assert refused(client.post(PATH, content=orjson.dumps(body))).startswith(text)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the body is not valid JSON"),
        (b"{", "the body is not valid JSON"),
        (b"\xff\xfe", "the body is not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b"null", "the body must be a JSON object"),
        (
            orjson.dumps(good()).replace(b"1.0", b"NaN", 1),
            "the body is not valid JSON, which has no NaN and no Infinity:",
        ),
        (
            orjson.dumps(good()).replace(b"1.0", b"-Infinity", 1),
            "the body is not valid JSON, which has no NaN and no Infinity:",
        ),
        (orjson.dumps(good()).replace(b"1.0", b"1e999", 1), "the body is not valid JSON"),
        (b"[" * 100_000, "the body is not valid JSON"),
    ],
)
def test_a_body_that_is_no_json_object(client: TestClient, content: bytes, text: str) -> None:
    assert refused(client.post(PATH, content=content)).startswith(text)


def with_binary(size: Any, blocks: bytes, **changes: Any) -> tuple[bytes, int]:
    tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "parameters": {"binary_data_size": size}}
    text = orjson.dumps({"inputs": [tensor | changes]})
    return text + blocks, len(text)


_SIZE = "inputs[0].parameters.binary_data_size"


@pytest.mark.parametrize(
    ("size", "bytes_sent", "changes", "text"),
    [
        (3135, 3135, {}, f"{_SIZE}: is 3135, but FP32 of the shape [1, 1, 28, 28] takes 3136 bytes"),
        (3140, 3140, {}, f"{_SIZE}: is 3140, but FP32 of the shape [1, 1, 28, 28] takes 3136 bytes"),
        (3136, 3000, {}, f"{_SIZE}: is 3136, but 3000 bytes are left after the JSON"),
        (3136, 0, {}, f"{_SIZE}: is 3136, but 0 bytes are left after the JSON"),
        (
            3136,
            3137,
            {},
            "1 bytes are left after the last tensor; the binary_data_size of the inputs must add up to 3137",
        ),
        (-1, 3136, {}, f"{_SIZE}: Input should be greater than or equal to 0"),
        ("3136", 3136, {}, f"{_SIZE}: Input should be a valid integer"),
        (3136.0, 3136, {}, f"{_SIZE}: Input should be a valid integer"),
        (True, 3136, {}, f"{_SIZE}: Input should be a valid integer"),
        (2**63, 3136, {}, f"{_SIZE}: is 9223372036854775808, but 3136 bytes are left"),
        (3136, 3136, {"data": [1.0]}, "inputs[0].data: stands beside binary_data_size; send one of them"),
        (None, 3136, {"data": [0.5] * 784}, "3136 bytes are left after the last tensor"),
    ],
)
def test_binary_sizes_must_add_up(
    client: TestClient, size: Any, bytes_sent: int, changes: dict[str, Any], text: str
) -> None:
    body, length = with_binary(size, bytes(bytes_sent), **changes)
    assert refused(client.post(PATH, content=body, headers={LENGTH: str(length)})).startswith(text)


@pytest.mark.parametrize("value", ["-1", "abc", "1.5", "", "٣", "99999999999999999999"])
def test_the_header_must_be_the_length_of_the_json(client: TestClient, value: str) -> None:
    body, _ = with_binary(3136, bytes(3136))
    text = refused(client.post(PATH, content=body, headers={LENGTH: value.encode()}))
    assert text.startswith(f"{LENGTH}: is ")


def test_a_header_that_cuts_the_json_is_refused(client: TestClient) -> None:
    body, length = with_binary(3136, bytes(3136))
    text = refused(client.post(PATH, content=body, headers={LENGTH: str(length - 5)}))
    assert text.startswith("the body is not valid JSON")


@pytest.mark.parametrize("size", [0, 3135, 3137])
def test_a_body_of_bytes_alone_must_be_whole_images(client: TestClient, size: int) -> None:
    text = refused(client.post(PATH, content=bytes(size), headers={LENGTH: "0"}))
    assert text == f"{LENGTH}: is 0, but the body's {size} bytes are not a multiple of 3136"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_binary(client: TestClient, value: float) -> None:
    body, length = with_binary(3136, np.full(784, value, "<f4").tobytes())
    text = refused(client.post(PATH, content=body, headers={LENGTH: str(length)}))
    assert text == "image: holds NaN or infinity; pixels are 0 (paper) to 1 (ink)"


def test_unknown_models_and_versions(client: TestClient) -> None:
    text = refused(client.post("/v2/models/nope/infer", json=good()), 404)
    assert text == "no model 'nope'; there are: digits"
    text = refused(client.post("/v2/models/digits/versions/9/infer", json=good()), 404)
    assert text == "no version 9 of model 'digits'; there are: 1"


def test_a_deadline_that_passes(client: TestClient) -> None:
    body = good()
    body["parameters"]["timeout"] = 1
    assert "deadline" in refused(client.post(PATH, json=body), 504)


def test_a_saturated_model(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    served = client.app.state.context.registry.get("digits")  # type: ignore[attr-defined]
    monkeypatch.setattr(served, "_max_in_flight", 0)

    response = client.post(PATH, json=good())

    assert "in flight" in refused(response, 503)
    assert int(response.headers["retry-after"]) >= 1


def test_an_unknown_content_encoding(client: TestClient) -> None:
    text = refused(client.post(PATH, content=b"x", headers={"content-encoding": "br"}), 415)
    assert text == "content-encoding 'br' is not read; send gzip, deflate or none"


def test_a_broken_gzip_body(client: TestClient) -> None:
    text = refused(client.post(PATH, content=b"no gzip", headers={"content-encoding": "gzip"}))
    assert text == "the body is not valid gzip"


def test_a_body_over_the_limit(models_dir: Path) -> None:
    app = create_app(Settings(models=models_dir, max_body_bytes=2000))
    with TestClient(app, raise_server_exceptions=False) as small:
        assert "larger than 2000 bytes" in refused(small.post(PATH, json=good()), 413)


def test_a_model_that_fails_tells_nothing_of_its_inside(tmp_path: Path) -> None:
    write_classifier(tmp_path, graph=classifier_graph(fails_above=10.0))
    body = good()
    body["inputs"][0]["data"][0] = 11.0
    with TestClient(create_app(Settings(models=tmp_path)), raise_server_exceptions=False) as failing:
        text = refused(failing.post(PATH, json=body), 500)
        assert failing.post(PATH, json=good()).status_code == 200
    assert text == "the server failed on this request; its log has the cause under this request id"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(client: TestClient, method: str) -> None:
    assert "is not allowed" in refused(client.request(method, PATH), 405)


# What no model of this release has: several inputs, other datatypes.


def predictor(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = ()) -> Any:
    return SimpleNamespace(manifest=SimpleNamespace(name="m"), inputs=inputs, outputs=outputs)


def spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=Datatype(datatype), shape=shape)


TWO = predictor(
    spec("a", "INT64", -1, 2), spec("b", "BYTES", -1), outputs=(spec("y", "FP16", -1), spec("z", "BYTES", -1))
)
A = {"name": "a", "shape": [1, 2], "datatype": "INT64", "data": [1, 2]}
B = {"name": "b", "shape": [1], "datatype": "BYTES", "data": ["é"]}
Z = [{"name": "z"}]


def test_several_inputs_in_any_order_and_form() -> None:
    tensors = [
        {"name": "b", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}},
        {"name": "a", "shape": [1, 2], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
    ]
    text = orjson.dumps({"inputs": tensors, "outputs": Z})
    blocks = b"\2\0\0\0" + "é".encode() + np.array([1, 2], "<i8").tobytes()

    binary = read_inference(text + blocks, str(len(text)), TWO)
    plain = read_inference(orjson.dumps({"inputs": [A, B], "outputs": Z}), None, TWO)

    for name in ("a", "b"):
        np.testing.assert_array_equal(binary.tensors[name], plain.tensors[name])


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"inputs": [A], "outputs": Z}, "inputs: the input 'b' of model 'm' is missing"),
        (
            {"inputs": [A, B | {"shape": [2], "data": ["x", "y"]}], "outputs": Z},
            "inputs: the first axis is the batch and must be the same for all: a has 1, b has 2",
        ),
        ({"inputs": [A, B]}, "outputs: 'y' is FP16, which has no JSON form; set binary_data"),
        (
            {"inputs": [A, B], "outputs": [{"name": "z", "parameters": {"classification": 1}}]},
            "outputs[0].parameters.classification: BYTES has no highest values",
        ),
        ({"inputs": [A | {"data": [1, 2.5]}, B], "outputs": Z}, "inputs[0].data[1]: 2.5 is not an integer"),
        ({"inputs": [A, B | {"data": [5]}], "outputs": Z}, "inputs[1].data[0]: 5 is not a string"),
    ],
)
def test_requests_to_a_model_of_several_inputs(document: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        read_inference(orjson.dumps(document), None, TWO)
    assert str(error.value).startswith(text)


def test_a_body_of_bytes_alone_needs_one_input() -> None:
    with pytest.raises(InvalidRequest, match="needs a model of one input with one free axis; send the JSON first"):
        read_inference(b"12345678", "0", TWO)


def test_a_body_of_bytes_alone_may_be_one_string() -> None:
    text = read_inference("é".encode(), "0", predictor(spec("t", "BYTES", -1))).tensors["t"]
    assert text.tolist() == ["é".encode()]
