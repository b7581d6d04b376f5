"""/translate, /detect and /languages, in LibreTranslate's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.support.classifier_bundles import write_classifier
from tests.support.http import client_of
from tests.support.translator_bundles import write_translator

needs_many_languages = pytest.mark.skipif(
    find_spec("fasttext") is None, reason="fastText has no wheels for this Python"
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both directions of English and German, and a model of another task."""
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder)
    write_translator(folder, source="de", target="en")
    write_classifier(folder)
    return folder


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[TestClient]:
    """A client of a server with these models."""
    with client_of(Settings(models=repository)) as client:
        yield client


def translate(client: TestClient, **fields: Any) -> dict[str, Any]:
    """The answer to a JSON body; English to German by default."""
    answer = client.post("/translate", json={"source": "en", "target": "de"} | fields)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def error(client: TestClient, body: Any, path: str = "/translate", status: int = 400) -> str:
    """The text of an error in LibreTranslate's shape."""
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error"}
    return str(answer.json()["error"])


def test_one_text_and_a_list(client: TestClient) -> None:
    assert translate(client, q="The dog sleeps.") == {"translatedText": "Der Hund schläft."}
    assert translate(client, q=["Hello world!", "", "water"]) == {"translatedText": ["Hallo Welt!", "", "Wasser"]}
    assert translate(client, q=[]) == {"translatedText": []}
    assert translate(client, q="") == {"translatedText": ""}


def test_the_headers_name_the_model(client: TestClient) -> None:
    answer = client.post("/translate", json={"q": "Hund", "source": "de", "target": "en"})
    assert answer.json() == {"translatedText": "dog"}
    assert answer.headers["x-lectern-model"] == "translate-de-en"
    assert "infer" in answer.headers["server-timing"]


@pytest.mark.parametrize(
    "request_options",
    [
        {"data": {"q": "I love you & the cat", "source": "en", "target": "de", "api_key": "x"}},
        {
            "files": {
                name: (None, text) for name, text in [("q", "I love you & the cat"), ("source", "en"), ("target", "de")]
            }
        },
        {"params": {"q": "I love you & the cat", "source": "en", "target": "de"}},
        {"json": {"q": "I love you & the cat", "source": "en", "target": "de", "secret": "y", "format": "text"}},
        {"json": {"q": "I love you & the cat", "source": "EN", "target": "de-AT"}},
    ],
    ids=["form", "multipart", "query", "json", "regions"],
)
def test_forms_of_request(client: TestClient, request_options: dict[str, Any]) -> None:
    answer = client.post("/translate", **request_options)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"translatedText": "Ich liebe du und der Katze"}


def test_html(client: TestClient) -> None:
    text = (
        '<p><span class="h-card" translate="no"><a href="#">@<span>the</span></a></span> The <b>big</b>\n'
        "dog &amp; the&nbsp;cat.<br>I love &quot;you&quot; &amp; R&D</p>"
    )
    answer = translate(client, q=text, format="html")["translatedText"]
    assert answer == (
        '<p><span class="h-card" translate="no"><a href="#">@<span>the</span></a></span> Der <b>groß</b> '
        'Hund und der Katze.<br>Ich liebe "you" und R&amp;D</p>'
    )
    assert translate(client, q=[text, "R&D"], format="html")["translatedText"] == [answer, "R&D"]
    assert translate(client, q="the &quot;dog\nI", format="text")["translatedText"] == "der &quot;Hund\nIch"


def test_auto_detects_the_source(client: TestClient) -> None:
    answer = translate(client, q="The cat drinks milk", source="auto")
    assert answer["translatedText"] == "Der Katze trinkt Milch"
    assert answer["detectedLanguage"]["language"] == "en"
    assert 90 < answer["detectedLanguage"]["confidence"] <= 100


def test_auto_detects_each_text_of_a_list(client: TestClient) -> None:
    answer = translate(
        client, q=["Die Katze schläft", "The dog sleeps", "Die Katze trinkt"], source="auto", target="en"
    )
    assert [detection["language"] for detection in answer["detectedLanguage"]] == ["de", "en", "de"]
    # What is in the target language already stays as it is.
    assert answer["translatedText"] == ["Die cat sleeps", "The dog sleeps", "Die cat drinks"]


