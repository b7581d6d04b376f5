"""POST /v1/classify with `explain`, and GET /v1/models/{model}/weights: what a network sees and has learned."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from httpx import Response
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from service.api.image_classification import ClassifyAnswer
from service.api.model_inspection import WeightsAnswer
from service.bundle.files import write_bundle
from service.settings import Settings
from tests.support.classifier_bundles import EDGES, EXPLAINED, classifier_manifest, template, write_classifier
from tests.support.classify_requests import picture, pixels
from tests.support.http import JSON, client_of, problem_of
from tests.support.pictures import picture_file


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of `digits`, which can be explained, `ink`, which takes the ink out of a picture too, and `plain`."""
    path = tmp_path_factory.mktemp("models")
    good = write_classifier(path, explain=True)
    ink = classifier_manifest("ink", explain=True).model_copy(update={"preprocessing": {"normaliser": "mnist"}})
    write_bundle(path, ink, {name: good.file(name).read_bytes() for name in good.manifest.files})
    write_classifier(path, "plain")
    with client_of(Settings(models=path, max_explained_inputs=3)) as client:
        yield client


def array(fields: dict[str, Any]) -> NDArray[np.float64]:
    """The values of a `QuantizedArray`."""
    content = base64.b64decode(fields["data"], validate=True)
    if fields["dtype"] == "float32":
        return np.frombuffer(content, "<f4").reshape(fields["shape"]).astype(np.float64)
    steps = np.frombuffer(content, np.uint8).reshape(fields["shape"])
    return fields["min"] + steps / 255 * (fields["max"] - fields["min"])


