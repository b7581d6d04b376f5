"""/v1/translate over HTTP: answers, streams and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import orjson
import pytest
from starlette.testclient import TestClient

from service.api.openai import ModelCard
from service.api.translation import TranslateAnswer
from service.app import create_app
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.http import JSON, client_of, problem_of
from tests.support.metrics import metric_value
from tests.support.translator_bundles import write_translator

STREAM = {"accept": "text/event-stream"}
EN_DE = {"source": "en", "target": "de"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with two translators and a model of digits."""
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder)
    write_translator(folder, source="de", target="en")
    write_classifier(folder)
    settings = Settings(models=folder, max_texts=20, max_total_characters=20_000)
    with client_of(settings) as client:
        yield client


def ask(client: TestClient, **body: Any) -> Any:
    response = client.post("/v1/translate", json=EN_DE | body)
    assert response.status_code == 200, response.text
    TranslateAnswer.model_validate(response.json())
    return response.json()


def events(client: TestClient, **body: Any) -> list[Any]:
    response = client.post("/v1/translate", json=EN_DE | body, headers=STREAM)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-lectern-model"] == "translate-en-de"
    assert "content-length" not in response.headers
    lines = response.text.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines)
    return [orjson.loads(line.removeprefix("data: ")) for line in lines]


def test_a_text(client: TestClient) -> None:
    answer = ask(client, text="The dog sleeps. I love 😀 you!\nGood morning")
    assert (answer["model"], answer["version"]) == ("translate-en-de", "1")
    (result,) = answer["results"]
    assert result["text"] == "Der Hund schläft. Ich liebe 😀 du!\nGuten Morgen"
    assert -0.1 < result["score"] < 0
    assert result["alternatives"] == []
    assert "sentences" not in result


@pytest.mark.parametrize(
    ("body", "model", "text"),
    [
        ({"source": "en", "target": "de"}, "translate-en-de", "Hallo"),
        ({"source": "en"}, "translate-en-de", "Hallo"),
        ({"target": "de"}, "translate-en-de", "Hallo"),
        ({"source": "DE", "target": " en "}, "translate-de-en", "Hello"),
        ({"model": "translate-de-en"}, "translate-de-en", "Hello"),
        ({"model": "translate-de-en", "version": 1, "source": "de"}, "translate-de-en", "Hello"),
    ],
)
def test_the_pair_chooses_the_model(client: TestClient, body: dict[str, Any], model: str, text: str) -> None:
    response = client.post("/v1/translate", json=body | {"text": "Hello"})
    assert response.json()["model"] == response.headers["x-lectern-model"] == model
    assert response.json()["results"][0]["text"] == text


def test_texts_alternatives_and_alignment(client: TestClient) -> None:
    (alone,) = ask(client, text="The big house.", alternatives=2, alignment=True)["results"]
    others = {"Der riesig Haus.", "Der groß Heim.", "The groß Haus."}
    assert len(alone["alternatives"]) == 2
    assert {other["text"] for other in alone["alternatives"]} <= others
    (sentence,) = alone["sentences"]
    assert sentence["target_tokens"] == ["▁Der", "▁groß", "▁Haus", ".", "</s>"]
    assert [sum(row) for row in sentence["alignment"]] == [1.0] * 5
    texts = ["The big house.", "", "The big house."]
    empty = {"text": "", "score": None, "alternatives": [], "sentences": []}
    assert ask(client, texts=texts, alternatives=2, alignment=True)["results"] == [alone, empty, alone]
    assert ask(client, texts=[])["results"] == []


def test_each_alternative_can_have_the_sentence_where_it_differs(client: TestClient) -> None:
    body: dict[str, Any] = {"text": "I love you. The big house.", "alternatives": 3, "alignment": True}
    (plain,) = ask(client, **body)["results"]
    (result,) = ask(client, **body, alternative_sentences=True)["results"]
    assert len(result["alternatives"]) == 3
    for alternative in result["alternatives"]:
        sentence = alternative.pop("sentence")
        replaced = result["sentences"][sentence.pop("index")]
        assert sentence["source_tokens"] == replaced["source_tokens"]
        assert sentence["target_tokens"] != replaced["target_tokens"]
        words = "".join(sentence["target_tokens"][:-1]).replace("▁", " ").strip()
        assert words in alternative["text"]
        assert len(sentence["alignment"]) == len(sentence["target_tokens"])
        assert {len(row) for row in sentence["alignment"]} == {len(sentence["source_tokens"])}
    assert result == plain
    assert ask(client, text=body["text"], alignment=True, alternative_sentences=True) == ask(
        client, text=body["text"], alignment=True
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": "Hi", "alternatives": 1}, "alternative_sentences: needs alignment or beam"),
        (
            {"texts": ["Hi"] * 9, "alignment": True},
            "alternative_sentences: 9 texts with sentences of their alternatives, the limit is 8",
        ),
    ],
)
def test_sentences_of_alternatives_are_refused(client: TestClient, body: dict[str, Any], message: str) -> None:
    answer = client.post("/v1/translate", json={"source": "en", "target": "de", "alternative_sentences": True} | body)
    problem_of(answer, 422, message)