def test_auto_of_a_text_without_letters(client: TestClient) -> None:
    for target, source in (("de", "en"), ("en", "de")):
        answer = translate(client, q="😀 42", source="auto", target=target)
        assert answer == {"translatedText": "😀 42", "detectedLanguage": {"language": source, "confidence": 0.0}}


def test_alternatives(client: TestClient) -> None:
    assert translate(client, q="house", alternatives=1) == {"translatedText": "Haus", "alternatives": ["Heim"]}
    answer = translate(client, q=["house", "big"], alternatives=1)
    assert answer == {"translatedText": ["Haus", "groß"], "alternatives": [["Heim"], ["riesig"]]}
    assert client.post(
        "/translate", data={"q": "house", "source": "en", "target": "de", "alternatives": "1"}
    ).json() == {"translatedText": "Haus", "alternatives": ["Heim"]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "en", "target": "de"}, "Invalid request: missing q parameter"),
        ({"q": "a", "target": "de"}, "Invalid request: missing source parameter"),
        ({"q": "a", "source": "en"}, "Invalid request: missing target parameter"),
        ({"q": 5, "source": "en", "target": "de"}, "q: must be a text or a list of texts"),
        (
            {"q": ["a", {}], "source": "en", "target": "de"},
            "q: must be a text or a list of texts; item 1 is not a text",
        ),
        ({"q": "a", "source": "en", "target": "zz"}, "zz is not supported"),
        ({"q": "a", "source": "zz", "target": "de"}, "zz is not supported"),
        ({"q": "a", "source": "zz", "target": "zz"}, "zz is not supported"),
        ({"q": "Waar is het?", "source": "auto", "target": "zz"}, "zz is not supported"),
        ({"q": "a", "source": "en", "target": "de", "format": "xml"}, "format: 'xml' is not supported; send 'text' or"),
        ({"q": "a", "source": "en", "target": "de", "alternatives": -1}, "alternatives: "),
        ({"q": "a", "source": "en", "target": "de", "alternatives": 10_000}, "alternatives: is 10000, must be below"),
        ({"q": "a", "source": "en", "target": "de", "alternatives": "many"}, "alternatives: "),
        ({"q": "x" * 10_001, "source": "en", "target": "de"}, "q: has 10001 characters, the limit is 10000"),
        ({"q": ["x", "x" * 10_001], "source": "en", "target": "de"}, "q[1]: has 10001 characters"),
        ({"q": ["x"] * 1025, "source": "auto", "target": "de"}, "q: 1025 texts, the limit is 1024"),
        ({"q": ["x" * 9000] * 6, "source": "auto", "target": "de"}, "q: 54000 characters, the limit is 50000"),
        ([], "the body must be a JSON object"),
    ],
)  # fmt: skip
def test_bad_requests(client: TestClient, fields: Any, message: str) -> None:
    assert error(client, fields).startswith(message)


def test_a_form_that_is_not_utf_8_is_refused(client: TestClient) -> None:
    answer = client.post(
        "/translate",
        content=b"q=%ff&source=en&target=de",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "the form cannot be read: a name or a value is not UTF-8; send UTF-8",
    )


def test_an_error_in_a_list_of_detected_texts_names_its_index(client: TestClient) -> None:
    texts = ["The dog sleeps", "Der Hund schläft", "The cat and " + "the dog and " * 900]
    assert error(client, {"q": texts, "source": "auto", "target": "de"}).startswith("q[2]: has ")


def test_unreadable_bodies(client: TestClient) -> None:
    for content, kind, status in (
        (b"{", "application/json", 400),
        (b"q=%ff&source=en&target=de", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"x%d=1" % number for number in range(100)), "application/x-www-form-urlencoded", 400),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 400),
        (
            b"".join(
                b'--x\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field
                for field in ((b"q", b"dog"), (b"source", b"en"), (b"target", b"de"), (b"format", b"html"))
            ),
            "multipart/form-data; boundary=x",
            400,
        ),
        (b"hello", "text/plain", 415),
        (b"hello", "", 415),
    ):
        answer = client.post("/translate", content=content, headers={"content-type": kind} if kind else {})
        assert answer.status_code == status, (content, answer.text)
        assert answer.json().keys() == {"error"}


