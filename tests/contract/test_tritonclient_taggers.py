"""`tritonclient.http` and a tagger: a text in, its tags as JSON out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from service.settings import Settings
from tests.support.server import running
from tests.support.tagger_bundles import write_tagger
from tests.support.triton import infer_texts

triton = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402  (after the skip)

TEXTS = ["Ada wrote to Zoë 😀 in New York.", "", "the cat sat. the dog sat.", "cafe\u0301 " * 800]

infer = partial(infer_texts, model="names", tensors=("TEXT", "TAGS"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    write_tagger(folder, "names", kind="spans")
    with running(Settings(models=folder)) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        yield client


def test_metadata_and_config(client: Any) -> None:
    metadata = client.get_model_metadata("names")
    assert metadata["inputs"] == [{"name": "TEXT", "datatype": "BYTES", "shape": [-1, 1]}]
    assert metadata["outputs"] == [{"name": "TAGS", "datatype": "BYTES", "shape": [-1, 1]}]
    config = client.get_model_config("names")
    assert config["max_batch_size"] == 64
    assert config["input"] == [{"name": "TEXT", "data_type": "TYPE_STRING", "dims": [1]}]
    assert config["output"] == [{"name": "TAGS", "data_type": "TYPE_STRING", "dims": [1]}]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(len(TEXTS), 1), (len(TEXTS),)])
def test_texts_are_answered_as_on_the_task_route(client: Any, url: str, shape: tuple[int, ...], binary: bool) -> None:
    texts = [text[:3_000] for text in TEXTS]
    answer = infer(client, texts, shape=shape, binary=binary)
    assert answer.shape == (len(texts), 1)
    expected = httpx.post(f"{url}/v1/tag", json={"texts": texts}, timeout=60).json()["results"]
    assert [orjson.loads(document) for document in answer.ravel()] == expected
    assert [entity["text"] for entity in expected[0]["entities"]] == ["Ada", "Zoë", "New York"]


def test_the_inferences_are_in_the_statistics(client: Any) -> None:
    before = client.get_inference_statistics("names")["model_stats"][0]["inference_stats"]["success"]["count"]
    infer(client, ["Ada"])
    after = client.get_inference_statistics("names")["model_stats"][0]["inference_stats"]["success"]["count"]
    assert after == before + 1


@pytest.mark.parametrize(
    ("texts", "status", "message"),
    [
        ([b"Ada", b"\xff\xfe"], "400", r"TEXT\[1\]: is not UTF-8"),
        (["Ada", "la " * 1_001], "400", r"TEXT\[1\]: its sentence 1, .* has 1001 tokens, the limit is 1000"),
        (["Ada", "a" * 100_001], "413", r"TEXT\[1\]: 100001 bytes of text, the limit is 100000"),
        (["Ada"] * 65, "400", "a batch of 65, the limit is 64"),
    ],
)
def test_a_bad_text_is_named(client: Any, texts: list[Any], status: str, message: str) -> None:
    with pytest.raises(InferenceServerException, match=message) as caught:
        infer(client, texts)
    assert caught.value.status() == status


def test_the_graphs_own_tensors_are_hidden(client: Any) -> None:
    tensor = triton.InferInput("words", [1], "INT32").set_data_from_numpy(np.zeros(1, np.int32))
    with pytest.raises(InferenceServerException, match="'words' is not an input of model 'names'; it has: TEXT"):
        client.infer("names", [tensor])
