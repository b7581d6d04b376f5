"""One digit in every format, mode and bit depth, classified by the shipped model, whichever way it is sent."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.picture_table import TABLE

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    if not (MODELS / "digits").is_dir():
        pytest.skip("needs the shipped model: there is no models/digits")
    with TestClient(create_app(Settings(models=MODELS, max_images=len(TABLE), max_batch_size=len(TABLE)))) as client:
        yield client


def test_every_picture_of_the_table_has_the_same_label_on_both_routes(client: TestClient) -> None:
    files = [base64.b64encode(entry.make()).decode() for entry in TABLE.values()]
    answer = client.post("/v1/classify", json={"model": "digits", "top_k": 1, "images": files})
    assert answer.status_code == 200, answer.text
    labels = [result["predictions"][0]["label"] for result in answer.json()["results"]]
    assert {name: label for name, label in zip(TABLE, labels, strict=True) if label != "7"} == {}
    inputs = [{"name": "IMAGE", "shape": [len(files)], "datatype": "BYTES", "data": files}]
    answer = client.post("/v2/models/digits/infer", json={"inputs": inputs, "outputs": [{"name": "probabilities"}]})
    assert answer.status_code == 200, answer.text
    probabilities = np.reshape(answer.json()["outputs"][0]["data"], (len(files), 10))
    assert probabilities.argmax(axis=1).tolist() == [7] * len(files)