def test_detect(client: TestClient) -> None:
    answer = client.post("/detect", data={"q": "Ich bin müde"}).json()
    assert answer[0]["language"] == "de"
    assert answer[0]["confidence"] > 90
    assert client.post("/detect", json={"q": ["The cat", "is big"]}).json()[0]["language"] == "en"
    assert client.post("/detect", json={"q": "42"}).json() == [{"language": "de", "confidence": 0.0}]
    assert error(client, {}, "/detect") == "Invalid request: missing q parameter"


def test_languages(client: TestClient) -> None:
    assert client.get("/languages").json() == [
        {"code": "de", "name": "German", "targets": ["de", "en"]},
        {"code": "en", "name": "English", "targets": ["de", "en"]},
    ]


def test_a_text_in_the_target_language_comes_back(client: TestClient) -> None:
    for kind in ("text", "html"):
        answer = translate(client, q="The <b>dog</b> &amp; I", source="en", target="en", format=kind)
        assert answer == {"translatedText": "The <b>dog</b> &amp; I"}


FOREIGN = {
    "nl": "Waar is het station?",
    "it": "Il gatto dorme sul divano.",
    "fr": "Je ne comprends pas cette question.",
    "pl": "Dzisiaj pada deszcz.",
    "zh": "这是什么东西",
}


@needs_many_languages
def test_texts_in_languages_that_no_model_reads_come_back_with_their_language(client: TestClient) -> None:
    answer = translate(client, q=[*FOREIGN.values(), "The cat drinks milk"], source="auto")
    assert [one["language"] for one in answer["detectedLanguage"]] == [*FOREIGN, "en"]
    assert answer["translatedText"] == [*FOREIGN.values(), "Der Katze trinkt Milch"]


def test_a_named_source_is_believed(client: TestClient) -> None:
    assert translate(client, q="Katze", source="en")["translatedText"]
    assert "detectedLanguage" not in translate(client, q="Waar is het station?", source="en")


def test_a_language_without_a_model_for_the_pair(tmp_path: Path) -> None:
    write_translator(tmp_path)
    with client_of(Settings(models=tmp_path)) as client:
        message = "English (en) is not available as a target language from German (de)"
        assert error(client, {"q": "Hund", "source": "de", "target": "en"}) == message


def test_several_models_of_a_pair(repository: Path, tmp_path: Path) -> None:
    write_translator(tmp_path, "b-second")
    write_translator(tmp_path, "a-first")
    with TestClient(create_app(Settings(models=tmp_path))) as client:
        body = {"q": "dog", "source": "en", "target": "de"}
        assert client.post("/translate", json=body).headers["x-lectern-model"] == "a-first"
        assert client.post("/translate", json=body | {"model": "b-second"}).headers["x-lectern-model"] == "b-second"
        assert client.get("/languages").json() == [
            {"code": "de", "name": "German", "targets": ["de"]},
            {"code": "en", "name": "English", "targets": ["de", "en"]},
        ]


def test_no_translators(models_dir: Path) -> None:
    with TestClient(create_app(Settings(models=models_dir))) as client:
        for source in ("en", "auto"):
            assert error(client, {"q": "dog", "source": source, "target": "de"}, status=404)
        assert client.get("/languages").json() == []
        assert client.post("/detect", json={"q": "42"}).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/translate", {"q": "house", "source": "en", "target": "de", "alternatives": 1}),
        ("post", "/translate", {"q": ["house", "Haus"], "source": "auto", "target": "de", "alternatives": 1}),
        ("post", "/translate", {"q": "The cat", "source": "auto", "target": "de"}),
        ("post", "/detect", {"q": "The cat"}),
        ("get", "/languages", None),
    ],
)
def test_answers_fit_the_description(client: TestClient, method: str, path: str, body: dict[str, Any] | None) -> None:
    document = client.get("/openapi.json").json()
    described = document["paths"][path][method]
    answer = client.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    parts = [(described["responses"]["200"], answer.json())] + ([(described["requestBody"], body)] if body else [])
    for part, instance in parts:
        schema = part["content"]["application/json"]["schema"]
        Draft202012Validator({"components": document["components"], "allOf": [schema]}).validate(instance)


def _form(name: bytes, value: bytes) -> bytes:
    fields = ((name, value), (b"source", b"en"), (b"target", b"de"))
    part = b'--x\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    return b"".join(part % field for field in fields) + b"--x--\r\n"