def _results(response: Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    answer = response.json()
    assert ClassifyAnswer.model_validate(answer)
    results: list[dict[str, Any]] = answer["results"]
    return results


def test_every_layer_of_every_image(client: TestClient) -> None:
    results = _results(client.post("/v1/classify", json=pixels(3, 8) | {"explain": True}))
    for digit, result in zip((3, 8), results, strict=True):
        explained = result["explain"]
        assert result["predictions"][0]["label"] == str(digit)
        assert np.array_equal(array(explained["input"]), template(digit))
        assert {layer["name"]: tuple(layer["shape"]) for layer in explained["layers"]} == EXPLAINED
        logits = array(explained["layers"][2])
        weights = np.stack([template(label).ravel() for label in range(10)]) / 4
        assert logits == pytest.approx(weights @ template(digit).ravel(), abs=0.05)


def test_the_pixels_that_mattered_are_those_of_the_figure(client: TestClient) -> None:
    (result,) = _results(client.post("/v1/classify?explain=true", json=pixels(5)))
    saliency = array(result["explain"]["saliency"])
    assert saliency.shape == (28, 28)
    ink = template(5) > 0
    assert saliency[ink].min() > 1.0  # bits
    # Paper that shares no patch with the bar counts for nothing.
    far = np.ones((28, 28), bool)
    rows = np.flatnonzero(ink.any(1))
    far[rows.min() - 6 : rows.max() + 7] = False
    assert np.abs(saliency[far]).max() < 0.05


# Which label


def _saliency(response: Response, label: str) -> NDArray[np.float64]:
    (result,) = _results(response)
    assert result["explain"]["target_label"] == label
    return array(result["explain"]["saliency"])


def test_the_best_label_is_explained_unless_another_is_asked_for(client: TestClient) -> None:
    body = pixels(5) | {"explain": True}
    best = _saliency(client.post("/v1/classify", json=body), "5")
    assert np.array_equal(_saliency(client.post("/v1/classify", json=body | {"target_label": "5"}), "5"), best)
    other = _saliency(client.post("/v1/classify", json=body | {"target_label": "7"}), "7")
    assert other[template(5) > 0].max() < -1.0  # bits: the bar of a 5 speaks against a 7


@pytest.mark.parametrize("form", ["query", "multipart", "text", "number", "null"])
def test_every_way_to_name_the_label(client: TestClient, form: str) -> None:
    png, headers = picture(4), {"content-type": "image/png"}
    body = {"images": [base64.b64encode(png).decode()], "explain": True}
    match form:
        case "query":
            answer = client.post("/v1/classify?explain=true&target_label=9", content=png, headers=headers)
        case "multipart":
            answer = client.post("/v1/classify", files={"image": png}, data={"explain": "true", "target_label": "9"})
        case "text":
            answer = client.post("/v1/classify", json=body | {"target_label": "9"})
        case "number":
            answer = client.post("/v1/classify?target_label=9", json=body | {"target_label": 9})
        case _:
            answer = client.post("/v1/classify?target_label=9", json=body | {"target_label": None})
    assert _saliency(answer, "9").max() < 0.05


@pytest.mark.parametrize(
    ("query", "extra", "message"),
    [
        (
            "",
            {"explain": True, "target_label": "x"},
            "target_label: is 'x', which the model does not have; it has 0, 1, 2",
        ),
        ("", {"explain": True, "target_label": ""}, "target_label: is '', which the model does not have"),
        ("", {"explain": True, "target_label": "9" * 1000}, f"target_label: is '{'9' * 64}', which"),
        ("", {"explain": True, "target_label": [9]}, "target_label: Input should be a valid string"),
        (
            "?target_label=8",
            {"explain": True, "target_label": "9"},
            "target_label: the query says '8', the body says '9'",
        ),
        ("?target_label=8", {}, "target_label: is the label whose evidence an explanation shows; send 'explain' too"),
        ("", {"explain": False, "target_label": "9"}, "target_label: is the label whose evidence an explanation shows"),
        ("?model=plain", {"explain": True, "target_label": "9"}, "explain: model 'plain' has no graph"),
    ],
)
def test_a_label_that_cannot_be_explained(client: TestClient, query: str, extra: dict[str, Any], message: str) -> None:
    problem_of(client.post(f"/v1/classify{query}", json=pixels(1) | extra), 422, message)


def test_paper_is_evidence_of_nothing(client: TestClient) -> None:
    body = {"pixels": np.zeros((1, 28, 28)).tolist(), "explain": True}
    assert not _saliency(client.post("/v1/classify", json=body), "0").any()


# The steps before


def _drawn(side: int) -> bytes:
    """A black upright bar on white paper, [side, side], as a canvas stores it."""
    canvas = np.full((side, side), 255, np.uint8)
    canvas[side // 5 : -side // 5, side * 2 // 5 : side // 2] = 0
    return picture_file(Image.fromarray(canvas).convert("RGBA"))


def test_the_steps_of_normalization_are_shown_small(client: TestClient) -> None:
    (result,) = _results(client.post("/v1/classify?model=ink&explain=true", files={"image": _drawn(300)}))
    gray, ink = array(result["explain"]["gray"]), array(result["explain"]["ink"])
    assert gray.shape == (96, 96)
    assert gray[0, 0] == 1
    assert gray[48, 42] == 0
    assert max(ink.shape) == 96
    assert ink.shape[0] > 3 * ink.shape[1]
    assert ink.min() > 0.9


def test_a_small_picture_is_shown_as_it_is(client: TestClient) -> None:
    (result,) = _results(client.post("/v1/classify?model=ink&explain=true", files={"image": _drawn(50)}))
    assert array(result["explain"]["gray"]).shape == (50, 50)
    assert array(result["explain"]["ink"]).shape == (30, 5)


def test_what_has_no_ink_of_its_own(client: TestClient) -> None:
    (whole,) = _results(client.post("/v1/classify?model=digits&explain=true", files={"image": _drawn(300)}))
    assert whole["explain"].keys() == {"gray", "input", "layers", "saliency", "target_label"}
    (ready,) = _results(client.post("/v1/classify?model=ink", json=pixels(4) | {"explain": True}))
    assert ready["explain"].keys() == {"input", "layers", "saliency", "target_label"}


@pytest.mark.parametrize("form", ["picture", "multipart", "json", "split"])
def test_every_form_of_body(client: TestClient, form: str) -> None:
    png, headers = picture(4), {"content-type": "image/png"}
    match form:
        case "picture":
            answer = client.post("/v1/classify?model=digits&explain=true", content=png, headers=headers)
        case "multipart":
            answer = client.post("/v1/classify", files={"image": png}, data={"explain": "true", "model": "digits"})
        case "json":
            body = {"images": [base64.b64encode(png).decode()], "explain": True}
            answer = client.post("/v1/classify", json=body)
        case _:
            answer = client.post("/v1/classify?explain=true&split=true", content=png, headers=headers)
    (result,) = _results(answer)
    assert array(result["explain"]["input"]) == pytest.approx(template(4), abs=0.01)


@pytest.mark.parametrize("extra", [{}, {"explain": False}, {"explain": None}])
def test_without_it_the_answer_is_as_ever(client: TestClient, extra: dict[str, Any]) -> None:
    plain = client.post("/v1/classify", json=pixels(2)).json()
    assert client.post("/v1/classify", json=pixels(2) | extra).json() == plain
    assert "explain" not in plain["results"][0]
    assert (
        client.post("/v1/classify", json=pixels(2) | extra | {"model": "plain"}).json()["results"] == plain["results"]
    )


def test_the_predictions_are_those_of_the_plain_answer(client: TestClient) -> None:
    plain = _results(client.post("/v1/classify", json=pixels(2, 6)))
    explained = _results(client.post("/v1/classify", json=pixels(2, 6) | {"explain": True}))
    assert [result["predictions"] for result in explained] == [result["predictions"] for result in plain]


@pytest.mark.parametrize(
    ("query", "extra", "message"),
    [
        ("?explain=maybe", {}, "explain: Input should be a valid boolean"),
        ("", {"explain": "maybe"}, "explain: Input should be a valid boolean"),
        ("", {"explain": 1}, "explain: Input should be a valid boolean"),
        ("?explain=false", {"explain": True}, "explain: the query says 'false', the body says 'true'"),
        ("", pixels(1, 2, 3, 4) | {"explain": True}, "explain: 4 images to explain, the limit is 3 (LECTERN_MAX_EXPL"),
        ("?model=plain", {"explain": True}, "explain: model 'plain' has no graph that explains its answers"),
        ("", {"explain": True, "pixels": []}, "pixels: holds no image"),
        ("", {"explain": True, "pixels": 7}, "pixels: must be a list of images"),
        ("", {"explain": True, "pixels": "many"}, "pixels: must be a list of images"),
    ],
)
def test_what_cannot_be_explained(client: TestClient, query: str, extra: dict[str, Any], message: str) -> None:
    problem_of(client.post(f"/v1/classify{query}", json=pixels(1) | extra), 422, message)


def test_too_many_pictures(client: TestClient) -> None:
    files = [("image", (f"{digit}.png", picture(digit))) for digit in range(4)]
    problem_of(
        client.post("/v1/classify?explain=true", files=files), 422, "explain: 4 images to explain, the limit is 3"
    )
    assert len(_results(client.post("/v1/classify", files=files))) == 4


def test_the_model_of_the_open_inference_protocol_is_the_plain_graph(client: TestClient) -> None:
    metadata = client.get("/v2/models/digits").json()
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["probabilities"]


def test_explained_answers_are_admitted_by_their_own_work(client: TestClient) -> None:
    served = client.app.context.registry.find(name="digits")  # type: ignore[attr-defined]  # the application is Lectern
    predictor = served.predictor
    body = predictor.routes["/v1/classify"]
    works = [
        predictor.scheduling.work(predictor.parse(body.model_validate(pixels(1, 2) | extra)))
        for extra in ({}, {"explain": True})
    ]
    assert [work.kind for work in works] == ["run", "explaining"]
    assert not served.answers_in_loop(predictor.parse(body.model_validate(pixels(1) | {"explain": True})))


# The weights


def test_the_weights_layer_by_layer(client: TestClient) -> None:
    answer = client.get("/v1/models/digits/weights").json()
    assert WeightsAnswer.model_validate(answer)
    layers = {layer["name"]: layer for layer in answer["layers"]}
    assert list(layers) == list(EXPLAINED)
    assert array(layers["c1"]) == pytest.approx(EDGES, abs=1 / 255)
    assert layers["c1"]["kernel"] == [3, 3]
    assert layers["s2"] == {
        "name": "s2", "kind": "max-pooling", "activation": "", "kernel": [2, 2], "stride": [2, 2], "padding": [0, 0]
    }  # fmt: skip


def test_kernel_times_patch_is_the_activation(client: TestClient) -> None:
    (result,) = _results(client.post("/v1/classify?explain=true", json=pixels(7)))
    exact = client.get("/v1/models/digits/weights?dtype=float32").json()["layers"][0]
    image = np.pad(array(result["explain"]["input"]), 1)
    maps = array(result["explain"]["layers"][0])
    for y, x in ((18, 10), (3, 3), (0, 27)):
        assert maps[0, y, x] == pytest.approx((array(exact)[0, 0] * image[y : y + 3, x : x + 3]).sum(), abs=0.02)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("plain/weights", 400, "was exported without its layers"),
        ("nosuch/weights", 404, "no model 'nosuch'"),
        ("digits/weights?version=9", 404, "version 9"),
        ("digits/weights?dtype=int4", 400, "is 'int4'; send uint8 or float32"),
        ("digits/weights?layer=c1", 400, "is not a query parameter of this route; there are version, dtype"),
    ],
)
def test_weights_that_cannot_be_had(client: TestClient, path: str, status: int, message: str) -> None:
    answer = client.get(f"/v1/models/{path}")
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]["message"]


def test_json_with_a_byte_order_mark_or_in_pieces_is_read_alike(client: TestClient) -> None:
    body = b'{"explain":true,"pixels":[' + str(template(1).tolist()).encode() + b"]}"
    assert len(_results(client.post("/v1/classify", content=iter([body[:50], body[50:]]), headers=JSON))) == 1
