"""POST /v1/classify of a model that knows whether a picture is one of its labels at all."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from service.api.image_classification import ClassifyAnswer
from service.bundle.files import write_bundle
from service.bundle.manifest import Manifest
from service.settings import Settings
from tests.support.classifier_bundles import classifier_manifest, write_classifier
from tests.support.classify_requests import picture, pixels
from tests.support.http import client_of

FIELDS = {"recognized", "familiarity"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of `digits` with familiarity, `older` without, and `ink`, which splits pictures into figures."""
    path = tmp_path_factory.mktemp("models")
    good = write_classifier(path, familiarity=True)
    write_classifier(path, "older")
    ink = classifier_manifest("ink", familiarity=True).model_dump()
    ink["preprocessing"]["normaliser"] = "mnist"
    write_bundle(
        path, Manifest.model_validate(ink), {name: good.file(name).read_bytes() for name in good.manifest.files}
    )
    with client_of(Settings(models=path)) as client:
        yield client


def _nothing() -> bytes:
    """A picture without any bar."""
    stream = io.BytesIO()
    Image.new("L", (28, 28)).save(stream, "PNG")
    return stream.getvalue()


def _two_bars() -> bytes:
    """A picture with two tall bars beside each other."""
    canvas = np.full((60, 80), 255, np.uint8)
    canvas[10:50, 15:22] = 0
    canvas[10:50, 50:57] = 0
    stream = io.BytesIO()
    Image.fromarray(canvas).save(stream, "PNG")
    return stream.getvalue()


def test_each_picture_says_whether_it_is_one_of_the_labels(client: TestClient) -> None:
    images = [base64.b64encode(data).decode() for data in (picture(3), _nothing(), picture(8))]
    answer = client.post("/v1/classify", json={"model": "digits", "images": images, "top_k": 1}).json()
    assert ClassifyAnswer.model_validate(answer)
    assert [result["recognized"] for result in answer["results"]] == [True, False, True]
    assert [round(result["familiarity"], 2) for result in answer["results"]] == [0.99, 0.01, 0.99]
    # What is no label gets its predictions all the same: the caller decides.
    assert [len(result["predictions"]) for result in answer["results"]] == [1, 1, 1]


def test_a_form_and_a_single_picture_say_it_too(client: TestClient) -> None:
    single = client.post("/v1/classify?model=digits", content=picture(3), headers={"content-type": "image/png"})
    form = client.post("/v1/classify?model=digits", files={"image": ("3.png", picture(3))})
    assert single.json()["results"] == form.json()["results"]
    assert single.json()["results"][0]["recognized"] is True


def test_pixels_and_older_models_answer_without_it(client: TestClient) -> None:
    answers = (
        client.post("/v1/classify", json=pixels(3) | {"model": "digits"}),
        client.post("/v1/classify?model=older", content=picture(3), headers={"content-type": "image/png"}),
    )
    for answer in answers:
        assert answer.status_code == 200
        assert not FIELDS & set(answer.json()["results"][0])


def test_each_part_of_a_split_picture_says_it(client: TestClient) -> None:
    answer = client.post(
        "/v1/classify?model=ink&split=true", content=_two_bars(), headers={"content-type": "image/png"}
    )
    (result,) = answer.json()["results"]
    assert ClassifyAnswer.model_validate(answer.json())
    assert result["figures"] == 2
    assert set(result) >= FIELDS
    assert result["recognized"] is False  # Two bars are no bar, whatever the familiarity of the one that was read.
    assert [set(part) for part in result["parts"]] == [{"x", "y", "width", "height", "predictions"} | FIELDS] * 2
    assert [part["recognized"] for part in result["parts"]] == [part["familiarity"] >= 0.5 for part in result["parts"]]


def test_the_inference_protocol_shows_both_outputs_of_the_graph(client: TestClient) -> None:
    metadata = client.get("/v2/models/digits").json()
    assert [(output["name"], output["shape"]) for output in metadata["outputs"]] == [
        ("probabilities", [-1, 10]),
        ("familiarity", [-1, 1]),
    ]
    image = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": [0.0] * 784}
    outputs = client.post("/v2/models/digits/infer", json={"inputs": [image]}).json()["outputs"]
    assert {output["name"]: output["shape"] for output in outputs} == {"probabilities": [1, 10], "familiarity": [1, 1]}
    only = client.post("/v2/models/digits/infer", json={"inputs": [image], "outputs": [{"name": "probabilities"}]})
    assert [output["name"] for output in only.json()["outputs"]] == ["probabilities"]
