"""Raw French and German text over HTTP, by the shipped taggers that learned how their language is cut."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.settings import Settings
from tests.support.http import client_of

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def french(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield from _client("pos-fr", tmp_path_factory.mktemp("french"))


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    yield from _client("pos-de", tmp_path_factory.mktemp("german"))


def _client(name: str, folder: Path) -> Iterator[TestClient]:
    """A client of a server with this model alone, which then answers requests that name none."""
    if not (MODELS / name).is_dir():
        pytest.skip(f"needs the shipped model: there is no models/{name}")
    shutil.copytree(MODELS / name, folder / name)
    with client_of(Settings(models=folder)) as client:
        yield client


def _tag(client: TestClient, text: str) -> dict[str, Any]:
    response = client.post("/v1/tag", json={"text": text})
    assert response.status_code == 200, response.text
    (result,) = response.json()["results"]
    assert isinstance(result, dict)
    shared = {index for split in result["multiword"] for index in split["tokens"]}
    for index, token in enumerate(result["tokens"]):
        assert index in shared or token["text"] == text[token["start"] : token["end"]]
    return result


def _words(result: dict[str, Any]) -> list[str]:
    return [token["text"] for token in result["tokens"]]


def _splits(result: dict[str, Any]) -> list[tuple[str, list[str]]]:
    words = _words(result)
    return [(split["text"], [words[index] for index in split["tokens"]]) for split in result["multiword"]]


def test_french_elisions(french: TestClient) -> None:
    result = _tag(french, "L'homme qu'elle aime n'est pas d'accord.")
    assert _words(result) == ["L'", "homme", "qu'", "elle", "aime", "n'", "est", "pas", "d'", "accord", "."]
    assert result["multiword"] == []
    tags = [token["tag"] for token in result["tokens"]]
    assert (tags[0], tags[1], tags[3], tags[-1]) == ("DET", "NOUN", "PRON", "PUNCT")


def test_french_contractions(french: TestClient) -> None:
    text = "Il parle du film aux enfants. Le directeur des musées va au marché."
    result = _tag(french, text)
    assert _splits(result) == [
        ("du", ["de", "le"]), ("aux", ["à", "les"]), ("des", ["de", "les"]), ("au", ["à", "le"])
    ]  # fmt: skip
    for split in result["multiword"]:
        assert text[split["start"] : split["end"]] == split["text"]
        tokens = [result["tokens"][index] for index in split["tokens"]]
        assert [token["tag"] for token in tokens] == ["ADP", "DET"]
        assert {(token["start"], token["end"]) for token in tokens} == {(split["start"], split["end"])}
    assert [text[one["start"] : one["end"]] for one in result["sentences"]] == [text[:29], text[30:]]


def test_german_contractions(german: TestClient) -> None:
    text = "Peter geht zum Bahnhof. Anna wohnt im Haus am Markt."
    result = _tag(german, text)
    assert _splits(result) == [("zum", ["zu", "dem"]), ("im", ["in", "dem"]), ("am", ["an", "dem"])]
    assert [text[one["start"] : one["end"]] for one in result["sentences"]] == [text[:23], text[24:]]
    assert [token["tag"] for token in result["tokens"]][:6] == ["PROPN", "VERB", "ADP", "DET", "NOUN", "PUNCT"]