def test_inline_tags_follow_their_words(client: TestClient) -> None:
    text = "The <b>big</b> dog. <i>I love <u>you</u></i>, 😀 not <b>the cat</b>"
    (result,) = ask(client, text=text, alternatives=1)["results"]
    assert result["text"] == "Der <b>groß</b> Hund. <i>Ich liebe <u>du</u></i>, 😀 nicht <b>der Katze</b>"
    assert result["alternatives"][0]["text"].count("<") == text.count("<")
    assert "sentences" not in result
    *deltas, done = events(client, text=text)
    (greedy,) = ask(client, text=text, beam_size=1)["results"]
    assert "".join(delta["text_delta"] for delta in deltas) == greedy["text"] == result["text"]
    assert done["results"] == [greedy]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5_000,
        "😀" * 5_000,
        "<p>The <b>dog</b></p>" * 200,
        "<b>" * 1_200 + "the dog" + "</b>" * 800,
        "the <b>dog</b> " * 600,
        "日本 the Привет dog שלום" * 100,
        "\x00\x01\x1f the \x7f\x85cat\ufeff \ufffd \U0010ffff",
        "the dog " * 1_250,
        "." * 10_000,
        "!a" * 5_000,
    ],
)
def test_unusual_texts_are_answered(client: TestClient, text: str) -> None:
    (result,) = ask(client, text=text, beam_size=2)["results"]
    assert len(result["text"]) >= len(text) / 3


def test_a_stream_is_the_greedy_answer_in_parts(client: TestClient) -> None:
    text = " The dog sleeps. I love 😀 you!\nGood morning "
    *deltas, done = events(client, text=text)
    assert all(list(delta) == ["index", "text_delta"] and delta["index"] == 0 for delta in deltas)
    assert len(deltas) > 4
    (result,) = ask(client, text=text, beam_size=1)["results"]
    assert "".join(delta["text_delta"] for delta in deltas) == result["text"]
    assert done == {"done": True, "model": "translate-en-de", "version": "1", "results": [result]}


def test_a_stream_of_several_texts(client: TestClient) -> None:
    texts = ["The dog. The cat!", "", "😀", "Good morning"]
    *deltas, done = events(client, texts=texts, alignment=True)
    for index, result in enumerate(done["results"]):
        assert "".join(delta["text_delta"] for delta in deltas if delta["index"] == index) == result["text"]
    assert [len(result["sentences"]) for result in done["results"]] == [2, 0, 0, 1]
    assert events(client, text="") == [
        {"done": True, "model": "translate-en-de", "version": "1"}
        | {"results": [{"text": "", "score": None, "alternatives": []}]}
    ]


@pytest.mark.parametrize("accept", ["text/event-stream;q=0.9, */*", "application/json, TEXT/EVENT-STREAM"])
def test_an_event_stream_among_the_accepted_media_types(client: TestClient, accept: str) -> None:
    response = client.post("/v1/translate", json=EN_DE | {"text": "The dog"}, headers={"accept": accept})
    assert response.text.startswith("data: ")


@pytest.mark.parametrize("accept", ["text/event-stream;q=0", "application/json, text/event-stream; q=0.0"])
def test_an_event_stream_that_is_not_accepted(client: TestClient, accept: str) -> None:
    response = client.post("/v1/translate", json=EN_DE | {"text": "The dog"}, headers={"accept": accept})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"text": "a", "beam_size": 5}, 422, "beam_size: a stream is greedy; send 1, leave it out, or accept"),
        ({"text": "a", "alternatives": 1}, 422, "alternatives: a stream is greedy and has none"),
        ({"text": "a" * 10_001}, 422, "text: has 10001 characters"),
        ({"text": "a", "target": "xx"}, 422, "target: no served model has target 'xx'"),
        ({"text": "a", "model": "gone"}, 404, "no model 'gone'"),
    ],
)
def test_an_invalid_request_for_a_stream_is_refused_before_it_begins(
    client: TestClient, body: dict[str, Any], status: int, detail: str
) -> None:
    response = client.post("/v1/translate", json=EN_DE | body, headers=STREAM)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith(detail)


