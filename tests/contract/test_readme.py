"""What the README says is what happens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient

from service.app import create_app
from service.bundle.comparison import differences
from service.bundle.manifest import Comparison
from service.settings import Settings, describe_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shipped() -> Iterator[TestClient]:
    """The shipped models, served."""
    if not any((ROOT / "models").glob("*/*/manifest.json")):
        pytest.skip("no bundle under models/")
    with TestClient(create_app(Settings(models=ROOT / "models"))) as client:
        yield client


def test_the_first_curl_answers_what_is_printed(shipped: TestClient) -> None:
    call = re.search(r"curl --data-binary @(\S+) -H '([\w-]+): (\S+)' http://[\d.:]+(/\S+)", README)
    answer = re.search(r"```json\n(\{.*?\})\n```", README, re.DOTALL)
    assert call
    assert answer
    response = shipped.post(call[4], content=(ROOT / call[1]).read_bytes(), headers={call[2]: call[3]})
    assert response.status_code == 200, response.text
    assert not list(differences(orjson.loads(answer[1]), response.json(), Comparison(tolerance=1e-3)))


POSTED = re.findall(r"http://[\d.:]+(/v1/\w+) \\\n  -d '(\{.*?\})'\n```\n\n```json\n(\{.*?\})\n```", README, re.DOTALL)


@pytest.mark.parametrize(("route", "body", "answer"), POSTED, ids=[route for route, _, _ in POSTED])
def test_posted_json_is_answered_with_what_is_printed(shipped: TestClient, route: str, body: str, answer: str) -> None:
    response = shipped.post(route, json=orjson.loads(body))
    assert response.status_code == 200, response.text
    assert not list(differences(orjson.loads(answer), response.json(), Comparison(tolerance=1e-3)))


def test_analogies_tags_and_translations_are_shown() -> None:
    assert [route for route, _, _ in POSTED] == ["/v1/analogy", "/v1/tag", "/v1/translate"]


def test_every_model_is_in_the_table(shipped: TestClient) -> None:
    for card in shipped.get("/v1/models").json()["data"]:
        row = re.search(rf"^\| `{card['id']}` \|.*$", README, re.MULTILINE)
        assert row, f"{card['id']} is not in the model table"
        assert card["task"] in row[0]
        assert card["licence"]["weights"] in row[0]


def test_every_setting_is_in_the_table() -> None:
    for variable, default, meaning in describe_settings():
        assert f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |" in README


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_linked_files_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z][a-z-]*)", README))))
def test_make_targets_exist(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pattern = "train-%" if target.startswith("train-") else target
    assert re.search(rf"^{re.escape(pattern)}:", makefile, re.MULTILINE)
