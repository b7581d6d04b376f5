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


@pytest.mark.parametrize("number", ["12,50", "49,90", "1 200,50", "10 000", "12:30", "01/02/2024", "01 23 45 67 89"])
def test_french_numbers(number: str, french: TestClient) -> None:
    words = _words(_tag(french, f"Il dit que c'est {number}."))
    assert words == ["Il", "dit", "que", "c'", "est", number, "."]
    assert _words(_tag(french, f"Cela coûte {number}€ ou {number} €."))[2:-1] == [number, "€", "ou", number, "€"]


def test_german_contractions(german: TestClient) -> None:
    text = "Peter geht zum Bahnhof. Anna wohnt im Haus am Markt."
    result = _tag(german, text)
    assert _splits(result) == [("zum", ["zu", "dem"]), ("im", ["in", "dem"]), ("am", ["an", "dem"])]
    assert [text[one["start"] : one["end"]] for one in result["sentences"]] == [text[:23], text[24:]]
    assert [token["tag"] for token in result["tokens"]][:6] == ["PROPN", "VERB", "ADP", "DET", "NOUN", "PUNCT"]


_UNITS = {"unicode": ("utf-32-le", 4), "utf16": ("utf-16-le", 2), "utf8": ("utf-8", 1)}


@pytest.mark.parametrize("name", ["ner-en", "pos-en", "pos-fr"])
def test_invisible_and_combining_characters(name: str, tmp_path: Path) -> None:
    """As many tokens out as in, and the text between a token's offsets is the token, in every unit."""
    odd = ["\u200b", "\ufeff", "\u200d", "\u0301", "\u200f", "\u202e", "\xad", "\u2060", "\ufe0f", "😀", "👩🏽\u200d🚀"]
    texts = [text.replace("*", one) for one in odd for text in ("*Ada is in Berlin.", "Ada *is* in Ber*lin.*", "*")]
    tokens = [["Ada", f"i{one}s", f"{one}in", one, "Berlin"] for one in odd]
    for client in _client(name, tmp_path):
        for unit, (encoding, size) in _UNITS.items():
            results = client.post("/v1/tag", json={"texts": texts, "offsets": unit}).json()["results"]
            for text, result in zip(texts, results, strict=True):
                encoded = text.encode(encoding)
                shared = {index for split in result.get("multiword", ()) for index in split["tokens"]}
                for index, token in enumerate(result["tokens"]):
                    start, end = token["start"] * size, token["end"] * size
                    assert index in shared or encoded[start:end].decode(encoding) == token["text"]
        results = client.post("/v1/tag", json={"tokens": tokens}).json()["results"]
        assert [_words(result) for result in results] == tokens


def test_cells_of_a_table_are_tagged_one_by_one(tmp_path: Path) -> None:
    for client in _client("ner-en", tmp_path):
        (result,) = client.post("/v1/tag", json={"text": "Anna\tBerlin\nTom\tParis"}).json()["results"]
        assert [(one["text"], one["label"]) for one in result["entities"]] == [
            ("Anna", "PER"), ("Berlin", "LOC"), ("Tom", "PER"), ("Paris", "LOC"),
        ]  # fmt: skip
