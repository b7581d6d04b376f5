"""LangChain's `OpenAIEmbeddings`, unmodified from PyPI, against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import openai
import pytest
import tiktoken
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from tests.clients import samples
from tests.clients.servers import Address, KeyedServer


def client(address: Address, *, key: str = "none", **options: Any) -> OpenAIEmbeddings:
    """The client as its documentation sets it up for servers other than OpenAI's."""
    complete = {"model": samples.WORDS, "check_embedding_ctx_length": False, "max_retries": 0} | options
    return OpenAIEmbeddings(base_url=address.openai, api_key=SecretStr(key), **complete)


def test_a_query(address: Address) -> None:
    (text, *_), expected = samples.embeddings()
    vector = client(address).embed_query(text)
    assert len(vector) == samples.DIMENSIONS
    assert samples.same_direction([vector], expected[:1])


def test_documents(address: Address) -> None:
    texts, expected = samples.embeddings()
    vectors = np.array(client(address).embed_documents([*texts, *samples.WITHOUT_A_WORD]))
    assert samples.same_direction(vectors[: len(texts)], expected)
    assert not vectors[len(texts) :].any()


def test_many_documents(address: Address) -> None:
    texts, expected = samples.embeddings()
    vectors = client(address, chunk_size=64).embed_documents(texts * 150)
    assert len(vectors) == 300
    assert samples.same_direction(vectors, np.tile(expected, (150, 1)))


def test_async(address: Address) -> None:
    texts, expected = samples.embeddings()

    async def main() -> None:
        embeddings = client(address)
        query, documents = await asyncio.gather(
            embeddings.aembed_query(texts[0]), embeddings.aembed_documents([*texts, *samples.WITHOUT_A_WORD])
        )
        assert samples.same_direction([query], expected[:1])
        assert samples.same_direction(documents[: len(texts)], expected)
        assert not np.any(documents[len(texts) :])

    asyncio.run(main())


def test_fewer_dimensions(address: Address) -> None:
    texts, expected = samples.embeddings()
    vectors = client(address, dimensions=expected.shape[1]).embed_documents(texts)
    assert np.allclose(vectors, expected, atol=1e-5)


def test_floats_are_the_numbers_of_base64(address: Address) -> None:
    texts, _ = samples.embeddings()
    packed = client(address).embed_documents(texts)  # base64 on the wire, by default
    plain = client(address, model_kwargs={"encoding_format": "float"}).embed_documents(texts)
    assert np.array_equal(np.float32(packed), np.float32(plain))


def test_a_vector_store_finds_what_is_similar(address: Address) -> None:
    store = InMemoryVectorStore(client(address))
    texts = ["the cat sleeps on the sofa", "parliament passed a law", "an orchestra played music by Mozart"]
    store.add_texts([*texts, *samples.WITHOUT_A_WORD])
    for query, index in (("a dog in its basket", 0), ("the government and its ministers", 1), ("a violin concerto", 2)):
        ((document, score),) = store.similarity_search_with_score(query, k=1)
        assert document.page_content == texts[index]
        assert 0.1 < score < 1


def test_token_ids_are_refused_with_what_to_set(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding("letters", pat_str=".", mergeable_ranks=letters, special_tokens={})
    # The vocabularies that tiktoken has by name are downloaded.
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: encoding)
    with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length=False"):
        client(address, check_embedding_ctx_length=True).embed_query("king")


def test_errors(address: Address) -> None:
    with pytest.raises(openai.NotFoundError, match=r"no model 'nosuch'; there are: .*words-en"):
        client(address, model="nosuch").embed_query("king")
    with pytest.raises(openai.BadRequestError, match="2049 inputs, the limit is 2048"):
        client(address, chunk_size=2049).embed_documents(["king"] * 2049)
    with pytest.raises(openai.BadRequestError, match="dimensions: is 281, the model's vectors have 280"):
        client(address, dimensions=281).embed_query("king")


def test_an_api_key(keyed: KeyedServer) -> None:
    (text, *_), expected = samples.embeddings()
    assert samples.same_direction([client(keyed.address, key=keyed.key).embed_query(text)], expected[:1])
    with pytest.raises(openai.AuthenticationError, match="API key"):
        client(keyed.address, key="lectern_wrong").embed_query(text)