@pytest.mark.parametrize(
    "charset", ["idna", "undefined", "punycode", "utf-7", "unicode_escape", "raw_unicode_escape", "utf-16", "x" * 200]
)
def test_a_form_is_in_utf_8(client: TestClient, charset: str) -> None:
    """Python has codecs that stall, that fail, and that return what is no text."""
    for name, value in ((b"q", b"xn--" + b"b9" * 50_000), (b"q", b"\\ud800+2AA-"), (b"\\ud800+2AA-", b"dog")):
        headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
        answer = client.post("/translate", content=_form(name, value), headers=headers)
        assert answer.status_code == 415, answer.text
        assert charset[:64] in answer.json()["error"]


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii"])
def test_a_form_may_say_that_it_is_in_utf_8(client: TestClient, charset: str) -> None:
    headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    answer = client.post("/translate", content=_form(b"q", b"the cat"), headers=headers)
    assert answer.json() == {"translatedText": "der Katze"}


def test_headers_of_a_form_are_short(client: TestClient) -> None:
    """Parsing one takes time that grows with the square of its length."""
    kind = f'multipart/form-data; boundary="{";" * 2000}'
    answer = client.post("/translate", content=_form(b"q", b"the cat"), headers={"content-type": kind})
    assert answer.status_code == 400
    assert "content-type has over 1000" in answer.json()["error"]
    answer = client.post(
        "/translate", content=_form(b";" * 2000, b""), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400
    assert "header of a part has over 1000" in answer.json()["error"]


FORM = {"content-type": "application/x-www-form-urlencoded"}
TWICE = [("q", "the dog"), ("q", "the cat"), ("source", "en"), ("target", "de")]
LISTS: list[dict[str, Any]] = [
    {"content": b"q=the+dog&q=the+cat&source=en&target=de", "headers": FORM},
    {"content": b"q[]=the+dog&q%5B%5D=the+cat&source=en&target=de", "headers": FORM},
    {"data": {"q": '["the dog", "the cat"]', "source": "en", "target": "de"}},
    {"params": TWICE},
    {"files": [(name, (None, text)) for name, text in TWICE]},
]


@pytest.mark.parametrize("request_options", LISTS, ids=["twice", "brackets", "json", "query", "multipart"])
def test_several_texts_in_a_form(client: TestClient, request_options: dict[str, Any]) -> None:
    answer = client.post("/translate", **request_options)
    assert answer.json() == {"translatedText": ["der Hund", "der Katze"]}


def test_one_text_in_brackets_is_a_list_and_other_brackets_are_text(client: TestClient) -> None:
    body = {"source": "en", "target": "de"}
    assert client.post("/translate", data={"q[]": "dog"} | body).json() == {"translatedText": ["Hund"]}
    for text in ("[dog]", "[]", "[1, 2]", '["dog", 2]'):
        assert isinstance(client.post("/translate", data={"q": text} | body).json()["translatedText"], str)


def test_another_field_is_sent_once(client: TestClient) -> None:
    query = [("q", "dog"), ("source", "en"), ("target", "de"), ("target", "en")]
    answer = client.post("/translate", params=query)
    assert (answer.status_code, answer.json()) == (400, {"error": "target: is sent several times; send it once"})
    assert client.post("/translate", params=[*query[:3], ("target", "de")]).status_code == 200


def test_what_clients_ask_before_they_translate(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    settings = client.get("/frontend/settings").json()
    assert settings["charLimit"] == 10_000
    assert settings["language"]["source"] == {"code": "auto", "name": "Auto Detect"}
    assert settings["keyRequired"] is False
    assert client.get("/spec").json() == client.get("/openapi.json").json()
    assert client.post("/health").json().keys() == {"error"}


def test_a_list_that_is_too_long_is_not_parsed(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    loads = orjson.loads
    monkeypatch.setattr("service.api.forms.orjson.loads", lambda value: (parsed.append(value), loads(value))[1])
    fields = {"source": "en", "target": "de"}
    texts = json.dumps(["house"] * 3)
    assert client.post("/translate", data=fields | {"q": texts}).json() == {"translatedText": ["Haus"] * 3}
    assert parsed == [texts]
    answer = client.post("/translate", data=fields | {"q": json.dumps([""] * 60_000)})
    assert (answer.status_code, len(parsed)) == (400, 1)
