"""`tritonclient.http` and a model of words, which exposes its task instead of its graph."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from service.settings import Settings
from tests.support.server import running
from tests.support.triton import infer_texts
from tests.support.word_vector_bundles import DIMENSIONS, WORDS, unit_vectors, write_words

triton = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402  (after the skip)

infer = partial(infer_texts, model="words", tensors=("WORD", "EMBEDDING"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("models")
    write_words(folder)
    with (
        running(Settings(models=folder)) as url,
        triton.InferenceServerClient(url.removeprefix("http://")) as client,
    ):
        yield client


def test_metadata_and_config(client: Any) -> None:
    metadata = client.get_model_metadata("words")
    assert metadata["inputs"] == [{"name": "WORD", "datatype": "BYTES", "shape": [-1, 1]}]
    assert metadata["outputs"] == [{"name": "EMBEDDING", "datatype": "FP32", "shape": [-1, DIMENSIONS]}]
    config = client.get_model_config("words")
    assert config["max_batch_size"] == 64
    assert config["input"] == [{"name": "WORD", "data_type": "TYPE_STRING", "dims": [1]}]
    assert config["output"] == [{"name": "EMBEDDING", "data_type": "TYPE_FP32", "dims": [DIMENSIONS]}]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(len(WORDS), 1), (len(WORDS),)])
def test_words_become_vectors(client: Any, shape: tuple[int, ...], binary: bool) -> None:
    vectors = infer(client, [word.upper() for word in WORDS], shape=shape, binary=binary)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, unit_vectors(), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["king", "kingg"], r"WORD\[1\]: 'kingg' is not in the vocabulary of model 'words'; closest known: king"),
        (["king", ""], r"WORD\[1\]: is empty"),
        ([b"\xff\xfe"], r"WORD\[0\]: is not UTF-8"),
        (["king"] * 65, "a batch of 65, the limit is 64"),
    ],
)
def test_a_bad_word_is_named(client: Any, words: list[Any], message: str) -> None:
    with pytest.raises(InferenceServerException, match=message) as caught:
        infer(client, words)
    assert caught.value.status() == "400"


def test_the_graphs_own_tensors_are_hidden(client: Any) -> None:
    tensor = triton.InferInput("ids", [1, 1], "INT64").set_data_from_numpy(np.zeros((1, 1), np.int64))
    with pytest.raises(InferenceServerException, match="'ids' is not an input of model 'words'; it has: WORD"):
        client.infer("words", [tensor])


def test_statistics_count_words(client: Any) -> None:
    before = client.get_inference_statistics("words")["model_stats"][0]["inference_count"]
    infer(client, ["king", "queen", "man"])
    assert client.get_inference_statistics("words")["model_stats"][0]["inference_count"] == before + 3
