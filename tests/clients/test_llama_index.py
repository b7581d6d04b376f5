"""LlamaIndex's `OpenAIEmbedding`, unmodified from PyPI, against a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import openai
import pytest
from llama_index.core.base.embeddings.base import similarity
from llama_index.embeddings.openai import OpenAIEmbedding

from tests.clients import samples
from tests.clients.servers import Address, KeyedServer

ALIAS = "text-embedding-3-small"


def client(address: Address, *, key: str = "none", name: str = samples.WORDS, **options: Any) -> OpenAIEmbedding:
    return OpenAIEmbedding(model_name=name, api_base=address.openai, api_key=key, max_retries=0, **options)


@pytest.mark.parametrize("name", [samples.WORDS, ALIAS])
def test_a_text_and_a_query(address: Address, name: str) -> None:
    (text, *_), expected = samples.embeddings()
    embedding = client(address, name=name)
    for vector in (embedding.get_text_embedding(text), embedding.get_query_embedding(text)):
        assert len(vector) == samples.DIMENSIONS
        assert samples.same_direction([vector], expected[:1])


def test_a_model_by_openai_s_name(address: Address) -> None:
    """`model` takes only names that OpenAI has: the server's alias answers."""
    (text, *_), expected = samples.embeddings()
    embedding = OpenAIEmbedding(model=ALIAS, api_base=address.openai, api_key="none", max_retries=0)
    assert samples.same_direction([embedding.get_text_embedding(text)], expected[:1])


def test_a_batch(address: Address) -> None:
    texts, expected = samples.embeddings()
    vectors = client(address).get_text_embedding_batch([*texts, *samples.WITHOUT_A_WORD] * 60)
    assert len(vectors) == 300
    vectors = np.reshape(vectors, (60, 5, samples.DIMENSIONS))
    assert samples.same_direction(vectors[0, :2], expected)
    assert np.allclose(vectors, vectors[:1], atol=1e-6)
    assert not vectors[:, 2:].any()


def test_async(address: Address) -> None:
    texts, expected = samples.embeddings()

    async def main() -> None:
        embedding = client(address)
        assert samples.same_direction([await embedding.aget_text_embedding(texts[0])], expected[:1])
        assert samples.same_direction([await embedding.aget_query_embedding(texts[1])], expected[1:])
        assert samples.same_direction(await embedding.aget_text_embedding_batch(texts * 20), np.tile(expected, (20, 1)))

    asyncio.run(main())


def test_fewer_dimensions(address: Address) -> None:
    texts, expected = samples.embeddings()
    vectors = client(address, dimensions=expected.shape[1]).get_text_embedding_batch(texts)
    assert np.allclose(vectors, expected, atol=1e-5)


def test_similarity(address: Address) -> None:
    embedding = client(address)
    for pair, expected in zip(*samples.similarities(), strict=True):
        one, other = embedding.get_text_embedding_batch(list(pair))
        assert similarity(one, other) == pytest.approx(expected, abs=1e-5)


def test_errors(address: Address) -> None:
    with pytest.raises(openai.NotFoundError, match=r"no model 'nosuch'; there are: .*words-en"):
        client(address, name="nosuch").get_text_embedding("king")
    with pytest.raises(openai.BadRequestError, match="8193 words, the limit is 8192"):
        client(address).get_text_embedding("king " * 8193)


def test_an_api_key(keyed: KeyedServer) -> None:
    (text, *_), expected = samples.embeddings()
    vector = client(keyed.address, key=keyed.key).get_text_embedding(text)
    assert samples.same_direction([vector], expected[:1])
    with pytest.raises(openai.AuthenticationError, match="API key"):
        client(keyed.address, key="lectern_wrong").get_text_embedding(text)