PAIRS = "available: de-en, en-de"


@pytest.mark.parametrize(
    ("body", "status", "field", "message"),
    [
        (EN_DE, 422, None, "send one of 'text' and 'texts'"),
        (EN_DE | {"text": "a", "texts": ["a"]}, 422, None, "send one of 'text' and 'texts'"),
        (EN_DE | {"text": 5}, 422, "text", "Input should be a valid string"),
        (EN_DE | {"text": None}, 422, None, "send one of"),
        (EN_DE | {"texts": ["a", "b", "c", 4]}, 422, "texts[3]", "Input should be a valid string"),
        (EN_DE | {"text": "a", "format": "html"}, 422, "format", "is not a field of this request"),
        (EN_DE | {"text": "a", "beam_size": 0}, 422, "beam_size", "is 0, must be from 1 to 16 (LECTERN_MAX_BEAM_SIZE)"),
        (EN_DE | {"text": "a", "beam_size": 1_000}, 422, "beam_size", "is 1000, must be from 1 to 16"),
        (EN_DE | {"text": "a", "beam_size": 2.5}, 422, "beam_size", "Input should be a valid integer"),
        (EN_DE | {"text": "a", "beam_size": "5"}, 422, "beam_size", "Input should be a valid integer"),
        (EN_DE | {"text": "a", "beam_size": 10**18}, 422, "beam_size", "is 1000000000000000000, must be from 1 to"),
        (EN_DE | {"text": "a", "alternatives": 10_000}, 422, "alternatives", "is 10000, must be below the beam size"),
        (EN_DE | {"text": "a" * 10_001}, 422, "text", "has 10001 characters, the limit is 10000 (LECTERN_MAX_CHARA"),
        (
            EN_DE | {"texts": ["a " * 4_000] * 3},
            422,
            "texts[2]",
            "more than 20000 characters, the limit (LECTERN_MAX_T",
        ),
        (EN_DE | {"texts": ["a"] * 21}, 422, "texts", "21 texts, the limit is 20 (LECTERN_MAX_TEXTS)"),
        ({"text": "a"}, 422, "source", "is needed: several models fit (de-en, en-de)"),
        ({"text": "a", "source": "en", "target": "fr"}, 422, "target", f"no served model has target 'fr'; {PAIRS}"),
        ({"text": "a", "source": "fr", "target": "de"}, 422, "source", f"no served model has source 'fr'; {PAIRS}"),
        (
            {"text": "a", "source": "en", "target": "en"},
            422,
            "target",
            f"no served model has source 'en' and target 'en'; {PAIRS}",
        ),
        ({"text": "a", "source": "", "target": "en"}, 422, "source", f"no served model has source ''; {PAIRS}"),
        (
            {"text": "a", "model": "translate-en-de", "source": "de"},
            422,
            "source",
            "model 'translate-en-de' has source 'en'; send that or leave source out",
        ),
        ({"text": "a", "model": "digits"}, 422, "model", "'digits' is of the task 'image-classification'"),
        ({"text": "a", "model": "gone"}, 404, None, "no model 'gone'"),
        (EN_DE | {"text": "a", "version": 9}, 404, None, "no version 9 of model 'translate-en-de'"),
    ],
)
def test_bad_input_is_named(
    client: TestClient, body: dict[str, Any], status: int, field: str | None, message: str
) -> None:
    response = client.post("/v1/translate", content=json.dumps(body).encode(), headers=JSON)
    assert problem_of(response, status, message).get("field") == field


