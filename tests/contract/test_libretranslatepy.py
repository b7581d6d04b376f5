"""The `libretranslatepy` package, unmodified from PyPI, against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest

from service.settings import Settings
from tests.support.server import running
from tests.support.translator_bundles import write_translator

libretranslatepy = pytest.importorskip("libretranslatepy")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder)
    write_translator(folder, source="de", target="en")
    with running(Settings(models=folder)) as url:
        yield libretranslatepy.LibreTranslateAPI(url, api_key="ignored")


def test_translate(client: Any) -> None:
    assert client.translate("The dog sleeps & drinks.", "en", "de") == "Der Hund schläft und trinkt."
    assert client.translate("Hallo Welt!", "de", "en") == "Hello world!"
    assert client.translate("", "en", "de") == ""
    assert client.translate("Die Katze schläft", "auto", "en") == "Die cat sleeps"


def test_detect(client: Any) -> None:
    detections = client.detect("The cat is tired")
    assert detections[0]["language"] == "en"
    assert 50 < detections[0]["confidence"] <= 100


def test_languages(client: Any) -> None:
    assert {language["code"]: language["name"] for language in client.languages()} == {"de": "German", "en": "English"}


def test_errors(client: Any) -> None:
    with pytest.raises(HTTPError) as raised:
        client.translate("Hello", "en", "fr")
    assert raised.value.code == 400
    assert json.loads(raised.value.read())["error"] == "fr is not supported"
