"""/suggest, in LibreTranslate's shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.errors import ConfigurationError
from service.settings import Settings
from tests.support.http import client_of
from tests.support.translator_bundles import write_translator

SUGGESTION = {"q": "The dog sleeps.", "s": "Der Hund pennt.", "source": "en", "target": "de"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("suggestions")
    write_translator(folder / "models")
    return Settings(models=folder / "models", suggestions=folder / "suggestions.jsonl", max_suggestions_bytes=2000)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with client_of(settings) as client:
        yield client


@pytest.fixture
def kept(settings: Settings) -> Path:
    """The file of suggestions, empty."""
    assert settings.suggestions is not None
    settings.suggestions.write_bytes(b"")
    return settings.suggestions


def error_of(answer: httpx.Response, status: int = 400) -> str:
    """The text of an error in LibreTranslate's shape."""
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    return str(answer.json()["error"])


@pytest.mark.parametrize(
    "options",
    [
        {"json": SUGGESTION},
        {"data": SUGGESTION},
        {"files": {name: (None, value) for name, value in SUGGESTION.items()}},
        {"params": SUGGESTION},
        {"json": SUGGESTION | {"source": "EN", "target": "de-AT", "api_key": None, "format": "html"}},
    ],
    ids=["json", "form", "multipart", "query", "regions"],
)
def test_a_suggestion_is_kept(client: TestClient, kept: Path, options: dict[str, Any]) -> None:
    answer = client.post("/suggest", **options)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"success": True}
    (line,) = kept.read_text(encoding="utf-8").splitlines()
    assert json.loads(line).items() >= SUGGESTION.items()
    assert json.loads(line)["time"].endswith("+00:00")


def test_the_source_may_be_unknown(client: TestClient, kept: Path) -> None:
    assert client.post("/suggest", json=SUGGESTION | {"source": "auto"}).status_code == 200
    assert json.loads(kept.read_text())["source"] == "auto"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *((dict.fromkeys([name]), f"Invalid request: missing {name} parameter") for name in SUGGESTION),
        ({"q": ""}, "q: is empty; send a text"),
        ({"target": ""}, "Invalid request: missing target parameter"),
        ({"s": ["a"]}, "s: "),
        ({"source": "zz"}, "zz is not supported"),
        ({"target": "zz"}, "zz is not supported"),
        ({"target": "auto"}, "is not supported"),
        ({"source": "my secret text"}, "the code is not supported"),
        ({"q": "a" * 10_001}, "q: has 10001 characters, the limit is 10000 (LECTERN_MAX_CHARACTERS)"),
        ({"s": "a" * 10_001}, "s: has 10001 characters"),
    ],
)
def test_suggestions_that_are_refused(client: TestClient, kept: Path, fields: dict[str, Any], message: str) -> None:
    assert message in error_of(client.post("/suggest", json=SUGGESTION | fields))
    assert kept.read_bytes() == b""


def test_no_room(client: TestClient, kept: Path) -> None:
    answer = client.post("/suggest", json=SUGGESTION | {"q": "a" * 2000})
    assert "LECTERN_MAX_SUGGESTIONS_BYTES" in error_of(answer, 503)
    assert answer.headers["retry-after"] == "3600"
    assert kept.read_bytes() == b""


def test_pages_of_other_origins_cannot_suggest(client: TestClient, kept: Path) -> None:
    answer = client.post("/suggest", data=SUGGESTION, headers={"origin": "https://evil.example"})
    error_of(answer, 403)
    assert kept.read_bytes() == b""


def test_switched_off(settings: Settings) -> None:
    with client_of(settings.model_copy(update={"suggestions": None})) as client:
        assert error_of(client.post("/suggest", json=SUGGESTION), 403) == "Suggestions are disabled on this server"
        assert client.get("/frontend/settings").json()["suggestions"] is False


def test_the_settings_tell_that_suggestions_are_taken(client: TestClient) -> None:
    assert client.get("/frontend/settings").json()["suggestions"] is True


def test_a_file_that_cannot_be_written_ends_the_start(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LECTERN_SUGGESTIONS"):
        create_app(settings.model_copy(update={"suggestions": tmp_path}))
