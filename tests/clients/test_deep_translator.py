"""deep-translator's `LibreTranslator`, unmodified from PyPI, against a real server."""

from __future__ import annotations

import pytest
from deep_translator import LibreTranslator
from deep_translator.exceptions import AuthorizationException, ServerException

from tests.clients import samples
from tests.clients.servers import Address, KeyedServer


def client(address: Address, *, key: str = "none", source: str = "en", target: str = "de") -> LibreTranslator:
    return LibreTranslator(source=source, target=target, custom_url=f"{address.url}/", api_key=key)


@pytest.mark.parametrize("source", ["en", "auto", "English"])
def test_texts(address: Address, source: str) -> None:
    english, german = samples.translation()
    translator = client(address, source=source)
    assert translator.translate(english) == german
    assert translator.translate_batch([english, english]) == [german, german]


def test_a_language_that_no_model_writes(address: Address) -> None:
    with pytest.raises(ServerException, match="ERR_BAD_REQUEST"):
        client(address, target="fr").translate("Where is the station?")


def test_an_api_key(keyed: KeyedServer) -> None:
    english, german = samples.translation()
    assert client(keyed.address, key=keyed.key).translate(english) == german
    with pytest.raises(AuthorizationException):
        client(keyed.address, key="lectern_wrong").translate(english)
