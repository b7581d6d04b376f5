"""/translate_file and /download_file, in LibreTranslate's shape."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from service.access.keys import hash_key
from service.app import Lectern
from service.documents import supported_formats
from service.errors import DeadlineExceeded, Saturated
from service.serving.served_model import ServedModel
from service.settings import Settings
from tests.support.event_loop import run_async
from tests.support.http import client_of
from tests.support.server import serving
from tests.support.translator_bundles import write_translator

TEXT = "The dog sleeps.\n\nI love you and the cat.\n"
TRANSLATED = "Der Hund schläft.\n\nIch liebe du und der Katze.\n"
FRENCH = "Le chat dort dans la maison de mon père, et il ne veut pas sortir."


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both directions of English and German."""
    folder = tmp_path_factory.mktemp("models")
    write_translator(folder)
    write_translator(folder, source="de", target="en")
    return folder


@pytest.fixture(scope="module")
def client(repository: Path) -> Iterator[TestClient]:
    """A client of a server with these models."""
    with client_of(Settings(models=repository)) as client:
        yield client


def send(client: TestClient, content: str | bytes = TEXT, name: str = "letter.txt", **fields: str) -> httpx.Response:
    """The answer to a file; English to German by default."""
    return client.post(
        "/translate_file", files={"file": (name, content)}, data={"source": "en", "target": "de"} | fields
    )


def path_of(answer: httpx.Response) -> str:
    """The path of the translated file."""
    assert answer.status_code == 200, answer.text
    url = urlsplit(answer.json()["translatedFileUrl"])
    assert (url.scheme, url.netloc) == ("http", "testserver")
    assert re.fullmatch(r"/download_file/[A-Za-z0-9_-]{43}\.[a-z]+", url.path)
    return url.path


def translated(client: TestClient, answer: httpx.Response) -> bytes:
    """The translated file."""
    return client.get(path_of(answer)).raise_for_status().content


