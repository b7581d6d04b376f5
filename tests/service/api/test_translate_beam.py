"""/v1/translate with `beam`, and with `offsets`: the search as a tree, and where a part was kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.translation import TranslateAnswer
from service.settings import Settings
from tests.support.http import client_of, problem_of
from tests.support.translator_bundles import write_translator

EN_DE = {"source": "en", "target": "de"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of one translator."""
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder)
    with client_of(Settings(models=folder, max_explained_inputs=3, max_explained_tokens=40)) as client:
        yield client


def _ask(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    response = client.post("/v1/translate", json=EN_DE | body)
    assert response.status_code == 200, response.text
    assert TranslateAnswer.model_validate(response.json())
    results: list[dict[str, Any]] = response.json()["results"]
    return results


def test_the_search_of_each_sentence(client: TestClient) -> None:
    (plain,) = _ask(client, text="The dog sleeps. I love you!", beam_size=3)
    (result,) = _ask(client, text="The dog sleeps. I love you!", beam_size=3, beam=True)
    assert {name: value for name, value in result.items() if name not in ("sentences", "copied")} == plain
    assert len(result["sentences"]) == 2
    for sentence in result["sentences"]:
        assert "alignment" not in sentence
        hypotheses = [one | {"step": step["step"]} for step in sentence["beam"] for one in step["hypotheses"]]
        assert [one["id"] for one in hypotheses] == list(range(len(hypotheses)))
        assert [step["step"] for step in sentence["beam"]] == list(range(1, len(sentence["beam"]) + 1))
        for one in hypotheses:
            parent = None if one["parent"] is None else hypotheses[one["parent"]]
            assert one["step"] == (1 if parent is None else parent["step"] + 1)
            assert one["score"] <= (0 if parent is None else parent["score"])
        pieces, number = [], sentence["best"]
        while number is not None:
            pieces.append(hypotheses[number]["piece"])
            number = hypotheses[number]["parent"]
        assert pieces[::-1] == sentence["target_tokens"]
        assert pieces[0] == "</s>"


def test_with_the_alignment(client: TestClient) -> None:
    (result,) = _ask(client, text="The dog sleeps.", alignment=True, beam=True)
    (sentence,) = result["sentences"]
    assert len(sentence["alignment"]) == len(sentence["target_tokens"])
    assert sentence["beam"]


def test_the_sentences_of_alternatives_are_paths_of_the_search(client: TestClient) -> None:
    body = {"text": "The big house. I love you!", "alternatives": 3, "beam": True, "alternative_sentences": True}
    (result,) = _ask(client, **body)
    assert len(result["alternatives"]) == 3
    for alternative in result["alternatives"]:
        sentence = alternative["sentence"]
        assert sentence.keys() == {"index", "source_tokens", "target_tokens"}
        hypotheses = [one for step in result["sentences"][sentence["index"]]["beam"] for one in step["hypotheses"]]
        paths: list[list[str]] = []
        for one in hypotheses:
            paths.append([*([] if one["parent"] is None else paths[one["parent"]]), one["piece"]])
        assert paths.count(sentence["target_tokens"]) == 1


@pytest.mark.parametrize("body", [{}, {"beam": False}, {"beam": None}, {"offsets": None}])
def test_without_it_the_answer_is_as_ever(client: TestClient, body: dict[str, Any]) -> None:
    assert _ask(client, text="The dog sleeps.", **body) == _ask(client, text="The dog sleeps.")


@pytest.mark.parametrize("unit", ["unicode", "utf16", "utf8"])
def test_what_was_copied_is_marked(client: TestClient, unit: str) -> None:
    text = "😀 The dog sleeps.\nhttps://example.org/a\n  Good morning"
    (result,) = _ask(client, text=text, alignment=True, offsets=unit)
    encoding = {"unicode": "utf-32-le", "utf16": "utf-16-le", "utf8": "utf-8"}[unit]
    size = {"unicode": 4, "utf16": 2, "utf8": 1}[unit]
    content = result["text"].encode(encoding)
    copied = [content[size * one["start"] : size * one["end"]].decode(encoding) for one in result["copied"]]
    assert "https://example.org/a" in copied
    assert any("😀" in one for one in copied)
    assert all(one.strip() == one and one for one in copied)
    assert "copied" not in _ask(client, text=text)[0]
    assert "copied" not in _ask(client, text="The dog sleeps.", alignment=True)[0]


def test_marks_that_are_in_the_text_itself_mark_nothing(client: TestClient) -> None:
    (result,) = _ask(client, text="The dog \ufdd0 sleeps. \ufdd1", alignment=True)
    plain = _ask(client, text="The dog \ufdd0 sleeps. \ufdd1")[0]
    assert result["text"] == plain["text"]


def test_nothing_to_translate_has_no_search(client: TestClient) -> None:
    assert [result["sentences"] for result in _ask(client, texts=["", " "], beam=True)] == [[], []]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"beam": "maybe"}, "beam: Input should be a valid boolean"),
        ({"beam": 1}, "beam: Input should be a valid boolean"),
        ({"text": None, "texts": ["a"] * 4}, "beam: 4 texts with their beams, the limit is 3"),
        ({"text": "The dog sleeps. " * 12}, "subwords, the limit is 40 (LECTERN_MAX_EXPLAINED_TOKENS)"),
        ({"offsets": "utf7"}, "offsets: Input should be 'unicode', 'utf16' or 'utf8'"),
    ],
)
def test_what_is_refused(client: TestClient, body: dict[str, Any], message: str) -> None:
    problem_of(client.post("/v1/translate", json=EN_DE | {"text": "Hi", "beam": True} | body), 422, message)


def test_a_stream_has_no_beam(client: TestClient) -> None:
    headers = {"accept": "text/event-stream"}
    answer = client.post("/v1/translate", json=EN_DE | {"text": "Hi", "beam": True}, headers=headers)
    problem_of(answer, 422, "beam: a stream has none")


@pytest.mark.parametrize(("unit", "start", "end"), [("unicode", 18, 21), ("utf16", 19, 22), ("utf8", 21, 24)])
def test_offsets_of_what_was_kept(client: TestClient, unit: str, start: int, end: int) -> None:
    (result,) = _ask(client, text="The dog sleeps. 😀\n;-)\nGood morning", offsets=unit)
    kept = [one for one in result.get("kept", ()) if one["reason"] == "no_letters"]
    assert kept, result
    assert [(one["start"], one["end"]) for one in kept] == [(start, end)]
