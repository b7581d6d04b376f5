"""/v1/tag over HTTP: answers and refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from service.api.openai import ModelCard
from service.api.token_classification import TagAnswer
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.http import JSON, client_of, problem_of
from tests.support.metrics import metric_value
from tests.support.tagger_bundles import CHARACTERS, LABELS, MAX_CHARACTERS, WORDS, write_tagger


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with models of parts of speech, names and digits."""
    folder = tmp_path_factory.mktemp("models")
    write_tagger(folder, "pos", kind="tags")
    write_tagger(folder, "names", kind="spans")
    write_classifier(folder)
    settings = Settings(models=folder, max_texts=20, max_text_bytes=60_000, max_total_tokens=50_000)
    with client_of(settings) as client:
        yield client


@pytest.fixture(scope="module")
def french(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with a model that has a segmenter."""
    folder = tmp_path_factory.mktemp("french")
    write_tagger(folder, "french", contractions={"du": ("de", "le")})
    with client_of(Settings(models=folder)) as client:
        yield client


def ask(client: TestClient, model: str = "pos", **body: Any) -> Any:
    response = client.post("/v1/tag", json={"model": model} | body)
    assert response.status_code == 200, response.text
    TagAnswer.model_validate(response.json())
    return response.json()


@pytest.mark.parametrize("repetitions", [1, 500])
def test_a_model_that_learned_its_language_splits_contractions(french: TestClient, repetitions: int) -> None:
    text = "Ada d'accord du Paris. " * repetitions
    (result,) = ask(french, "french", text=text)["results"]
    assert [token["text"] for token in result["tokens"]] == [
        "Ada", "d'", "accord", "de", "le", "Paris", "."
    ] * repetitions  # fmt: skip
    assert result["multiword"][0] == {"text": "du", "start": 13, "end": 15, "tokens": [3, 4]}
    assert len(result["multiword"]) == len(result["sentences"]) == repetitions
    for split in result["multiword"]:
        assert text[split["start"] : split["end"]] == "du"
        assert [result["tokens"][index]["text"] for index in split["tokens"]] == ["de", "le"]


def test_a_text(client: TestClient) -> None:
    answer = ask(client, "names", version=1, text="Ada wrote to Zoë 😀 in New York.")
    assert (answer["model"], answer["version"]) == ("names", "1")
    (result,) = answer["results"]
    assert "multiword" not in result, "only of models that learned their tokenizer"
    assert result["sentences"] == [{"start": 0, "end": 31}]
    assert [(token["text"], token["start"], token["end"], token["tag"]) for token in result["tokens"]] == [
        ("Ada", 0, 3, "B-PER"),
        ("wrote", 4, 9, "O"),
        ("to", 10, 12, "O"),
        ("Zoë", 13, 16, "B-PER"),
        ("😀", 17, 18, "O"),
        ("in", 19, 21, "O"),
        ("New", 22, 25, "B-LOC"),
        ("York", 26, 30, "I-LOC"),
        (".", 30, 31, "O"),
    ]
    assert [(entity["text"], entity["label"], entity["start"], entity["end"]) for entity in result["entities"]] == [
        ("Ada", "PER", 0, 3),
        ("Zoë", "PER", 13, 16),
        ("New York", "LOC", 22, 30),
    ]


def test_texts_and_tokens_have_the_result_of_each_text(client: TestClient) -> None:
    (alone,) = ask(client, text="the cat sat.")["results"]
    assert "entities" not in alone
    assert ask(client, texts=["the cat sat.", "", "the cat sat."])["results"] == [
        alone,
        {"sentences": [], "tokens": []},
        alone,
    ]
    (joined,) = ask(client, tokens=[["the", "cat", "sat", "."]])["results"]
    assert [token["score"] for token in joined["tokens"]] == [token["score"] for token in alone["tokens"]]
    assert [token["start"] for token in joined["tokens"]] == [0, 4, 8, 12]
    assert joined["sentences"] == [{"start": 0, "end": 13}]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x85", "\u2028"])
def test_lines_are_sentences(client: TestClient, french: TestClient, line_break: str) -> None:
    (result,) = ask(client, "names", text=line_break.join(["Ada", "Paris", "Zoë"]))["results"]
    assert [entity["text"] for entity in result["entities"]] == ["Ada", "Paris", "Zoë"]
    for asked, model in ((client, "pos"), (french, "french")):
        text = line_break.join(["The cat sat in Paris"] * 300)
        (result,) = ask(asked, model, text=text)["results"]
        assert len(result["sentences"]) == 300
        assert {text[sentence["start"] : sentence["end"]] for sentence in result["sentences"]} == {
            "The cat sat in Paris"
        }


def test_a_wrapped_line_goes_on(client: TestClient) -> None:
    text = "The cat sat and the cat sat and the cat sat beside New\nYork in Paris."
    (result,) = ask(client, "names", text=text)["results"]
    assert result["sentences"] == [{"start": 0, "end": len(text)}]
    assert [entity["text"] for entity in result["entities"]] == ["New\nYork", "Paris"]


@pytest.mark.parametrize(
    ("unit", "ada", "end"), [(None, (5, 8), 17), ("unicode", (5, 8), 17), ("utf16", (6, 9), 19), ("utf8", (11, 14), 27)]
)
def test_offsets_in_the_unit_asked_for(
    client: TestClient, french: TestClient, unit: str | None, ada: tuple[int, int], end: int
) -> None:
    text = "e\u0301 😀\ufeffAda in Zoë 😀"
    words = ["e\u0301", "😀", "\ufeff", "Ada", "in", "Zoë", "😀"]
    (result,) = ask(client, "names", text=text, offsets=unit)["results"]
    assert [token["text"] for token in result["tokens"]] == words
    assert (result["tokens"][3]["start"], result["tokens"][3]["end"]) == ada
    assert result["sentences"] == [{"start": 0, "end": end}]
    assert_offsets(result, text, unit)
    (result,) = ask(client, "names", tokens=[words], offsets=unit)["results"]
    assert [token["text"] for token in result["tokens"]] == words
    assert_offsets(result, " ".join(words), unit)
    for repetitions in (1, 200):
        text = "é 😀 du Paris. " * repetitions
        (result,) = ask(french, "french", text=text, offsets=unit)["results"]
        assert len(result["multiword"]) == repetitions
        assert_offsets({"multiword": result["multiword"], "sentences": result["sentences"]}, text, unit)


def assert_offsets(result: dict[str, Any], text: str, unit: str | None) -> None:
    """Assert that each start and end, counted in the unit, cut the text that is answered with them."""
    encoding = {"utf16": "utf-16-le", "utf8": "utf-8"}.get(unit or "", "utf-32-le")
    size = {"utf16": 2, "utf8": 1}.get(unit or "", 4)
    encoded = text.encode(encoding)
    for field in ("tokens", "entities", "multiword", "sentences"):
        for span in result.get(field, ()):
            own = encoded[span["start"] * size : span["end"] * size].decode(encoding)
            assert own
            assert own == span.get("text", own)
    last = result["sentences"][-1]["end"] * size
    assert encoded[:last].decode(encoding) == text.rstrip()


def test_zero_width_tokens_are_tokens(client: TestClient) -> None:
    words = ["Ada", "\u200b", "\u200d", "\ufeff", "\u0301", "\u00ad", "New York", "a\nb", "\ue000"]
    (result,) = ask(client, "names", tokens=[words])["results"]
    assert [token["text"] for token in result["tokens"]] == words


def test_empty_texts(client: TestClient) -> None:
    empty = {"sentences": [], "tokens": []}
    assert ask(client, text="")["results"] == [empty]
    assert ask(client, text=" \n\t\u00a0 ")["results"] == [empty]
    assert ask(client, tokens=[[]])["results"] == [empty]
    assert ask(client, texts=[])["results"] == []


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x01\x1f the \x7f\x85cat",
        "\u202eAda\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 Zoe\u0308",
        "\ufeff\u200bAda\u2060 \ufffd \U0010ffff \ue000",
        "👩🏽\u200d🚀🇫🇷🇩🇪 1️⃣ e\u0301\u0301\u0301",
        "a" * 50_000,
        "é" * 5_000 + " " + "!?" * 5_000,
        "\u0301" * 1_000,
    ],
)
def test_unusual_text_has_correct_offsets(client: TestClient, text: str) -> None:
    (result,) = ask(client, "names", text=text)["results"]
    assert [text[token["start"] : token["end"]] for token in result["tokens"]] == [
        token["text"] for token in result["tokens"]
    ]
    assert "".join(token["text"] for token in result["tokens"]) == "".join(text.split())


def test_the_headers_name_the_model(client: TestClient) -> None:
    headers = client.post("/v1/tag", json={"model": "pos", "text": "Ada"}).headers
    assert (headers["x-lectern-model"], headers["x-lectern-version"]) == ("pos", "1")
    assert headers["x-lectern-provider"] == "CPUExecutionProvider"
    for stage in ("preprocess", "queue", "infer", "postprocess"):
        assert f"{stage};dur=" in headers["server-timing"]


def test_requests_are_counted(client: TestClient) -> None:
    def count(name: str) -> float:
        return metric_value(client.get("/metrics").text, name, model="pos", outcome="success")

    before = count("lectern_requests_total")
    ask(client, text="Ada sat. Zoë wrote.")
    assert count("lectern_requests_total") == before + 1


def test_the_model_card_describes_the_tags(client: TestClient) -> None:
    card = ModelCard.model_validate(client.get("/v1/models/pos").json())
    assert card.task == "token-classification"
    assert card.labels == list(LABELS)
    assert card.details == {
        "kind": "tags",
        "entities": None,
        "tokenizer": "words",
        "words": len(WORDS),
        "characters": len(CHARACTERS) + 2,
        "max_characters": MAX_CHARACTERS,
        "crf": True,
    }
    assert card.limits == {
        "max_batch_size": 64,
        "max_body_bytes": 16 * 2**20,
        "deadline_seconds": 30.0,
        "max_texts": 20,
        "max_text_bytes": 60_000,
        "max_sentence_tokens": 1_000,
        "max_total_tokens": 50_000,
        "max_explained_inputs": 8,
        "max_explained_tokens": 1_000,
        "max_batch_tokens": 2_048,
    }


@pytest.mark.parametrize(
    ("body", "status", "field", "message"),
    [
        ({"model": "pos"}, 422, None, "send one of 'text', 'texts' and 'tokens'"),
        ({"model": "pos", "text": "a", "tokens": [["b"]]}, 422, None, "send one of 'text', 'texts' and 'tokens'"),
        ({"model": "pos", "text": ["a"]}, 422, "text", "Input should be a valid string"),
        ({"model": "pos", "texts": ["a", "b", "c", 4]}, 422, "texts[3]", "Input should be a valid string"),
        ({"model": "pos", "tokens": [["a"], ["b"], ["", "c"]]}, 422, "tokens[2][0]", "is empty; send a word"),
        ({"model": "pos", "tokens": [["a", " "]]}, 422, "tokens[0][1]", "is empty"),
        ({"model": "pos", "tokens": [["a"], None]}, 422, "tokens[1]", "Input should be a valid list"),
        ({"model": "pos", "tokens": [["a", ["b"]]]}, 422, "tokens[0][1]", "Input should be a valid string"),
        ({"model": "pos", "text": "a", "top_k": 3}, 422, "top_k", "is not a field of this request"),
        ({"model": "pos", "texts": ["a"] * 21}, 422, "texts", "21 texts, the limit is 20 (LECTERN_MAX_TEXTS)"),
        (
            {"model": "pos", "texts": ["", "Ada sat.\n\nHe " + "said " * 10_000]},
            422,
            "texts[1]",
            "its sentence 2, from character 10 ('He said said said said said said'…), has 10001 tokens, the limit is "
            "1000 (LECTERN_MAX_SENTENCE_TOKENS); end sentences with a full stop or a line break",
        ),
        ({"model": "pos", "tokens": [["a"] * 1_001]}, 422, "tokens[0]", "1001 tokens, the limit is 1000 (LECTERN_MAX"),
        ({"model": "pos", "text": "é" * 30_001}, 413, None, "text: 60002 bytes of text, the limit is 60000 (LECTERN_M"),
        ({"model": "pos", "texts": ["a", "a" * 60_001]}, 413, None, "texts[1]: 60001 bytes of text, the limit is"),
        ({"model": "pos", "texts": ["a! " * 5_001] * 9}, 422, "texts[4]", "more than 50000 tokens, the limit (LECT"),
        ({"model": "pos", "text": "a", "offsets": "bytes"}, 422, "offsets", "'unicode', 'utf16' or 'utf8'"),
        ({"text": "a"}, 422, "model", "several models serve this task, name one of: names, pos"),
        ({"model": "digits", "text": "a"}, 422, "model", "'digits' is of the task 'image-classification'"),
        ({"model": "gone", "text": "a"}, 404, None, "no model 'gone'"),
        ({"model": "pos", "version": 9, "text": "a"}, 404, None, "no version 9 of model 'pos'"),
    ],
)
def test_bad_input_is_named(
    client: TestClient, body: dict[str, Any], status: int, field: str | None, message: str
) -> None:
    response = client.post("/v1/tag", json=body)
    assert problem_of(response, status, message).get("field") == field


@pytest.mark.parametrize(
    ("content", "headers", "status", "message"),
    [
        (b"Ada sat.", {"content-type": "text/plain"}, 415, "send application/json"),
        (b'{"text": "Ada', JSON, 400, "not valid JSON"),
        (b'{"model": "pos", "text": "\\ud800 Ada"}', JSON, 400, "not valid JSON"),
        (b'{"model": "pos", "text": "caf\xe9"}', JSON, 400, "not valid JSON"),
        ('{"model": "pos", "text": "Ada"}'.encode("utf-16"), JSON, 400, "not valid JSON"),
        (b'["Ada"]', JSON, 422, "must be a JSON object"),
        (b"[" * 2_000, JSON, 400, "not valid JSON"),
    ],
)
def test_a_bad_body_is_refused(
    client: TestClient, content: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    response = client.post("/v1/tag", content=content, headers=headers)
    problem_of(response, status, message)


def test_a_body_of_wrong_items_is_refused_at_the_first_one(client: TestClient) -> None:
    body = orjson.dumps({"model": "pos", "tokens": [[1] * 5_000] * 20})
    response = client.post("/v1/tag", content=body, headers=JSON)
    assert response.status_code == 422
    assert response.json()["field"] == "tokens[0][0]"