@pytest.mark.parametrize(
    ("content", "headers", "status", "message"),
    [
        (b"The dog", {"content-type": "text/plain"}, 415, "send application/json"),
        (b'{"text": "The', JSON, 400, "not valid JSON"),
        (b'{"source": "en", "text": "\\ud800 dog"}', JSON, 400, "not valid JSON"),
        (b'["The dog"]', JSON, 422, "must be a JSON object"),
    ],
)
def test_a_bad_body_is_refused(
    client: TestClient, content: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    response = client.post("/v1/translate", content=content, headers=headers)
    problem_of(response, status, message)


def test_one_of_several_models_of_a_pair_must_be_named(tmp_path: Any) -> None:
    write_translator(tmp_path, "one")
    write_translator(tmp_path, "two")
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        for pair in (EN_DE, {"source": "en"}, {}):
            problem = client.post("/v1/translate", json=pair | {"text": "The dog"}).json()
            assert problem["detail"] == "model: several models serve this task, name one of: one, two"
        client.post("/v2/repository/models/one/unload")
        assert client.post("/v1/translate", json={"text": "The dog"}).json()["model"] == "two"


def test_a_server_without_a_translator_says_so(tmp_path: Any) -> None:
    write_classifier(tmp_path)
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        response = client.post("/v1/translate", json=EN_DE | {"text": "The dog"})
        assert response.status_code == 404
        assert response.json()["detail"] == "no model for the task 'translation' is served"


def test_stage_times_are_in_the_headers_and_runs_are_counted(client: TestClient) -> None:
    def count(name: str) -> float:
        return metric_value(client.get("/metrics").text, name, model="translate-en-de")

    before = count("lectern_executions_total"), count("lectern_inferences_total")
    response = client.post("/v1/translate", json=EN_DE | {"texts": ["The dog", "The cat", "The dog"], "beam_size": 1})
    for stage in ("preprocess", "queue", "infer", "postprocess"):
        assert f"{stage};dur=" in response.headers["server-timing"]
    after = count("lectern_executions_total"), count("lectern_inferences_total")
    assert (after[0] - before[0], after[1] - before[1]) == (3, 9), "three steps of three sentences"


def test_the_model_card_describes_the_pair(client: TestClient) -> None:
    card = ModelCard.model_validate(client.get("/v1/models/translate-en-de").json())
    assert card.task == "translation"
    assert not card.inline
    assert card.details == {
        "source": "en",
        "target": "de",
        "source_pieces": 320,
        "target_pieces": 320,
        "attention": True,
        "beam_size": 5,
        "length_penalty": 1.0,
        "coverage_penalty": 0.0,
        "max_source_tokens": 40,
    }
    assert card.limits == {
        "max_batch_size": 64,
        "max_body_bytes": 16 * 2**20,
        "deadline_seconds": 30.0,
        "max_texts": 20,
        "max_characters": 10_000,
        "max_total_characters": 20_000,
        "max_explained_inputs": 8,
        "max_explained_tokens": 1_000,
        "max_beam_size": 16,
        "max_batch_hypotheses": 160,
    }


def test_auto_identifies_the_language(client: TestClient) -> None:
    answer = ask(client, source="auto", texts=["The cat drinks milk", "😀"])
    first, second = answer["results"]
    assert first["text"] == "Der Katze trinkt Milch"
    assert first["detected"]["language"] == "en"
    assert first["detected"]["confidence"] > 90
    assert second["detected"] == {"language": "en", "confidence": 0.0}
    assert "detected" not in ask(client, text="The cat")["results"][0]
    assert events(client, source="AUTO", text="The cat")[-1]["results"][0]["detected"]["language"] == "en"


@pytest.mark.skipif(find_spec("fasttext") is None, reason="fastText has no wheels for this Python")
def test_auto_refuses_a_language_that_no_model_reads(client: TestClient) -> None:
    bodies = {"text": {"text": "Waar is het station?"}, "texts[1]": {"texts": ["The cat", "Il pleut toujours."]}}
    for field, body in bodies.items():
        response = client.post("/v1/translate", json={"source": "auto", "target": "de"} | body)
        message = "which no served model reads; if it is in de or en, send that as 'source'"
        assert problem_of(response, 422, message)["field"] == field


def test_auto_takes_texts_of_one_language(client: TestClient) -> None:
    response = client.post("/v1/translate", json={"source": "auto", "texts": ["The cat sleeps", "Der Hund schläft"]})
    message = "the texts before it in en; send texts of one language in a request"
    assert problem_of(response, 422, message)["field"] == "texts[1]"


def test_auto_counts_texts_before_it_reads_them(client: TestClient) -> None:
    response = client.post("/v1/translate", json={"source": "auto", "target": "de", "texts": ["dog"] * 21})
    assert problem_of(response, 422, "21 texts, the limit is 20")["field"] == "texts"


@pytest.mark.parametrize(("source", "target"), [("en-US", "de-DE"), ("EN_GB", "de"), ("en", " de-at ")])
def test_the_region_of_a_language_is_ignored(client: TestClient, source: str, target: str) -> None:
    assert ask(client, text="the dog sleeps.", source=source, target=target) == ask(client, text="the dog sleeps.")


def test_a_text_that_is_in_the_target_language_is_named(client: TestClient) -> None:
    body = {"source": "auto", "target": "en", "text": "The weather is nice today and we go for a walk in the park."}
    problem_of(client.post("/v1/translate", json=body), 422, "which is the target; send another target")
