"""The documents against the repository: links, tables, names, and the README's budget."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import orjson
import pytest
from starlette.testclient import TestClient

from service.app import OPERATIONS, create_app
from service.settings import ModelSettings, Settings, describe_settings
from tests.docs.markdown import DOCUMENTS, anchors, blocks, code_spans, links, name, prose, rows, tables
from tests.support.processes import ROOT

README = ROOT / "README.md"
NAMING = [path for path in DOCUMENTS if name(path) not in ("CHANGELOG.md", "training/RESULTS.md")]
"""The documents that say where things are; the other two tell of the past."""


def test_the_readme_is_short() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
    free = re.compile(r"^\||https?://\S+$|^\[")
    assert not [line for line in lines if len(line) > 100 and not free.search(line)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_within_the_repository_resolve(document: Path) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_document_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [README]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md":
            continue
        reached.add(document)
        paths = [link.partition("#")[0] for link in links(document) if not re.match(r"[a-z]+:", link)]
        waiting += [(document.parent / path).resolve() for path in paths if path]
    assert set(DOCUMENTS) <= reached


def test_every_model_is_in_the_table() -> None:
    manifests = [orjson.loads(path.read_bytes()) for path in (ROOT / "models").glob("*/*/manifest.json")]
    table = {row[0]: row for row in rows(README)}
    for manifest in manifests:
        row = table[f"`{manifest['name']}`"]
        assert row[1] == manifest["task"]
        assert row[-1] == manifest["provenance"]["licence"]


def test_every_setting_is_in_the_table() -> None:
    table = {row[0]: row[1:] for row in rows(ROOT / "docs/deployment.md")}
    for variable, default, meaning in describe_settings():
        assert table[f"`{variable}`"] == [f"`{default}`" if default else "", meaning]
    settings = {variable for variable, _, _ in describe_settings()}
    assert {row.strip("`") for row in table if row.startswith("`LECTERN_")} == settings


def test_the_settings_of_single_models_are_named() -> None:
    sentence = re.search(r"`<SETTING>` is one of ([^.]+)\.", (ROOT / "docs/deployment.md").read_text(encoding="utf-8"))
    assert sentence
    assert {name.lower() for name in re.findall(r"`(\w+)`", sentence[1])} == set(ModelSettings.model_fields)


def test_every_metric_is_in_the_table(client: TestClient) -> None:
    text = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    for metric in re.findall(r"^# TYPE (\w+)", client.get("/metrics").text, re.MULTILINE):
        if not metric.endswith("_created"):  # prometheus_client's own: when a series began.
            assert f"`{metric}" in text, metric


def test_every_route_is_described() -> None:
    text = prose(ROOT / "docs/api.md")
    paths = {operation.path for operation in OPERATIONS} | set(
        create_app(Settings.model_construct()).openapi()["paths"]
    )
    for path in paths:
        plain = path.replace("/versions/{version}", "")
        parts = [plain, f"…{plain[plain.rfind('/') :]}"]
        assert any(f"{part}`" in text for part in parts), path


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_row_of_a_table_has_as_many_cells_as_its_header(document: Path) -> None:
    for header, *others in tables(document):
        for row in others:
            assert len(row) == len(header), row


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_inline_code_ends_in_its_line(document: Path) -> None:
    assert not [line for line in prose(document).splitlines() if line.count("`") % 2]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_make_targets_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    code = "\n".join(
        [*code_spans(document), *(block.text for block in blocks(document) if block.language in ("", "sh"))]
    )
    for target in set(re.findall(r"(?:^|\s)make ([a-z][a-z-]*)", code)):
        pattern = "train-%" if target.startswith("train-") else target
        assert re.search(rf"^{re.escape(pattern)}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("document", NAMING, ids=name)
def test_paths_and_modules_that_are_named_exist(document: Path) -> None:
    """A path begins with a folder of the repository, a module with one of its packages; `<…>` stands for any name."""
    names = 0
    for code in code_spans(document):
        if name(document) == "docs/adding-a-task.md" and "echo" in code:
            continue  # The task that a test adds as this page says.
        if re.match(r"(service|training|tests|docs|deploy|models|\.github|\.ci)/", code):
            pattern = re.sub(r"<\w+>", "*", code.partition("::")[0]).rstrip("/")
            assert any(ROOT.glob(pattern)), code
            names += 1
        elif re.fullmatch(r"(service|training)(\.\w+)+", code):
            assert _exists(code), code
            names += 1
    assert names or name(document) not in ("docs/architecture.md", "docs/adding-a-model.md", "CONTRIBUTING.md")


def test_the_architecture_names_every_part() -> None:
    """Every package of both halves but the parts of a family, and every family."""
    text = " ".join(code_spans(ROOT / "docs/architecture.md"))
    parts = [*ROOT.glob("service/*/"), *ROOT.glob("service/tasks/*/"), *ROOT.glob("training/*/")]
    for part in parts:
        if any(part.glob("*.py")):
            assert f"{part.relative_to(ROOT).as_posix()}/" in text, part


def test_contributing_says_what_every_test_folder_and_single_file_is_for() -> None:
    named = [code.rstrip("/") for code in code_spans(ROOT / "CONTRIBUTING.md") if code.startswith("tests/")]
    folders = [path for path in ROOT.glob("tests/*/") if any(path.iterdir()) and not path.name.startswith((".", "__"))]
    files = ROOT.glob("tests/*/test_*.py")
    for path in [*folders, *files]:
        assert any(path.match(pattern) for pattern in named), path


def _exists(dotted: str) -> bool:
    """Whether a module exists, or a module that defines the last part."""
    if importlib.util.find_spec(dotted.partition(".")[0]) is None:
        return False
    path = ROOT.joinpath(*dotted.split("."))
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    module = path.parent if path.parent.is_dir() else path.parent.with_suffix(".py")
    source = module / "__init__.py" if module.is_dir() else module
    return source.exists() and re.search(rf"\b{path.name}\b", source.read_text(encoding="utf-8")) is not None
