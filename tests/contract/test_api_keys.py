"""Clients as they come from PyPI, with API keys, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest

from service.access.keys import hash_key
from service.settings import Settings
from tests.support.classifier_bundles import template, write_classifier
from tests.support.server import running
from tests.support.translator_bundles import write_translator
from tests.support.word_vector_bundles import write_words

INFER, ADMIN, WRONG = "lectern_infer", "lectern_admin", "lectern_wrong"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("keyed")
    for write in (write_classifier, write_translator, write_words):
        write(folder / "models")
    keys = {"infer": INFER, "admin": ADMIN}
    lines = [f"{scope} {scope} sha256:{hash_key(text).hex()}\n" for scope, text in keys.items()]
    (folder / "keys").write_text("".join(lines))
    with running(Settings(models=folder / "models", api_keys=folder / "keys")) as address:
        yield address


def test_openai(url: str) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key=INFER, max_retries=0) as client:
        assert len(client.embeddings.create(model="words", input="king").data) == 1
        assert [model.id for model in client.models.list() if model.id == "words"]
    with openai.OpenAI(base_url=f"{url}/v1", api_key=WRONG, max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.embeddings.create(model="words", input="king")
        assert caught.value.code == "invalid_api_key"
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key=ADMIN, max_retries=0) as client,
        pytest.raises(openai.PermissionDeniedError, match="lacks the scope 'infer'"),
    ):
        client.models.list()

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=INFER, max_retries=0) as client:
            await client.embeddings.create(model="words", input="king")

    asyncio.run(main())


def test_libretranslatepy(url: str) -> None:
    libretranslatepy = pytest.importorskip("libretranslatepy")
    client = libretranslatepy.LibreTranslateAPI(url, api_key=INFER)
    assert client.translate("The dog sleeps", "en", "de") == "Der Hund schläft"
    assert client.detect("The dog")[0]["language"] == "en"
    for key in (INFER, WRONG, None):
        languages = libretranslatepy.LibreTranslateAPI(url, key).languages()
        assert {language["code"] for language in languages} == {"de", "en"}
    for key, status, text in ((WRONG, 403, "Invalid API key"), (None, 401, "contact the server operator")):
        with pytest.raises(HTTPError) as caught:
            libretranslatepy.LibreTranslateAPI(url, api_key=key).translate("The dog", "en", "de")
        with caught.value as error:
            assert error.code == status
            assert text in error.read().decode()


def test_tritonclient(url: str) -> None:
    triton = pytest.importorskip("tritonclient.http")
    pixels: Any = template(7).astype(np.float32).reshape(1, 1, 28, 28)
    image = triton.InferInput("image", list(pixels.shape), "FP32")
    image.set_data_from_numpy(pixels)
    infer, admin = ({"Authorization": f"Bearer {key}"} for key in (INFER, ADMIN))
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.get_model_metadata("digits", headers=infer)["name"] == "digits"
        assert client.infer("digits", [image], headers=infer).as_numpy("probabilities").argmax() == 7
        for headers in ({}, {"Authorization": f"Bearer {WRONG}"}):
            with pytest.raises(triton.InferenceServerException, match="API key") as caught:
                client.infer("digits", [image], headers=headers)
            assert caught.value.status() == "401"
        with pytest.raises(triton.InferenceServerException, match="lacks the scope 'admin'") as caught:
            client.unload_model("digits", headers=infer)
        assert caught.value.status() == "403"
        client.unload_model("digits", headers=admin)
        client.load_model("digits", headers=admin)
        assert [entry["name"] for entry in client.get_model_repository_index(headers=admin)]
