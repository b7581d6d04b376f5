"""`tritonclient.http` and a translator: a text in, its translation out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from service.settings import Settings
from tests.support.server import running
from tests.support.translator_bundles import write_translator
from tests.support.triton import infer_texts

triton = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402  (after the skip)

MODEL = "translate-en-de"
TEXTS = ["The dog sleeps. I love 😀 you!", "", "Good morning", "cafe\u0301 " * 300]

infer = partial(infer_texts, model=MODEL, tensors=("TEXT", "TRANSLATION"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder)
    with running(Settings(models=folder)) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        yield client


def test_metadata_and_config(client: Any) -> None:
    metadata = client.get_model_metadata(MODEL)
    assert metadata["inputs"] == [{"name": "TEXT", "datatype": "BYTES", "shape": [-1, 1]}]
    assert metadata["outputs"] == [{"name": "TRANSLATION", "datatype": "BYTES", "shape": [-1, 1]}]
    config = client.get_model_config(MODEL)
    assert config["output"] == [{"name": "TRANSLATION", "data_type": "TYPE_STRING", "dims": [1]}]


@pytest.mark.parametrize("binary", [True, False])
def test_texts_are_answered_as_on_the_task_route(client: Any, url: str, binary: bool) -> None:
    answer = infer(client, TEXTS, binary=binary)
    assert answer.shape == (len(TEXTS), 1)
    results = httpx.post(f"{url}/v1/translate", json={"texts": TEXTS}, timeout=60).json()["results"]
    assert [text.decode() if isinstance(text, bytes) else text for text in answer.ravel()] == [
        result["text"] for result in results
    ]
    assert results[0]["text"] == "Der Hund schläft. Ich liebe 😀 du!"


def test_the_inferences_are_in_the_statistics(client: Any) -> None:
    before = client.get_inference_statistics(MODEL)["model_stats"][0]
    infer(client, ["The dog"])
    after = client.get_inference_statistics(MODEL)["model_stats"][0]
    count = ("inference_stats", "success", "count")
    first, second = ((stats[count[0]][count[1]][count[2]]) for stats in (before, after))
    assert second == first + 1
    assert after["execution_count"] > before["execution_count"]


@pytest.mark.parametrize(
    ("texts", "status", "message"),
    [
        ([b"the", b"\xff\xfe"], "400", r"TEXT\[1\]: is not UTF-8"),
        (["the", "a" * 10_001], "400", r"TEXT\[1\]: has 10001 characters, the limit is 10000"),
        (["the"] * 65, "400", "a batch of 65, the limit is 64"),
    ],
)
def test_bad_texts_are_named(client: Any, texts: list[Any], status: str, message: str) -> None:
    with pytest.raises(InferenceServerException, match=message) as caught:
        infer(client, texts)
    assert caught.value.status() == status
