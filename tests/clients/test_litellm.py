"""LiteLLM's `embedding`, unmodified from PyPI, against a real server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.clients import samples
from tests.clients.servers import Address, KeyedServer

PROVIDERS = ("openai", "hosted_vllm", "openai_like", "lm_studio", "litellm_proxy", "infinity")
"""Names that LiteLLM has for servers with OpenAI's routes; each writes its requests a little differently."""


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # Else its import downloads a list of prices.
        import litellm

        litellm.suppress_debug_info = True
        yield litellm


def arguments(address: Address, **others: Any) -> dict[str, Any]:
    return {
        "model": f"openai/{samples.WORDS}",
        "api_base": address.openai,
        "api_key": "none",
        "max_retries": 0,
    } | others


def vectors(answer: Any) -> Any:
    return np.array([entry["embedding"] for entry in answer.data])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_texts(litellm: Any, address: Address, provider: str) -> None:
    texts, expected = samples.embeddings()
    inputs = [*texts, *samples.WITHOUT_A_WORD]
    answer = litellm.embedding(**arguments(address, model=f"{provider}/{samples.WORDS}", input=inputs))
    assert samples.same_direction(vectors(answer)[: len(texts)], expected)
    assert not vectors(answer)[len(texts) :].any()
    assert [entry["index"] for entry in answer.data] == list(range(len(inputs)))
    assert answer.usage.prompt_tokens == sum(len(text.split()) for text in inputs[:-2]) + 1


def test_async(litellm: Any, address: Address) -> None:
    texts, expected = samples.embeddings()

    async def main() -> None:
        answers = await asyncio.gather(*(litellm.aembedding(**arguments(address, input=texts)) for _ in range(8)))
        assert all(samples.same_direction(vectors(answer), expected) for answer in answers)

    asyncio.run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"encoding_format": None, "dimensions": None, "user": None, "timeout": None},
        {"user": "somebody", "metadata": {"app": "tests"}, "timeout": 20, "encoding_format": "float"},
        {"extra_body": {"stream_options": None, "metadata": None, "user": None, "encoding_format": None}},
    ],
    ids=["nulls", "all", "nulls on the wire"],
)
def test_optional_fields(litellm: Any, address: Address, options: dict[str, Any]) -> None:
    texts, expected = samples.embeddings()
    answer = litellm.embedding(**arguments(address, input=texts, **options))
    assert samples.same_direction(vectors(answer), expected)


def test_fewer_dimensions(litellm: Any, address: Address) -> None:
    texts, expected = samples.embeddings()
    size = {"dimensions": expected.shape[1]}
    for model in ({"model": "openai/text-embedding-3-small"}, {"allowed_openai_params": ["dimensions"]}):
        answer = litellm.embedding(**arguments(address, input=texts, **size, **model))
        assert np.allclose(vectors(answer), expected, atol=1e-5)


def test_base64(litellm: Any, address: Address) -> None:
    (text, *_), expected = samples.embeddings()
    (entry,) = litellm.embedding(**arguments(address, input=[text], encoding_format="base64")).data
    vector = np.frombuffer(base64.b64decode(entry["embedding"]), "<f4")
    assert samples.same_direction([vector], expected[:1])


def test_a_router(litellm: Any, address: Address) -> None:
    texts, expected = samples.embeddings()
    parameters = arguments(address)
    router = litellm.Router([{"model_name": "embeddings", "litellm_params": parameters}], num_retries=0)
    assert samples.same_direction(vectors(router.embedding("embeddings", input=texts)), expected)


def test_errors(litellm: Any, address: Address) -> None:
    with pytest.raises(litellm.NotFoundError, match=r"no model 'nosuch'; there are: .*words-en"):
        litellm.embedding(**arguments(address, model="openai/nosuch", input=["king"]))
    with pytest.raises(litellm.BadRequestError, match="2049 inputs, the limit is 2048"):
        litellm.embedding(**arguments(address, input=["king"] * 2049))
    with pytest.raises(litellm.BadRequestError, match="token ids"):
        litellm.embedding(**arguments(address, input=[[9906, 1917]]))


def test_an_api_key(litellm: Any, keyed: KeyedServer) -> None:
    texts, expected = samples.embeddings()
    answer = litellm.embedding(**arguments(keyed.address, input=texts, api_key=keyed.key))
    assert samples.same_direction(vectors(answer), expected)
    with pytest.raises(litellm.AuthenticationError, match="API key"):
        litellm.embedding(**arguments(keyed.address, input=texts, api_key="lectern_wrong"))