def error_of(answer: httpx.Response, status: int = 400) -> str:
    """The text of an error in LibreTranslate's shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"error"}
    return str(answer.json()["error"])


def test_a_file_is_translated_and_downloaded(client: TestClient) -> None:
    answer = send(client)
    assert answer.json().keys() == {"translatedFileUrl"}
    assert answer.headers["x-lectern-model"] == "translate-en-de"
    assert "infer" in answer.headers["server-timing"]
    for _ in range(2):
        download = client.get(path_of(answer))
        assert download.content.decode() == TRANSLATED
        headers = download.headers
        assert headers["content-length"] == str(len(TRANSLATED.encode()))
        assert headers["content-type"] == "application/octet-stream"
        assert (
            headers["content-disposition"] == "attachment; filename=\"letter_de.txt\"; filename*=UTF-8''letter_de.txt"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "private, no-store"
        assert "sandbox" in headers["content-security-policy"]


def test_elements_of_a_page_in_another_language_stay(client: TestClient) -> None:
    page = "<p lang=fr>The dog</p><p>The dog <i lang=fr>dort</i></p><p lang=en-GB>The dog</p>"
    expected = "<p lang=fr>The dog</p><p>Der Hund <i lang=fr>dort</i></p><p lang=en-GB>Der Hund</p>"
    assert translated(client, send(client, page, "page.html")).decode() == expected
    assert translated(client, send(client, "<p lang=fr>Le chat</p>", "page.html")) == b"<p lang=fr>Le chat</p>"


def test_head(client: TestClient) -> None:
    path = path_of(send(client))
    head, download = client.head(path), client.get(path)
    assert head.status_code == 200
    assert head.content == b""
    same = ("content-length", "content-disposition", "content-type")
    assert [head.headers[name] for name in same] == [download.headers[name] for name in same]


def test_the_other_direction_regions_and_other_fields(client: TestClient) -> None:
    assert translated(client, send(client, "Der Hund", source="de", target="en")) == b"The dog"
    fields = {"source": "EN", "target": "de-AT", "format": "text", "api_key": "", "secret": "x"}
    assert translated(client, send(client, "The dog", **fields)) == b"Der Hund"
    answer = client.post("/translate_file?source=en&target=de", files={"file": ("a.txt", "The dog")})
    assert translated(client, answer) == b"Der Hund"


@pytest.mark.parametrize(
    ("name", "plain", "extended"),
    [
        ("Größe 1.txt", "Gr__e 1_de.txt", "Gr%C3%B6%C3%9Fe%201_de.txt"),
        ("a/b\\letter.TXT", "letter_de.TXT", "letter_de.TXT"),
        ("../../etc/passwd.txt", "passwd_de.txt", "passwd_de.txt"),
        ('a"; x=".txt', "a__ x___de.txt", "a%22%3B%20x%3D%22_de.txt"),
        ("a\0b\x1f\x7f.txt", "ab_de.txt", "ab_de.txt"),
        ("\u202etxt.exe.txt", "txt.exe_de.txt", "txt.exe_de.txt"),
        ("x" * 300 + ".txt", "x" * 116 + "_de.txt", "x" * 116 + "_de.txt"),
        ("a.b.txt", "a.b_de.txt", "a.b_de.txt"),
    ],
)
def test_the_name_of_the_translated_file(client: TestClient, name: str, plain: str, extended: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name.replace('"', '\\"').encode()
    body += b'"\r\n\r\nThe dog\r\n--b--\r\n'
    answer = client.post(
        "/translate_file?source=en&target=de",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )
    header = client.get(path_of(answer)).headers["content-disposition"]
    assert header == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"


def test_a_file_in_the_target_language_comes_back_as_it_is(client: TestClient) -> None:
    content = "\ufeffThe dog \r\n\r\n sleeps".encode()
    answer = send(client, content, source="en", target="en")
    assert translated(client, answer) == content
    assert "x-lectern-model" not in answer.headers


def test_auto(client: TestClient) -> None:
    answer = send(client, TEXT, source="auto")
    assert answer.json()["detectedLanguage"]["language"] == "en"
    assert translated(client, answer).decode() == TRANSLATED
    answer = send(client, TEXT, source="auto", target="en")
    assert translated(client, answer).decode() == TEXT


def test_auto_with_a_language_that_no_model_reads(client: TestClient) -> None:
    pytest.importorskip("fasttext", reason="fastText has no wheels for this Python")
    answer = send(client, FRENCH, source="auto")
    assert answer.json()["detectedLanguage"]["language"] == "fr"
    assert translated(client, answer).decode() == FRENCH


def test_auto_of_a_file_without_letters(client: TestClient) -> None:
    assert translated(client, send(client, "42\n", source="auto")) == b"42\n"


MISSING = "Invalid request: missing {} parameter"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"json": {"q": "a"}}, MISSING.format("file") + "; send it as a file of multipart/form-data"),
        ({"data": {"source": "en", "target": "de"}}, MISSING.format("file") + "; send it as a file"),
        ({}, MISSING.format("file")),
        ({"files": {"other": ("a.txt", "a")}, "data": {"source": "en", "target": "de"}}, MISSING.format("file")),
        ({"files": {"file": ("a.txt", "a")}, "data": {"target": "de"}}, MISSING.format("source")),
        ({"files": {"file": ("a.txt", "a")}, "data": {"source": "en"}}, MISSING.format("target")),
        ({"files": {"file": ("a.txt", "a")}, "data": {"source": "en", "target": ""}}, MISSING.format("target")),
        ({"files": {"file": (None, "a")}}, "file: is text; send it as a file"),
        (
            {"files": [("file", ("a.txt", "a")), ("file", ("b.txt", "b"))], "data": {"source": "en", "target": "de"}},
            "file: the form holds several files; send one in each request",
        ),
        (
            {"files": {"file": ("a.txt", "a")}, "data": {"source": ["en", "de"], "target": "de"}},
            "source: is sent several times; send it once",
        ),
    ],
)  # fmt: skip
def test_forms_that_lack_something(client: TestClient, options: dict[str, Any], message: str) -> None:
    assert message in error_of(client.post("/translate_file", **options))


@pytest.mark.parametrize(
    ("name", "content", "fields", "message"),
    [
        ("a.txt", b"", {}, "Invalid request: empty file"),
        (
            "a.exe",
            b"MZ",
            {},
            "Invalid request: file format not supported: .exe files are not read; the formats are .txt",
        ),
        ("letter", b"a", {}, "Invalid request: file format not supported: its name has no suffix"),
        ("a/", b"a", {}, "Invalid request: file format not supported"),
        ("a.txt", b"\xff\xfea", {}, "file: is not UTF-16"),
        ("a.txt", b"PK\x03\x04", {}, "file: is a zip archive"),
        ("a.txt", b"a", {"target": "zz"}, "zz is not supported"),
        ("a.txt", b"a", {"source": "zz"}, "zz is not supported"),
        ("a.exe", b"a", {"source": "auto", "target": "zz"}, "zz is not supported"),
        ("a.txt", b"a", {"model": "nosuch"}, "nosuch"),
    ],
)
def test_files_and_languages_that_are_refused(
    client: TestClient, name: str, content: bytes, fields: dict[str, str], message: str
) -> None:
    answer = send(client, content, name, **fields)
    assert message in error_of(answer, 404 if "model" in fields else 400)


def test_an_empty_file_name(client: TestClient) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\na\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post("/translate_file?source=en&target=de", content=body, headers=headers)
    assert error_of(answer).startswith("Invalid request: empty file name")


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "multipart/mixed; boundary=b"])
def test_other_content_types(client: TestClient, kind: str) -> None:
    answer = client.post("/translate_file", content=b"a", headers={"content-type": kind})
    assert "multipart/form-data" in error_of(answer, 415)


def test_damaged_forms(client: TestClient) -> None:
    for content in (b"", b"--b", b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc'):
        answer = client.post(
            "/translate_file", content=content, headers={"content-type": "multipart/form-data; boundary=b"}
        )
        assert "cut short" in error_of(answer)


NAME = "x" * 43


@pytest.mark.parametrize(
    "name",
    ["%2e%2e", "%2e%2e%2fsecret", "..%5csecret", "%00", f"{NAME}%00", f"{NAME}.txt", NAME, ".lock", "a",
     "%ff", f"{NAME}.txt%0a", "%C3%A4", "x" * 4000],
)  # fmt: skip
def test_names_of_no_file(client: TestClient, name: str) -> None:
    for method in ("GET", "HEAD"):
        answer = client.request(method, f"http://testserver/download_file/{name}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/json"
        if method == "GET":
            assert answer.json().keys() == {"error"}


def test_a_file_whose_time_has_passed_is_unknown(repository: Path) -> None:
    with client_of(Settings(models=repository, file_seconds=1)) as client:
        path = path_of(send(client))
        assert client.get(path).status_code == 200
        app: Any = client.app
        app.context.files.seconds = 0.0
        assert "kept for" in error_of(client.get(path), 404)
        app.context.files.sweep()
        app.context.files.seconds = 600.0
        error_of(client.get(path), 404)


def test_files_are_gone_when_the_server_has_stopped(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with client_of(Settings(models=repository)) as client:
        send(client)
        assert len(list(tmp_path.glob("lectern-files-*/*.txt"))) == 1
    assert list(tmp_path.glob("lectern*")) == []


def test_the_limits(repository: Path) -> None:
    settings = Settings(models=repository, max_file_characters=100, max_body_bytes=2 * 2**20, max_characters=30)
    with client_of(settings) as client:
        assert "LECTERN_MAX_FILE_CHARACTERS" in error_of(send(client, "The dog. " * 20))
        assert "LECTERN_MAX_BODY_BYTES" in error_of(send(client, b"a" * 3 * 2**20), 413)
        # A text beyond the limit of one text is translated in parts.
        assert translated(client, send(client, "The dog sleeps. " * 5)).decode() == "Der Hund schläft. " * 5


def test_a_file_that_there_is_no_room_for(repository: Path) -> None:
    with client_of(Settings(models=repository, max_stored_bytes=2**20, max_file_characters=10**7)) as client:
        assert "LECTERN_MAX_STORED_BYTES" in error_of(send(client, "The dog. " * 2**17))
        for _ in range(2):
            path_of(send(client, "a" * 500_000, target="en"))
        answer = send(client, "a" * 500_000, target="en")
        assert "LECTERN_MAX_STORED_BYTES" in error_of(answer, 503)
        assert 50 <= int(answer.headers["retry-after"]) <= 60


def test_switched_off(repository: Path) -> None:
    with client_of(Settings(models=repository, file_translation=False)) as client:
        assert "disabled" in error_of(send(client), 403)
        settings = client.get("/frontend/settings").json()
        assert (settings["filesTranslation"], settings["supportedFilesFormat"]) == (False, [])


def test_the_settings_tell_what_there_is(client: TestClient) -> None:
    settings = client.get("/frontend/settings").json()
    assert (settings["filesTranslation"], settings["supportedFilesFormat"]) == (True, list(supported_formats()))


KEY = "lectern_infer"


@pytest.fixture(scope="module")
def keyed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of a server with keys, one for inference and one for metrics."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    lines = [f"{scope} {scope} sha256:{hash_key(f'lectern_{scope}').hex()}\n" for scope in ("infer", "metrics")]
    keys.write_text("".join(lines))
    with client_of(Settings(models=repository, api_keys=keys, access_log=True)) as client:
        yield client


def test_keys(keyed: TestClient) -> None:
    answer = send(keyed, api_key=KEY)
    path = path_of(answer)
    error_of(send(keyed), 401)
    error_of(send(keyed, b"", "a.exe", target="zz"), 401)
    error_of(keyed.post("/translate_file", json={}), 401)
    error_of(send(keyed, api_key="wrong"), 403)
    error_of(send(keyed, api_key="lectern_metrics"), 403)
    error_of(keyed.get(path), 401)
    error_of(keyed.get(path, headers={"authorization": "Bearer lectern_metrics"}), 403)
    assert keyed.get(path, headers={"authorization": f"Bearer {KEY}"}).content.decode() == TRANSLATED
    assert keyed.get(path, params={"api_key": KEY}).content.decode() == TRANSLATED


def test_a_key_in_a_large_form_does_not_count(keyed: TestClient) -> None:
    content = "The dog sleeps.\n" * 5000
    assert "Authorization" in error_of(send(keyed, content, api_key=KEY), 401)
    answer = keyed.post(
        "/translate_file?target=en&source=en",
        files={"file": ("a.txt", content)},
        headers={"authorization": f"Bearer {KEY}"},
    )
    path_of(answer)


def test_the_log_has_no_name_of_a_file(keyed: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        path = path_of(send(keyed, name="confidential.txt", api_key=KEY))
        keyed.get(path, headers={"authorization": f"Bearer {KEY}"})
        keyed.get("/download_file/confidential", headers={"authorization": f"Bearer {KEY}"})
    ours = [record for record in caplog.records if record.name.startswith("service")]
    paths = [vars(record)["fields"]["path"] for record in ours if record.message == "request"]
    assert paths == ["/translate_file", "/download_file/{name}", "/download_file/{name}"]
    logged = json.dumps([[record.message, vars(record).get("fields")] for record in ours])
    assert "confidential" not in logged
    assert path.rpartition("/")[2] not in logged


# Many pieces, overload and clients that leave.


def pieces(monkeypatch: pytest.MonkeyPatch, outcomes: list[BaseException | None]) -> list[int]:
    """Have the next predictions fail like this; None lets one succeed. Returns the number of texts of each."""
    predict = ServedModel.predict
    sizes: list[int] = []

    async def predicted(self: ServedModel, request: Any, *args: Any, **options: Any) -> dict[str, Any]:
        sizes.append(len(request.texts))
        outcome = outcomes.pop(0) if outcomes else None
        if outcome is not None:
            raise outcome
        return await predict(self, request, *args, **options)

    monkeypatch.setattr(ServedModel, "predict", predicted)
    return sizes


LONG = "\n\n".join(["The dog sleeps."] * 100)


def test_a_long_file_is_admitted_piece_by_piece(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = pieces(monkeypatch, [])
    assert translated(client, send(client, LONG)).decode() == LONG.replace("The dog sleeps", "Der Hund schläft")
    assert sizes == [64, 36]


def test_a_piece_that_is_refused_is_sent_again(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = pieces(monkeypatch, [None, Saturated("busy", 0), Saturated("busy", 0)])
    assert translated(client, send(client, LONG)).decode() == LONG.replace("The dog sleeps", "Der Hund schläft")
    assert sizes == [64, 36, 36, 36]


def test_the_first_piece_is_not(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces(monkeypatch, [Saturated("busy", 7)])
    answer = send(client, LONG)
    assert error_of(answer, 503) == "busy"
    assert answer.headers["retry-after"] == "7"


def test_a_piece_that_would_wait_too_long_is_not_either(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces(monkeypatch, [None, Saturated("busy", 1000)])
    error_of(send(client, LONG), 503)


def test_other_failures_of_a_piece(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces(monkeypatch, [None, DeadlineExceeded("late")])
    assert error_of(send(client, LONG), 504) == "late"
    pieces(monkeypatch, [None, ValueError("secret")])
    assert "secret" not in error_of(send(client, LONG), 500)


def test_the_deadline_of_a_file(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predict = ServedModel.predict

    async def slow(*args: Any, **options: Any) -> dict[str, Any]:
        await asyncio.sleep(0.6)
        return await predict(*args, **options)

    with client_of(Settings(models=repository, file_deadline_seconds=0.25)) as client:
        monkeypatch.setattr(ServedModel, "predict", slow)
        assert "deadline" in error_of(send(client, LONG), 504)
    with client_of(Settings(models=repository, file_deadline_seconds=5)) as client:
        text = error_of(send(client, "\n\n".join(["The dog sleeps."] * 4000)))
        assert re.search(r"file: takes about .* \(LECTERN_FILE_DEADLINE_SECONDS\); send at most about \d+ char", text)


def test_no_more_files_at_once_than_the_limit_and_none_for_clients_that_left(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def forever(*args: Any, **options: Any) -> dict[str, Any]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    form = {"files": {"file": ("a.txt", TEXT * 3000)}, "data": {"source": "en", "target": "de"}}

    async def main() -> None:
        async with serving(Settings(models=repository, max_concurrent_files=1, max_queue_seconds=0.05)) as (
            client,
            app,
        ):
            assert isinstance(app, Lectern)
            with monkeypatch.context() as patch:
                patch.setattr(ServedModel, "predict", forever)
                first = asyncio.ensure_future(client.post("/translate_file", **form))
                await begun.wait()
                assert app.context.body_budget.used == 0
                second = await client.post("/translate_file", **form)
                assert "LECTERN_MAX_CONCURRENT_FILES" in error_of(second, 503)
                assert second.headers["retry-after"] == "5"
                first.cancel()
                await cancelled.wait()
                await asyncio.gather(first, return_exceptions=True)
            form["files"] = {"file": ("a.txt", TEXT)}
            assert (await client.post("/translate_file", **form)).status_code == 200

    run_async(main())
