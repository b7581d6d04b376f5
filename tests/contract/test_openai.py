"""The `openai` package, unmodified from PyPI, against a real server on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from service.settings import Settings
from tests.support.server import running
from tests.support.word_vector_bundles import DIMENSIONS, WORDS, unit_vectors, write_words


@pytest.fixture(scope="module")
def openai() -> Any:
    """The package, whose import takes too long for every process that collects tests."""
    return pytest.importorskip("openai")


@pytest.fixture(scope="module")
def client(openai: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("models")
    write_words(folder)
    with (
        running(Settings(models=folder, model_aliases="text-embedding-3-small=words")) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
    ):
        yield client


def vectors(answer: Any) -> Any:
    return np.array([entry.embedding for entry in answer.data])


def test_one_word(client: Any) -> None:
    answer = client.embeddings.create(model="words", input="King")  # base64 on the wire, by default
    assert (answer.object, answer.model) == ("list", "words")
    assert (answer.data[0].object, answer.data[0].index) == ("embedding", 0)
    assert np.allclose(vectors(answer), unit_vectors()[[4]], atol=1e-6)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (1, 1)


def test_base64_and_float_are_the_same_numbers(client: Any) -> None:
    texts = list(WORDS)
    packed = client.embeddings.create(model="words", input=texts)
    plain = client.embeddings.create(model="words", input=texts, encoding_format="float")
    assert [entry.index for entry in packed.data] == list(range(len(texts)))
    assert np.array_equal(vectors(packed).astype(np.float32), vectors(plain).astype(np.float32))
    raw = client.embeddings.create(model="words", input=texts, encoding_format="base64")
    assert isinstance(raw.data[0].embedding, str)


def test_token_ids_are_refused(openai: Any, client: Any) -> None:
    for ids in ([0, 4], [[0, 4], [5]]):
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
            client.embeddings.create(model="words", input=ids)


def test_texts_without_a_known_word(client: Any) -> None:
    answer = client.embeddings.create(model="words", input=["king", "😀", ""])
    assert not vectors(answer)[1:].any()
    assert answer.lectern == {"unknown": [1, 2]}


def test_fewer_dimensions(client: Any) -> None:
    full = vectors(client.embeddings.create(model="words", input=["king", "queen"]))
    for dimensions in (2, DIMENSIONS):
        truncated = vectors(client.embeddings.create(model="words", input=["king", "queen"], dimensions=dimensions))
        leading = full[:, :dimensions]
        assert np.allclose(truncated, leading / np.linalg.norm(leading, axis=1, keepdims=True), atol=1e-6)


def test_documented_fields_that_change_nothing(client: Any) -> None:
    answer = client.embeddings.create(model="words", input="king", user="somebody", timeout=10)
    assert np.allclose(vectors(answer), unit_vectors()[[4]], atol=1e-6)


def test_the_maximum_number_of_inputs(openai: Any, client: Any) -> None:
    assert len(client.embeddings.create(model="words", input=["king"] * 2048).data) == 2048
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="words", input=["king"] * 2049)
    assert "2049 inputs, the limit is 2048" in caught.value.message
    assert caught.value.param == "input"


@pytest.mark.parametrize(
    ("arguments", "param", "message"),
    [
        ({"input": []}, "input", "is empty"),
        ({"input": "", "extra_body": {"strict": True}}, "input", "is empty"),
        ({"input": "kingg", "extra_body": {"strict": True}}, "input", "closest known: king"),
        ({"input": "king", "dimensions": 99}, "dimensions", "the model's vectors have 12"),
        ({"input": "king", "encoding_format": "hex"}, "encoding_format", "Input should be"),
    ],
)
def test_bad_input_is_a_bad_request(
    openai: Any, client: Any, arguments: dict[str, Any], param: str, message: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model="words", **arguments)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == param
    assert message in caught.value.message


def test_an_unknown_model_is_not_found(openai: Any, client: Any) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="text-embedding-3-large", input="king")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("text-embedding-3-large")


def test_an_alias_is_answered(client: Any) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input="king")
    assert answer.model == "words"
    assert client.models.retrieve("text-embedding-3-small").id == "words"


def test_the_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["words"]
    model = client.models.retrieve("words")
    assert (model.object, model.owned_by) == ("model", "lectern")
    assert model.task == "word-vectors"
    assert model.details["dimensions"] == DIMENSIONS
