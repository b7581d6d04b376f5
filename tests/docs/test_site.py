"""The parts of the documentation site that need none of its tools; `make docs` builds the whole."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import orjson
import pytest
import yaml

from tests.support.processes import ROOT

FOLDER = ROOT / "docs/site_build"


@pytest.fixture(scope="module")
def openapi_page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("openapi_page", FOLDER / "openapi_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_every_route_and_schema(openapi_page: ModuleType) -> None:
    document = orjson.loads((ROOT / "service/api/openapi.json").read_bytes())
    text = openapi_page.page(document)
    for path, methods in document["paths"].items():
        for method in methods.keys() & {"get", "post"}:
            assert f"### `{method.upper()} {path}`" in text
    for name in document["components"]["schemas"]:
        assert f"### `{name}`" in text


def test_links_of_the_page_lead_to_its_schemas(openapi_page: ModuleType) -> None:
    text = openapi_page.page(orjson.loads((ROOT / "service/api/openapi.json").read_bytes()))
    headings = {heading.lower() for heading in re.findall(r"^### `([^`]+)`$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"$ref": "#/components/schemas/TagBody"}, "[TagBody](#tagbody)"),
        ({"enum": ["float", "base64"]}, "`float`, `base64`"),
        ({"type": "string", "format": "binary"}, "bytes"),
        ({}, ""),
    ],
)
def test_a_type_in_a_few_words(openapi_page: ModuleType, schema: dict[str, object], words: str) -> None:
    assert openapi_page.type_of(schema) == words


def test_every_page_of_docs_is_in_the_navigation() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert config["strict"]
    listed = set(re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text().partition("nav:")[2]))
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= listed


def test_the_site_takes_nothing_from_elsewhere() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in text
    assert not re.search(r"https?://", text)


def test_the_builds_own_code_is_left_out_of_the_site() -> None:
    assert "site_build/" in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["exclude_docs"]
    assert sorted(path.name for path in Path(FOLDER).glob("*.py")) == ["hooks.py", "openapi_page.py"]
